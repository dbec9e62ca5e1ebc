"""What tests of the Python client share: one cluster that serves, clients of it, and scripts."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import paxledger
from cluster import Cluster
from cluster_fixtures import CLUSTERS, SMALL_FILES
from waiting import scaled


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes for all tests that break nothing."""
    cluster = Cluster(tmp_path_factory.mktemp("serving"), settings=SMALL_FILES)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def db(serving: Cluster, request: pytest.FixtureRequest) -> Iterator[paxledger.Client]:
    """A client of the cluster, which holds no keys."""
    request.node.stash[CLUSTERS] = [serving]
    with paxledger.connect(serving.endpoints, cluster=serving.name) as client:
        with client.batch() as batch:
            for key in client.keys(b""):
                batch.delete(key)
        yield client


@pytest.fixture
def silent() -> Iterator[str]:
    """An endpoint where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def start_script(
    folder: Path,
    source: str,
    *arguments: str,
    flags: tuple[str, ...] = ("-W", "error"),
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Starts a Python program that can speak to the test through its standard streams."""
    file = folder / "script.py"
    file.write_text(source, encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", *flags, str(file), *arguments],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish_script(process: subprocess.Popen[str], timeout: float = 20.0) -> str:
    """Returns what it printed, and demands that it ends with 0 and without a complaint."""
    try:
        printed, complaints = process.communicate(timeout=scaled(timeout))
    except subprocess.TimeoutExpired:
        process.kill()
        printed, complaints = process.communicate()
        raise AssertionError(f"it does not end; {printed!r}\n{complaints}") from None
    assert (process.returncode, complaints) == (0, ""), (
        f"exit code {process.returncode}, {printed!r}\n{complaints}"
    )
    return printed
