"""Values that are not finite end a training before it writes, and exhausted memory is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from backends.yolov5 import checkpoint
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.distributed import Distributed
from backends.yolov5.training.loop import Means, _memory_errors
from backends.yolov5.training.options import Hyperparameters
from backends.yolov5.training.precision import Finite
from backends.yolov5.training.state import load_state
from tests.backends.yolov5.training_tools import QUICK, TINY, RandomBatches, make_trainer

NAN, ONE = torch.tensor(float("nan")), torch.tensor(1.0)


class FakeEvent:
    """RecordingListener when it is waited for."""

    waited: list[FakeEvent]

    def record(self) -> None:
        self.recorded = True

    def synchronize(self) -> None:
        assert self.recorded
        self.waited.append(self)


@pytest.fixture
def waited(monkeypatch):
    monkeypatch.setattr("torch.cuda.Event", FakeEvent)
    monkeypatch.setattr(FakeEvent, "waited", [], raising=False)
    return FakeEvent.waited


def test_a_cpu_tells_at_once():
    finite = Finite(torch.device("cpu"))
    finite.check(ONE, "loss", "here")
    with pytest.raises(TrainingError, match="the loss became nan there"):
        finite.check(NAN, "loss", "there")
    finite.settle()


def test_a_gpu_tells_with_the_next_value_or_in_the_end(waited):
    finite = Finite(torch.device("cuda"))
    finite.check(ONE, "loss", "in batch 1")
    assert not waited
    finite.check(NAN, "gradient", "in batch 1")
    assert len(waited) == 1
    with pytest.raises(TrainingError, match="the gradient became nan in batch 1"):
        finite.check(NAN, "loss", "in batch 2")
    finite.settle()
    finite.check(-NAN.log(), "loss", "in batch 3")
    with pytest.raises(TrainingError, match="the loss became nan in batch 3"):
        finite.settle()


def spoiling(batch, value):
    """Let one gradient of epoch 2 be ``value`` while all losses stay finite; to be given to RandomBatches."""
    state = {"now": False}

    def before(epoch, number):
        state["now"] = (epoch, number) == (1, batch)

    def attach(done):
        weight = done.loop.model.stem.conv.weight
        weight.register_hook(lambda grad: torch.full_like(grad, value) if state["now"] else grad)

    return before, attach


def spoilt(folder, value, **options):
    """A make_trainer whose third batch of epoch 2 has such a gradient."""
    before, attach = spoiling(2, value)
    done = make_trainer(folder, batches=RandomBatches(before=before), options=replace(QUICK, **options))
    attach(done)
    return done


def check_written(folder):
    assert load_state(folder, TINY.to_dict()).epoch == 1
    saved = checkpoint.load(folder / "last.safetensors").state
    assert all(tensor.isfinite().all() for tensor in saved.values())


@pytest.mark.parametrize(("clip", "value"), [(10.0, float("nan")), (0.0, float("inf"))])
def test_a_gradient_that_is_not_finite_moves_and_writes_nothing(tmp_path, clip, value):
    done = spoilt(tmp_path, value, clip=clip, nominal_batch=2)
    where = r"in epoch 2, batch 3, with '1-2\.jpg', '1-2\.jpg'$"
    with pytest.raises(TrainingError, match=f"the gradient became {value:g} {where}") as caught:
        done.run()
    assert "last good checkpoint" in caught.value.hint
    check_written(tmp_path)
    assert all(tensor.isfinite().all() for tensor in done.loop.model.parameters())


def test_a_sum_of_gradients_names_all_its_batches(tmp_path):
    where = r"in epoch 2, batches 1 to 4, with '1-0\.jpg', '1-0\.jpg', '1-1\.jpg' and 5 more$"
    with pytest.raises(TrainingError, match=f"the gradient became nan {where}"):
        spoilt(tmp_path, float("nan"), nominal_batch=8).run()


@pytest.mark.parametrize("nominal", [2, 8])
@pytest.mark.usefixtures("waited")
def test_a_gradient_looked_at_late_writes_nothing(tmp_path, nominal):
    done = spoilt(tmp_path, float("nan"), nominal_batch=nominal)
    done.loop._finite = Finite(torch.device("cuda"))
    with pytest.raises(TrainingError, match=r"the gradient became nan in epoch 2, batch(es 1 to 4| 3), "):
        done.run()
    check_written(tmp_path)


def test_no_limit_leaves_a_gradient_as_it_is(tmp_path):
    states = []
    for name, clip in (("none", 0.0), ("far", 1e9)):
        (tmp_path / name).mkdir()
        done = make_trainer(tmp_path / name, epochs=1, options=replace(QUICK, clip=clip))
        done.run()
        states.append(done.loop.model.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_means_are_read_again_when_they_are_old_enough(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    always, seldom = Means(torch.zeros(3)), Means(torch.zeros(3), every=0.5)
    shown = []
    for moment in (100.0, 100.4, 100.6):
        now[0] = moment
        for means in (always, seldom):
            means.add(torch.full((3,), moment), 1)
        shown.append((always.recent()["box"], seldom.recent()["box"]))
    assert shown == [pytest.approx(pair, rel=1e-6) for pair in [(100, 100), (100.2, 100), (301 / 3, 301 / 3)]]


def exhausted(*_):
    raise torch.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("place", ["_backward", "_step"])
def test_exhausted_memory_is_reported(tmp_path, monkeypatch, place):
    done = make_trainer(tmp_path, batch=6)
    monkeypatch.setattr(done.loop, place, exhausted)
    with pytest.raises(TrainingError, match="is too small for a batch of 2 images of 64 pixels") as caught:
        done.run()
    assert caught.value.hint.startswith("try batch=3 or auto, a smaller imgsz")


@pytest.mark.parametrize(
    ("batch", "world", "advice"), [(48, 4, "try batch=24 or"), (24, 8, "try batch=8 or"), (4, 4, "try a smaller imgsz")]
)
def test_a_smaller_batch_can_be_divided_among_the_processes(batch, world, advice):
    mine = Distributed(0, world, torch.device("cpu"))
    with pytest.raises(TrainingError) as caught, _memory_errors(mine, Hyperparameters(batch=batch), batch // world):
        exhausted()
    assert caught.value.hint.startswith(advice)


def test_a_state_without_a_scaler_resumes_with_one(tmp_path):
    make_trainer(tmp_path, epochs=1).run()
    state = load_state(tmp_path, TINY.to_dict())
    assert state.scaler == {}
    resumed = make_trainer(tmp_path)
    resumed.loop.scaler = torch.amp.GradScaler("cpu", init_scale=256.0)
    resumed.resume(state)
    assert resumed.loop.scaler.get_scale() == 256.0
    resumed.run()
    assert load_state(tmp_path, TINY.to_dict()).scaler["scale"] > 0
