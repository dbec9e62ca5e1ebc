"""`python -m paxledger` is the command line: it becomes the program `paxledger`."""

from __future__ import annotations

import os
import sys

from paxledger.programs import find_program


def main() -> None:
    """Replaces this process by the program, with the same arguments."""
    program = find_program("paxledger")
    os.execv(program, [program, *sys.argv[1:]])


if __name__ == "__main__":
    main()
