"""Where the programs `paxledger` and `paxledgerd` of this installation are."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from paxledger.errors import SystemFailure


def find_program(name: str) -> str:
    """Returns the path of a program: that of this environment, else the one on PATH.

    The environment variable `PAXLEDGER_BIN_DIR` names another folder to take it from.

    Args:
        name: `paxledger` or `paxledgerd`.

    Raises:
        SystemFailure: It is nowhere; the message says where it was looked for.

    Example:
        >>> find_program("paxledgerd").endswith("paxledgerd")
        True
    """
    folders = [os.environ.get("PAXLEDGER_BIN_DIR"), sysconfig.get_path("scripts")]
    places = [Path(folder) for folder in folders if folder]
    for place in places:
        if os.access(place / name, os.X_OK):
            return str(place / name)
    if found := shutil.which(name):
        return found
    looked = ", ".join(str(place) for place in places)
    raise SystemFailure(
        f"there is no {name} in {looked}, nor on PATH; install it with `pip install paxledger`"
    )
