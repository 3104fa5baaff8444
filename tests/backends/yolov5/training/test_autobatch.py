"""The largest batch that fits into memory, measured with fake and with real memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

from backends.yolov5.errors import TrainingError
from backends.yolov5.model import YOLOv5
from backends.yolov5.training import autobatch
from backends.yolov5.training.autobatch import largest_batch
from backends.yolov5.training.memory import ProcessMeter
from core.process import resources as memory
from tests.support.yolov5_tools import tiny_weights

CPU = torch.device("cpu")
GIB = 2**30


@dataclass
class FakeMeter:
    """Memory in which a step needs ``fixed`` bytes, and ``each`` bytes per image."""

    total: int
    fixed: int = 0
    each: int = GIB
    kept: int = 0
    tried: list[int] = field(default_factory=list)

    def room(self) -> int:
        return self.total

    def peak(self, step: Callable[[], None]) -> int:
        step()
        needed = self.fixed + self.tried[-1] * self.each
        if needed > self.total:
            raise torch.OutOfMemoryError(f"{needed} bytes")
        return max(needed, self.kept)


def found(meter: FakeMeter, monkeypatch: pytest.MonkeyPatch, **options: object) -> int:
    monkeypatch.setattr(autobatch._Trial, "step", lambda _, batch: meter.tried.append(batch))
    return largest_batch(network(), 64, CPU, meter=meter, **options)[0]


def network() -> YOLOv5:
    return tiny_weights().network()


@pytest.mark.parametrize(
    ("total", "batch"), [(1, 1), (2, 1), (3, 2), (6, 4), (12, 8), (22, 16), (31, 16), (33, 24), (100, 72), (9999, 1024)]
)
def test_three_quarters_of_the_room(total: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = FakeMeter(total * GIB + 64 * 2**20)  # room for the average and the moments of this network
    assert found(meter, monkeypatch) == batch
    assert meter.tried[:3] == [1, 2, 4][: len(meter.tried)]
    assert max(meter.tried) <= total, "nothing that could not fit"


def test_what_does_not_grow_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(FakeMeter(100 * GIB, fixed=40 * GIB), monkeypatch) == 32
    assert found(FakeMeter(100 * GIB, fixed=40 * GIB), monkeypatch, fraction=0.9) == 48
    assert found(FakeMeter(100 * GIB, fixed=95 * GIB), monkeypatch) == 1
    assert found(FakeMeter(100 * GIB), monkeypatch, limit=20) == 16


def test_memory_kept_from_before_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = FakeMeter(100 * GIB, kept=6 * GIB)
    assert found(meter, monkeypatch) == 72
    assert meter.tried == [1, 2, 4, 8, 16], "from 4 to 8 part of the growth is hidden"


def test_steps_that_never_grow_end_at_the_largest_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(FakeMeter(100 * GIB, kept=50 * GIB, each=1), monkeypatch, limit=64) == 64


def test_a_single_step_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="is too small for a training step with one image of 64 pixels"):
        found(FakeMeter(GIB // 2), monkeypatch)


def test_a_bug_is_no_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, batch: int) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(autobatch._Trial, "step", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        largest_batch(network(), 64, CPU, meter=FakeMeter(GIB))


@pytest.mark.parametrize(("total", "start", "batch"), [(64, 40, 40), (35, 40, 32), (20, 40, 16), (7, 24, 4)])
def test_a_batch_is_lowered_until_it_fits(total: int, start: int, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = FakeMeter(total * GIB)
    monkeypatch.setattr(autobatch._Trial, "step", lambda _, batch: meter.tried.append(batch))
    trial = autobatch._Trial(network(), 64, CPU, None, torch.contiguous_format)
    assert autobatch._verified(trial, meter, start, 0.99 * 64 * GIB) == batch


@pytest.mark.parametrize("imgsz", [32, 64])
def test_steps_leave_the_model_and_the_random_state_alone(imgsz: int) -> None:
    model = network()
    state = torch.random.get_rng_state()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    meter = ProcessMeter(memory.reset_peak, memory.peak, lambda: GIB)
    batch, line = largest_batch(model, imgsz, CPU, meter=meter, memory_format=torch.channels_last, limit=4)
    assert 1 <= batch <= 4
    assert line.startswith(f"batch={batch}: a step takes ")
    assert torch.equal(state, torch.random.get_rng_state())
    assert not model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_process_meter_measures_from_a_reset_on() -> None:
    calls: list[str] = []
    peaks = iter([300, 500])

    def highest() -> int:
        calls.append("highest")
        return next(peaks)

    meter = ProcessMeter(lambda: calls.append("reset"), highest, lambda: 1000)
    assert meter.room() == 1300
    assert meter.peak(lambda: calls.append("step")) == 500
    assert calls == ["reset", "highest", "reset", "step", "highest"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu() -> None:
    batch, _ = largest_batch(network(), 64, torch.device("cuda"), limit=64)
    assert batch == 64
