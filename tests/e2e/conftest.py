"""Gives every end-to-end test its clusters."""

import signal

from cluster_fixtures import cluster, five, make_cluster, pytest_runtest_makereport

# A runner in the background of a shell ignores Ctrl-C, and so would every process that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["cluster", "five", "make_cluster", "pytest_runtest_makereport"]
