"""Arguments of the node controller that are of a wrong type or out of their bounds."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Iterator
from typing import Any

import pytest

from paxledger import errors
from paxledger.cluster import Cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster.local(3) as three:
        yield three


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"nodes": "5"}, "nodes is how many"),
        ({"nodes": True}, "nodes is how many"),
        ({"fault_injection": "no"}, "fault_injection is True or False, not 'no'"),
        ({"fault_injection": 0}, "fault_injection is True or False, not 0"),
        ({"heartbeat": "1"}, "heartbeat is a number of seconds"),
        ({"work_bits": 1.0}, "work_bits is a whole number"),
        ({"name": b"x"}, "name is a str"),
    ],
)
def test_a_local_cluster_is_described_by_the_right_types(
    arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(TypeError, match=said):
        Cluster.local(**arguments)


@pytest.mark.parametrize("nodes", [0, -1, 10**6])
def test_the_number_of_nodes_has_bounds(nodes: int) -> None:
    with pytest.raises(errors.BadRequest, match=f"1 to 9 nodes, not {nodes}"):
        Cluster.local(nodes)


def test_a_name_that_utf8_cannot_express_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="name is text that UTF-8 can express"):
        Cluster.local(1, name="\udc80")


def test_methods_say_which_type_they_want(cluster: Cluster) -> None:
    wrong: Any
    for wrong in (3, "12", None):
        with pytest.raises(TypeError, match="rejoin is a list of node ids"):
            cluster.start(rejoin=wrong)
    for wrong in ("x", 1.5, True):
        with pytest.raises(TypeError, match="lines is how many"):
            cluster.node(1).logs(wrong)
        with pytest.raises(TypeError, match="first is a height"):
            cluster.chain(1, wrong)
        with pytest.raises(TypeError, match="last is how many heights"):
            cluster.compare(wrong)
    wrong = "no"
    for method in (cluster.fail_link, cluster.fix_link):
        with pytest.raises(TypeError, match="one_way is True or False, not 'no'"):
            method(1, 2, one_way=wrong)
    with pytest.raises(TypeError, match="one_way is True or False, not 'no'"):
        cluster.partition([1], one_way=wrong)
    with pytest.raises(TypeError, match="one_way is True or False, not 'no'"):
        cluster.delay(1, 2, 0.1, one_way=wrong)
    assert cluster.faults() == []


def test_methods_say_which_bounds_they_have(cluster: Cluster) -> None:
    for value in (-0.1, 1.1, math.nan):
        for method in (cluster.drop, cluster.duplicate, cluster.reorder):
            with pytest.raises(errors.BadRequest, match="a number from 0 to 1"):
                method(1, 2, value)
    for value in (-1, 61, math.nan, math.inf):
        with pytest.raises(errors.BadRequest, match="0 to 60 seconds"):
            cluster.delay(1, 2, value)
    with pytest.raises(errors.BadRequest, match="no node 9"):
        cluster.partition([1], [2, 9])
    with pytest.raises(errors.BadRequest, match="two groups with different nodes"):
        cluster.partition([1, 2], [2, 1])
    with pytest.raises(errors.BadRequest, match="lines is how many"):
        cluster.node(1).logs(-1)
    with pytest.raises(errors.BadRequest, match="at least 1"):
        cluster.compare(0)
    assert cluster.link_faults() == {}


def test_all_clients_of_a_cluster_are_closed_with_it() -> None:
    async def last(cluster: Cluster) -> tuple[Any, Any]:
        client = cluster.aclient()
        await client.put("k", "v")
        # A view shares the connection; the client that it was made of may be gone.
        return client, cluster.aclient().using("str")

    cluster = Cluster.local(1).start()
    opened = [*asyncio.run(last(cluster)), cluster.client(), cluster.client().using("str")]
    assert not any(client.closed for client in opened)
    cluster.close()
    assert [client.closed for client in opened] == [True] * 4


def test_closing_the_cluster_ends_a_call_of_asyncio_under_way() -> None:
    async def cut_off(cluster: Cluster) -> None:
        client = cluster.aclient(deadline=60)
        await client.put("k", "v")
        cluster.node(1).pause()
        call = asyncio.ensure_future(client.put("k", "w"))
        await asyncio.sleep(0)
        await asyncio.get_running_loop().run_in_executor(None, cluster.close)
        with pytest.raises(errors.Error):
            await asyncio.wait_for(call, 20)

    asyncio.run(cut_off(Cluster.local(1).start()))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_in_a_fork_a_cluster_says_to_which_process_it_belongs(cluster: Cluster) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, f"{cluster!r} {cluster.node(1)!r} {cluster._repr_html_()}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    said = os.read(read, 65536).decode()
    os.close(read)
    assert said.count(f"process {os.getpid()}") == 3, said
    assert "closed" not in said
