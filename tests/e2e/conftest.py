"""Gives every end-to-end test its clusters."""

from cluster_fixtures import cluster, five, make_cluster, pytest_runtest_makereport

__all__ = ["cluster", "five", "make_cluster", "pytest_runtest_makereport"]
