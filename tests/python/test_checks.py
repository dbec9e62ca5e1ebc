"""The checks of scripts/ find what they are there for: each one is shown a planted fault."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

import check_includes
import check_purity

ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def archive_of(folder: Path, source: str, name: str = "planted.cpp") -> Path:
    """A static library made of one C++ source."""
    write(folder / name, source)
    compile_command = ["g++", "-std=c++20", "-O2", "-c", name, "-o", f"{name}.o"]
    subprocess.run(compile_command, cwd=folder, check=True)
    subprocess.run(["ar", "qc", "libplanted.a", f"{name}.o"], cwd=folder, check=True)
    return folder / "libplanted.a"


# ---- includes


def test_this_repository_keeps_the_module_table() -> None:
    assert check_includes.check(ROOT) == []


def test_an_include_that_the_table_allows_is_good(tmp_path: Path) -> None:
    write(tmp_path / "cpp/base/bytes.hpp")
    write(tmp_path / "cpp/kv/map.cpp", '#include <chrono>\n#include "base/bytes.hpp"\n')
    assert check_includes.check(tmp_path) == []


def test_a_forbidden_include_is_found_with_its_line(tmp_path: Path) -> None:
    write(tmp_path / "cpp/net/socket.hpp")
    write(tmp_path / "cpp/paxos/leader.cpp", '// leader\n#include "net/socket.hpp"\n')
    (fault,) = check_includes.check(tmp_path)
    assert fault.startswith("cpp/paxos/leader.cpp:2: paxos may not include")


def test_control_may_see_the_configuration_of_a_node_and_no_more(tmp_path: Path) -> None:
    write(tmp_path / "cpp/node/configuration.hpp")
    write(tmp_path / "cpp/node/event_loop.hpp")
    source = '#include "node/configuration.hpp"\n#include "node/event_loop.hpp"\n'
    write(tmp_path / "cpp/control/cluster.cpp", source)
    (fault,) = check_includes.check(tmp_path)
    assert "node/event_loop.hpp" in fault


def test_a_module_that_the_table_does_not_know_is_found(tmp_path: Path) -> None:
    write(tmp_path / "cpp/helpers/things.hpp")
    (fault,) = check_includes.check(tmp_path)
    assert "cpp/helpers" in fault


def test_an_include_of_a_missing_file_is_found(tmp_path: Path) -> None:
    write(tmp_path / "cpp/base/bytes.cpp", '#include "base/gone.hpp"\n')
    (fault,) = check_includes.check(tmp_path)
    assert "base/gone.hpp" in fault


def test_a_cycle_is_found(tmp_path: Path) -> None:
    write(tmp_path / "cpp/base/bytes.hpp", '#include "kv/map.hpp"\n')
    write(tmp_path / "cpp/kv/map.hpp", '#include "base/bytes.hpp"\n')
    assert "cycle: base -> kv -> base" in check_includes.check(tmp_path)


def test_the_table_itself_has_no_cycle() -> None:
    table = check_includes.MAY_INCLUDE
    edges = {row: {entry.split("/")[0] for entry in table[row]} for row in table}
    assert check_includes.find_cycle(edges) == []


def test_a_thread_header_in_a_pure_module_is_found(tmp_path: Path) -> None:
    write(tmp_path / "cpp/engine/replica.cpp", "#include <thread>\n")
    write(tmp_path / "cpp/node/loop.cpp", "#include <thread>\n")
    (fault,) = check_includes.check(tmp_path)
    assert fault.startswith("cpp/engine/replica.cpp:1")


def test_a_dependency_beyond_the_table_in_cmake_is_found(tmp_path: Path) -> None:
    write(tmp_path / "cpp/kv/CMakeLists.txt", "paxledger_module(kv DEPS base net LIBS fmt)\n")
    (fault,) = check_includes.check(tmp_path)
    assert fault.endswith("may not depend on net")


# ---- purity


def test_an_archive_of_pure_code_is_good(tmp_path: Path) -> None:
    source = """#include <map>
    #include <string>
    std::string next(const std::map<int, std::string>& m) { return m.at(1) + std::to_string(2); }
    """
    assert check_purity.check_archive(archive_of(tmp_path, source)) == []


@pytest.mark.parametrize(
    ("what", "source"),
    [
        ("a clock", "#include <chrono>\nauto f() { return std::chrono::steady_clock::now(); }"),
        ("a clock", "#include <chrono>\nauto f() { return std::chrono::system_clock::now(); }"),
        ("a clock", "#include <ctime>\nauto f() { return std::time(nullptr); }"),
        ("a clock", "#include <time.h>\nint f(timespec* t) { return clock_gettime(0, t); }"),
        ("a thread", "#include <thread>\nvoid f() { std::thread([] {}).join(); }"),
        ("a thread", "#include <mutex>\nvoid f(std::mutex& m) { m.lock(); }"),
        ("a wait", "#include <unistd.h>\nvoid f() { usleep(1); }"),
        ("a file", '#include <fstream>\nvoid f() { std::ofstream("x") << 1; }'),
        ("a file", '#include <cstdio>\nvoid* f() { return std::fopen("x", "r"); }'),
        ("a file", '#include <fcntl.h>\nint f() { return open("x", O_RDONLY); }'),
        ("a file", '#include <iostream>\nvoid f() { std::cout << "x"; }'),
        ("a file", '#include <cstdio>\nvoid f() { std::puts("x"); }'),
        ("a file", '#include <filesystem>\nbool f() { return std::filesystem::exists("x"); }'),
        ("a socket", "#include <sys/socket.h>\nint f() { return socket(1, 1, 0); }"),
        ("a socket", 'extern "C" void* zmq_ctx_new();\nvoid* f() { return zmq_ctx_new(); }'),
        ("a random device", "#include <random>\nunsigned f() { return std::random_device()(); }"),
        ("a random device", "#include <cstdlib>\nint f() { return std::rand(); }"),
        (
            "a random device",
            "#include <sys/random.h>\nauto f(void* p) { return getrandom(p, 1, 0); }",
        ),
        ("the environment", '#include <cstdlib>\nauto f() { return std::getenv("HOME"); }'),
    ],
)
def test_impure_code_is_found(what: str, source: str, tmp_path: Path) -> None:
    faults = check_purity.check_archive(archive_of(tmp_path, source))
    assert any(f"uses {what}:" in fault for fault in faults), faults


def test_last_words_are_allowed_to_a_broken_invariant_alone(tmp_path: Path) -> None:
    source = '#include <cstdio>\nvoid f(int n) { std::fprintf(stderr, "broken %d", n); }'
    for name, good in (("invariant.cpp", True), ("leader.cpp", False)):
        folder = tmp_path / name
        folder.mkdir()
        faults = check_purity.check_archive(archive_of(folder, source, name))
        assert (faults == []) is good, faults


def test_a_missing_archive_fails(tmp_path: Path) -> None:
    (fault,) = check_purity.check_archive(tmp_path / "libpaxledger_base.a")
    assert "no such archive" in fault


def test_an_empty_archive_fails(tmp_path: Path) -> None:
    subprocess.run(["ar", "qc", "libempty.a"], cwd=tmp_path, check=True)
    (fault,) = check_purity.check_archive(tmp_path / "libempty.a")
    assert "no symbol" in fault


def test_a_failing_nm_fails(tmp_path: Path) -> None:
    archive = archive_of(tmp_path, "int f() { return 1; }")
    (fault,) = check_purity.check_archive(archive, nm="false")
    assert "failed with exit code 1" in fault
    (fault,) = check_purity.check_archive(archive, nm="/nonexistent/nm")
    assert "does not run" in fault


def test_a_file_that_is_no_archive_fails(tmp_path: Path) -> None:
    broken = write(tmp_path / "libbroken.a", "this is no archive\n")
    assert check_purity.check_archive(broken) != []


def test_the_command_fails_where_a_build_directory_is_empty(tmp_path: Path) -> None:
    assert check_purity.main([str(tmp_path)]) == 1


# ---- what installs


def run_install_deps(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, PATH=path if path is not None else os.environ["PATH"])
    return subprocess.run(
        ["/bin/bash", str(ROOT / "scripts/install-deps"), *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def fake_system(folder: Path, **programs: str) -> str:
    """A PATH with the given shell programs and the few of the system that the script needs."""
    for name in ("awk", "sed", "id", "env"):
        target = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        (folder / name).symlink_to(target.stdout.strip())
    for name, body in programs.items():
        program = write(folder / name.replace("_", "-"), f"#!/bin/bash\n{body}\n")
        program.chmod(0o755)
    return str(folder)


def test_install_deps_lists_each_package_once() -> None:
    packages = run_install_deps("--list").stdout.split()
    assert "libzmq3-dev" in packages
    assert len(packages) == len(set(packages))


def test_install_deps_of_one_group_lists_no_other() -> None:
    packages = run_install_deps("--list", "bench").stdout.split()
    assert packages == ["libbenchmark-dev", "etcd-server", "command:go|golang-go"]
    assert not set(packages) & set(run_install_deps("--list").stdout.split()), "only if asked for"


def test_install_deps_takes_a_program_that_is_there_however_it_came(tmp_path: Path) -> None:
    path = fake_system(
        tmp_path,
        dpkg_query='case "${@: -1}" in golang-go) exit 1;; esac\necho -n installed',
        apt_cache='echo "  Candidate: 1.0"',
        apt_get='echo "$@"',
        sudo='"$@"',
    )
    run = run_install_deps("bench", path=path)
    assert run.stdout.splitlines()[-1].endswith("install golang-go"), run.stderr
    write(tmp_path / "go", "#!/bin/bash\n").chmod(0o755)
    assert run_install_deps("--check", "bench", path=path).returncode == 0


def test_install_deps_without_apt_prints_what_is_needed_and_fails(tmp_path: Path) -> None:
    run = run_install_deps("build", path=fake_system(tmp_path))
    assert run.returncode == 1
    assert "libzmq3-dev" in run.stderr


def test_install_deps_installs_what_is_missing_and_only_that(tmp_path: Path) -> None:
    log = tmp_path / "apt.log"
    path = fake_system(
        tmp_path,
        dpkg_query='case "${@: -1}" in libisal-dev|clang-tidy*) exit 1;; esac\necho -n installed',
        apt_cache='case "$2" in clang-tidy-16) echo "  Candidate: (none)";; '
        '*) echo "  Candidate: 1.0";; esac',
        apt_get=f'echo "$@" >>{log}',
        sudo='"$@"',
    )
    check = run_install_deps("--check", "build", "check", path=path)
    assert (check.returncode, check.stdout.split()) == (
        1,
        ["libisal-dev", "clang-tidy-16|clang-tidy-18|clang-tidy-19"],
    )
    assert not log.exists()

    run = run_install_deps("build", "check", path=path)
    assert run.returncode == 0, run.stderr
    update, install = log.read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("install libisal-dev clang-tidy-18"), "the alternative that apt knows"


def test_install_deps_that_apt_fails_fails(tmp_path: Path) -> None:
    path = fake_system(
        tmp_path,
        dpkg_query="exit 1",
        apt_cache="echo '  Candidate: 1.0'",
        apt_get="exit 100",
        sudo='"$@"',
    )
    assert run_install_deps("build", path=path).returncode != 0


def test_install_deps_with_everything_here_changes_nothing(tmp_path: Path) -> None:
    path = fake_system(tmp_path, dpkg_query="echo -n installed", apt_get="exit 1")
    assert run_install_deps(path=path).returncode == 0
