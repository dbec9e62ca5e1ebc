"""Paths that are no text, files that are no UTF-8, and what the system refuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from paxledger import errors
from paxledger.cluster import Cluster
from paxledger.programs import find_program

ONE_NODE = (
    "nodes:\n  - {id: 1, peer: 'tcp://127.0.0.1:7291', "
    "client: 'tcp://127.0.0.1:7191', http: '127.0.0.1:7391'}\n"
)


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A directory whose name is no UTF-8."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    return folder


def test_a_file_that_is_no_utf8_is_named_with_the_place_and_what_was_expected(
    tmp_path: Path,
) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_bytes(b"# a comment\ncluster: caf\xe9\n" + ONE_NODE.encode())
    said = rf"{file}:2:13: found the octet \xe9, expected text in UTF-8"
    with pytest.raises(errors.ConfigurationError) as caught:
        Cluster.from_yaml(file)
    assert str(caught.value) == said
    for command in (
        [find_program("paxledger"), "status", "-f", str(file)],
        [find_program("paxledgerd"), "--config", str(file), "--node", "1"],
    ):
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert ended.returncode != 0
        assert said in ended.stderr, ended


def test_a_cluster_works_below_a_path_that_is_no_text(odd: Path) -> None:
    with Cluster.local(1, directory=odd) as cluster:
        cluster.client().put("k", "v")
        assert cluster.node(1).directory.is_relative_to(odd.resolve())
        assert cluster.node(1).logs()
        assert repr(cluster)
        assert Path(cluster.file).read_bytes()
    for path in (os.fsencode(odd / "cluster.yaml"), odd / "cluster.yaml"):
        assert Cluster(path).ids == [1]


def test_an_error_in_a_file_of_such_a_path_can_be_printed(odd: Path) -> None:
    file = odd / "cluster.yaml"
    file.write_text("nonsense: 1\n")
    with pytest.raises(errors.ConfigurationError) as caught:
        Cluster.from_yaml(file)
    assert r"caf\xe9/cluster.yaml:1:1: " in str(caught.value)
    str(caught.value).encode()


def test_what_is_no_path_is_refused() -> None:
    with pytest.raises(TypeError, match="os.PathLike"):
        Cluster.from_yaml(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="os.PathLike"):
        Cluster.local(directory=3)  # type: ignore[arg-type]
    with pytest.raises(errors.BadRequest, match="octet 0"):
        Cluster.from_yaml("a\0b")


def test_what_the_system_refuses_names_the_path_and_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "cluster"
    with pytest.raises(errors.SystemFailure, match=r"file.*: Not a directory"):
        Cluster.local(1, directory=below)
    with pytest.raises(errors.SystemFailure, match=r"file/cluster: Not a directory"):
        Cluster.from_yaml(below)


def test_a_half_made_directory_is_removed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full once cluster.yaml is to be written."""
    real = Path.open

    def full(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if self.name != "cluster.yaml":
            return real(self, mode, *rest, **more)
        real(self, mode).close()
        return real(Path("/dev/full"), "wb")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(errors.SystemFailure, match="a/b: No space left on device"):
        Cluster.local(1, directory=tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


def test_a_directory_for_a_refused_cluster_is_removed_again(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError):
        Cluster.local(1, directory=tmp_path / "a" / "b", work_bits=-1)
    assert not (tmp_path / "a").exists()
