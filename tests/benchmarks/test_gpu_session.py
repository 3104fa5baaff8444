"""What of the GPU benchmark of sessions can be checked without a GPU."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.gpu import session as benchmark
from tests.backends.gpu.devices import put
from tests.backends.trt.engines import opened_session


def test_a_path_that_is_no_engine(tmp_path):
    with pytest.raises(SystemExit, match=r"'.*a\.engine' has no engine sidecar"):
        benchmark.main([str(tmp_path / "a.engine")])


def test_every_way_infers(monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "read_engine", lambda path: SimpleNamespace(runtime="tensorrt"))
    monkeypatch.setattr(benchmark, "load", lambda name: SimpleNamespace(title="TensorRT", version="10"))
    monkeypatch.setattr(benchmark, "choose", lambda device: SimpleNamespace(name="NVIDIA L4", driver="580"))
    session, engine, device = opened_session()
    there = put(device, np.ones((2, 3, 8, 8), np.float32), session.stream)

    def measure(*_):
        for way, work, batches in benchmark.ways(session, np.ones((2, 3, 8, 8), np.float32), there):
            yield way, True, benchmark.timed(work, 3) / batches

    monkeypatch.setattr(benchmark, "measure", measure)
    benchmark.main(["a.engine", "--batch", "2"])
    printed = capsys.readouterr().out
    assert "NVIDIA L4, driver 580, TensorRT 10; a.engine, batch 2\nmedian of 200 rounds" in printed
    assert [line.split("|")[1].strip() for line in printed.splitlines()[-3:]] == ["host", "device", "device, in a row"]
    runs = sum(context.runs for context in engine.contexts)
    assert runs + device.graph_launches == 8 + 8 + 8 * benchmark.ROW + 2  # the two captures
