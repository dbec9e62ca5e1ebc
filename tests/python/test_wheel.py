"""The built wheel, in a fresh virtual environment, away from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, timeout: float = 240) -> str:
    """The output of a command that must succeed. It sees nothing of this environment's Python."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV", "PAXLEDGER_BIN_DIR")
    }
    environment["PATH"] = "/usr/bin:/bin"
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a fresh virtual environment with the wheel and what it needs by itself."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    settings = "--config-settings=build-dir=build/release"
    options = ("--quiet", "--no-build-isolation", "--no-deps", settings)
    subprocess.run(
        [*pip, "wheel", *options, "--wheel-dir", folder, ROOT], check=True, cwd=ROOT, timeout=240
    )
    (wheel,) = folder.glob("paxledger-*.whl")
    run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
    run(folder / "env/bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "env"


def test_brings_both_programs_and_the_module(environment: Path) -> None:
    for program in ("paxledger", "paxledgerd"):
        assert run(environment / "bin" / program, "--version", cwd=environment)
    version = run(environment / "bin/paxledger", "--version", cwd=environment)
    assert (
        run(environment / "bin/python", "-m", "paxledger", "--version", cwd=environment) == version
    )


def test_carries_its_types(environment: Path) -> None:
    (package,) = environment.glob("lib/python3*/site-packages/paxledger")
    assert (package / "py.typed").exists()
    assert (package / "_core.pyi").exists()


def test_runs_an_example_outside_of_the_source_tree(environment: Path, tmp_path: Path) -> None:
    example = tmp_path / "phonebook.py"
    example.write_bytes((ROOT / "examples/phonebook.py").read_bytes())
    assert "netid" in run(environment / "bin/python", "-W", "error", example, cwd=tmp_path)


def test_names_the_extra_that_the_laboratory_needs(environment: Path, tmp_path: Path) -> None:
    code = "import paxledger.lab"
    done = subprocess.run(
        [environment / "bin/python", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "pip install 'paxledger[lab]'" in done.stderr


def test_the_source_distribution_holds_the_sources_and_nothing_that_was_built(
    tmp_path: Path,
) -> None:
    built = ROOT / "build/release/cpp"
    assert built.is_dir(), "there is nothing that could get into it by mistake"
    code = "import sys; from scikit_build_core import build; build.build_sdist(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, tmp_path], check=True, cwd=ROOT, timeout=60)
    (file,) = tmp_path.glob("paxledger-*.tar.gz")
    with tarfile.open(file) as archive:
        names = {each.name.partition("/")[2] for each in archive.getmembers()}
    wanted = subprocess.run(
        ["git", "ls-files", "cpp", "bindings", "cmake", "python", "CMakeLists.txt", "LICENSE"],
        capture_output=True,
        check=True,
        cwd=ROOT,
        text=True,
    ).stdout.splitlines()
    assert not set(wanted) - names
    assert not [name for name in names if name.startswith("build/") or name.endswith(".so")]
