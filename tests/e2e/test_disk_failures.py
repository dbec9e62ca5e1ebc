"""Failing disks, and directories and ports that are taken: clear last words, and a way back."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster, Node
from cluster_fixtures import MakeCluster
from load import Load, check_kept
from waiting import wait_until

REFUSED = 65
UNAVAILABLE = 69
DISK_FAILED = 74


def strace(node: Node, fault: str, log: Path) -> list[str]:
    """A wrapper that makes system calls of the daemon fail; see strace(1), -e inject."""
    return ["strace", "-D", "-f", "-qq", "-o", str(log), "-e", f"inject={fault}"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("fdatasync:error=EIO:when=60+", "Input/output error"),
        ("pwrite64:error=ENOSPC:when=300+", "No space left on device"),
    ],
    ids=["failed sync", "full disk"],
)
def test_a_failing_disk_ends_the_node_with_clear_words_and_not_the_cluster(
    cluster: Cluster, fault: str, words: str, tmp_path: Path
) -> None:
    node = cluster.leader()
    with Load(cluster, writers=2) as load:
        load.wait_progress(100)
        assert node.stop() == 0
        node.start(wrapper=strace(node, fault, tmp_path / "strace.log"))
        assert node.wait_exit(60) == DISK_FAILED
        assert words in node.log_text()
        assert str(node.directory) in node.log_text(), "it names the file"
        load.wait_progress(200)
        node.start()  # the cause is gone
        cluster.wait_serving([node])
        load.wait_progress(100)
    check_kept(cluster, load.promise)


class SmallDisk:
    """A tmpfs of 24 MiB in a mount namespace of its own, which a user without rights can make too.

    Only what is executed by `inside` sees it. The namespace lives as long as its holder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        ready = 'mount -t tmpfs -o size=24m tmpfs "$0" && echo mounted && exec sleep infinity'
        self._holder = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-rm", "sh", "-c", ready, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._holder.stdout is not None
        self.mounted = self._holder.stdout.readline() == b"mounted\n"

    @property
    def inside(self) -> list[str]:
        """A wrapper that executes a command where the disk is."""
        return ["nsenter", "-t", str(self._holder.pid), "-U", "-m", "--preserve-credentials"]

    def run(self, *command: str) -> None:
        subprocess.run([*self.inside, *command], check=True)

    def grow(self) -> None:
        # Its other options name a user whom the namespace does not know; they stay as they are.
        keep = ["--options-mode", "ignore"]
        self.run("mount", *keep, "-o", "remount,size=256m", str(self.folder))

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    disk = SmallDisk(tmp_path / "small disk")
    try:
        if not disk.mounted:
            pytest.skip(
                "this system lets no user mount anything; that a full disk ends the node and loses"
                " nothing is promised by the test above as well, whose full disk is injected"
            )
        yield disk
    finally:
        disk.close()


def test_a_disk_that_is_really_full_loses_nothing(
    make_cluster: MakeCluster, small_disk: SmallDisk
) -> None:
    cluster = make_cluster()
    node = cluster.node(3)
    cluster.data_dir.mkdir()
    node.directory.symlink_to(small_disk.folder / "node")
    small_disk.run("mkdir", str(small_disk.folder / "node"))
    for each in cluster.nodes:
        each.start("--initialise", wrapper=small_disk.inside if each is node else ())
    cluster.wait_serving()
    with Load(cluster, writers=1) as load:
        load.wait_progress(50)
        client = cluster.client(cluster.others(node)[0])
        for number in range(60):
            key, value = f"large/{number}".encode(), bytes([number]) * 1_000_000
            assert client.put(key, value, deadline=10).ok
            load.promise.values[key] = value
            load.promise.changes += 1
            if not node.running:
                break
        assert node.wait_exit() == DISK_FAILED
        assert "No space left on device" in node.log_text()
        load.wait_progress(50)
        small_disk.grow()
        node.start(wrapper=small_disk.inside)
        cluster.wait_serving([node])
    check_kept(cluster, load.promise)
    cluster.stop()


def test_a_second_process_on_the_same_directory_is_refused(
    cluster: Cluster, make_cluster: MakeCluster
) -> None:
    other = make_cluster()  # the same name and ids, other ports
    other.data_dir.symlink_to(cluster.data_dir)
    intruder = other.node(1)
    intruder.start()
    assert intruder.wait_exit() == REFUSED
    assert str(cluster.node(1).pid) in intruder.log_text(), "it names the process that is there"
    assert cluster.client(cluster.node(1)).put(b"k", b"v").ok


@pytest.mark.parametrize("door", ["peer", "client", "http"])
def test_a_port_in_use_is_named(make_cluster: MakeCluster, door: str) -> None:
    cluster = make_cluster()
    node = cluster.node(2)
    port = {"peer": node.peer_port, "client": node.client_port, "http": node.http_port}[door]
    with socket.socket() as taken:
        # Connections of an earlier test may linger at this port.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        node.start("--initialise")
        assert node.wait_exit() == UNAVAILABLE
        assert f"127.0.0.1:{port}" in node.log_text()
    for each in cluster.nodes:
        each.start(*([] if each.directory.exists() else ["--initialise"]))
    cluster.wait_serving()
    wait_until("it serves once the port is free", lambda: cluster.client(node).put(b"k", b"v").ok)


def test_the_directory_of_another_node_or_cluster_is_refused(make_cluster: MakeCluster) -> None:
    cluster = make_cluster().start()
    cluster.stop()
    one, two = cluster.node(1), cluster.node(2)
    one.directory.rename(cluster.root / "kept")
    two.directory.rename(one.directory)
    one.start()
    assert one.wait_exit() == REFUSED
    assert "node 2" in one.log_text() and "node 1" in one.log_text()

    stranger = make_cluster(name="stranger")
    stranger.data_dir.symlink_to(cluster.data_dir)
    stranger.node(3).start()
    assert stranger.node(3).wait_exit() == REFUSED
    text = stranger.node(3).log_text()
    assert "'e2e'" in text and "'stranger'" in text
    for node in (one, stranger.node(3)):
        node.start("--initialise")
        assert node.wait_exit() == REFUSED, "a new cluster does not begin over an old one"
