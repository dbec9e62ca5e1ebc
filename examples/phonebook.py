"""A phone book: random puts and gets of net ids and phone numbers.

    python phonebook.py                               # on three nodes of its own
    python phonebook.py --endpoint tcp://127.0.0.1:7101 --people 100 --operations 1000

What the program knows itself is compared with every answer: a read must see the last write.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import time
from collections.abc import Iterator

import paxledger


def random_phone_number(chance: random.Random) -> str:
    """A number like "(730) 131-7993"."""
    area, office = chance.randrange(200, 1000), chance.randrange(1000)
    return f"({area}) {office:03}-{chance.randrange(10000):04}"


@contextlib.contextmanager
def open_database(endpoints: list[str]) -> Iterator[paxledger.Client]:
    """A client of the given nodes, or of a cluster that exists as long as it is used."""
    if endpoints:
        with paxledger.connect(endpoints, codec="json") as db:
            yield db
        return
    with paxledger.Cluster.local(nodes=3) as cluster, cluster.client(codec="json") as db:
        print(f"three nodes run; node {cluster.wait_for_leader()} leads")
        yield db


def main() -> None:
    """Fills the phone book, and then reads and changes it at random."""
    parser = argparse.ArgumentParser(description="Random puts and gets of a phone book.")
    parser.add_argument("--endpoint", action="append", default=[], help="of a running node")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--operations", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    chance = random.Random(options.seed)
    numbers = chance.sample(range(1_000_000, 10_000_000), options.people)
    people = [f"{number}_netid" for number in numbers]
    book: dict[str, str] = {}  # what the database must answer

    with open_database(options.endpoint) as db:
        with db.batch() as batch:  # all at once; waits for all at the end
            for person in people:
                book[person] = random_phone_number(chance)
                batch.put(person, {"phone_number": book[person]})
        print(f"{len(people)} people are in the book")

        puts = gets = 0
        begin = time.monotonic()
        for _ in range(options.operations):
            person = chance.choice(people)
            if chance.random() < 0.5:
                book[person] = random_phone_number(chance)
                db.put(person, {"phone_number": book[person]})
                puts += 1
            else:
                found = db.get(person)["phone_number"]
                if found != book[person]:
                    raise SystemExit(f"{person} has {found}, not {book[person]}")
                gets += 1
        seconds = time.monotonic() - begin

        print(f"{puts} puts and {gets} gets in {seconds:.2f} s; every get saw the last put")
        for entry in db.scan()[:3]:
            number = entry.value["phone_number"]
            print(f"  {entry.key}  {number}  (revision {entry.revision})")


if __name__ == "__main__":
    main()
