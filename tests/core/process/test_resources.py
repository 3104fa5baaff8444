"""Cores: hardware threads, affinity and container quotas."""

from __future__ import annotations

import os

import pytest

from core.process.resources import usable_cores


@pytest.fixture
def topology(tmp_path, monkeypatch):
    """Eight hardware threads on four cores, all allowed."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for cpu in range(8):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{cpu % 4},{cpu % 4 + 4}\n")
    return tmp_path


def test_hardware_threads_share_a_core(topology, tmp_path):
    assert usable_cores(topology, tmp_path) == 4


def test_affinity(topology, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 4, 1}, raising=False)
    assert usable_cores(topology, tmp_path) == 2


@pytest.mark.parametrize(
    ("quota", "cores"), [("150000 100000", 2), ("20000 100000", 1), ("max 100000", 4), ("junk", 4)]
)
def test_quota_of_the_container(topology, tmp_path, quota, cores):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cores(topology, tmp_path) == cores


@pytest.mark.parametrize(("quota", "cores"), [("300000", 3), ("-1", 4)])
def test_quota_of_cgroup_v1(topology, tmp_path, quota, cores):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert usable_cores(topology, tmp_path) == cores


def test_without_topology_every_cpu_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert usable_cores(tmp_path, tmp_path) == 3
