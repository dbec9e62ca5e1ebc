"""Makes the checks of scripts/, and the clusters of the end-to-end tests, importable for tests."""

import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/e2e")]

# A runner in the background of a shell ignores Ctrl-C, and so would every process that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

from client_fixtures import db, serving, silent  # noqa: E402

from cluster_fixtures import make_cluster, pytest_runtest_makereport  # noqa: E402

__all__ = ["db", "make_cluster", "pytest_runtest_makereport", "serving", "silent"]
