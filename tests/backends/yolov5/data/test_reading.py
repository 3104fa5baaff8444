from __future__ import annotations

import pytest

from backends.yolov5.data import reading as memory

NAMES = {"v2": ("memory.max", "memory.current"), "v1": ("memory.limit_in_bytes", "memory.usage_in_bytes")}


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    5000 kB\nHugePages_Total:       0\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUPS", (tmp_path,))
    return tmp_path


@pytest.mark.parametrize("version", NAMES)
@pytest.mark.parametrize(
    "case",
    [("4000000", 1500000, 0, 2500000), ("4000000", 3900000, 3000000, 3100000), ("10", 20, 0, 0), ("max", 1, 0, None)],
)
def test_the_tighter_of_machine_and_container(machine, version, case):
    limit, used, cached, free = case
    (machine / NAMES[version][0]).write_text(f"{limit}\n")
    (machine / NAMES[version][1]).write_text(f"{used}\n")
    (machine / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\nactive_file 0\n")
    assert memory.available_memory() == (5000 * 1024 if free is None else free)


def test_a_machine_alone(machine):
    assert memory.available_memory() == 5000 * 1024
    (machine / "meminfo").unlink()
    assert memory.available_memory() is None
