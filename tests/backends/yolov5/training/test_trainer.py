"""The trainer: resumption, best and last weights, early stopping, time limit, and reports."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from backends.yolov5 import checkpoint
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.state import load_state, save_state
from core.kinds.training import STATE
from tests.backends.yolov5.training_tools import (
    QUICK,
    TINY,
    RandomBatches,
    RecordingListener,
    largest_difference,
    make_trainer,
    tiny_network,
)


def losses(notes):
    return [list(epoch.losses.values()) for epoch in notes.epochs]


def test_a_training_learns_and_leaves_both_checkpoints(tmp_path):
    notes = RecordingListener()
    every = replace(QUICK, nominal_batch=2, lr0=0.1)
    make_trainer(tmp_path, listener=notes, batches=RandomBatches(repeated=True), epochs=12, options=every).run()
    first, last = (sum(row) for row in (losses(notes)[0], losses(notes)[-1]))
    assert last < 0.9 * first
    for name in ("best.safetensors", "last.safetensors"):
        assert checkpoint.load(tmp_path / name).network().config == TINY
    assert [epoch.number for epoch in notes.epochs] == list(range(12))


@pytest.mark.parametrize("stop_in", [(0, 2), (1, 1), (2, 4)])
@pytest.mark.parametrize("nominal", [2, 8])
def test_an_interrupted_training_equals_an_uninterrupted_one(tmp_path, stop_in, nominal):
    changes = {"options": replace(QUICK, nominal_batch=nominal, warmup_epochs=1.0), "multi_scale": True}
    (tmp_path / "whole").mkdir()
    (tmp_path / "parts").mkdir()
    whole = RecordingListener([0.1, 0.3, 0.2])
    make_trainer(tmp_path / "whole", listener=whole, **changes).run()

    first = RecordingListener([0.1, 0.3, 0.2], stop_in=stop_in)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "parts", listener=first, **changes).run()
    second = RecordingListener([0.1, 0.3, 0.2])
    resumed = make_trainer(tmp_path / "parts", listener=second, seed=99, **changes)
    if first.epochs:
        resumed.resume(load_state(tmp_path / "parts", TINY.to_dict()))
        assert len(first.epochs) + len(second.epochs) == stop_in[0]
    else:
        resumed = make_trainer(tmp_path / "parts", listener=second, **changes)
    resumed.run()
    assert losses(first) + losses(second) == losses(whole)
    for name in ("best.safetensors", "last.safetensors"):
        one, other = (checkpoint.load(tmp_path / part / name).state for part in ("whole", "parts"))
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert [epoch.best for epoch in first.epochs + second.epochs] == [True, True, False]


def test_a_kill_before_the_state_is_written_loses_no_reported_epoch(tmp_path, monkeypatch):
    whole = RecordingListener([0.1, 0.3, 0.2])
    (tmp_path / "whole").mkdir()
    make_trainer(tmp_path / "whole", listener=whole).run()

    def killed(state, folder):
        if state.epoch == 2:
            raise KeyboardInterrupt
        save_state(state, folder)

    (tmp_path / "parts").mkdir()
    first, second = RecordingListener([0.1, 0.3, 0.2]), RecordingListener([0.1, 0.3, 0.2])
    monkeypatch.setattr("backends.yolov5.training.trainer.save_state", killed)
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "parts", listener=first).run()
    monkeypatch.undo()
    resumed = make_trainer(tmp_path / "parts", listener=second, seed=99)
    resumed.resume(load_state(tmp_path / "parts", TINY.to_dict()))
    resumed.run()
    assert [epoch.number for epoch in first.epochs + second.epochs] == [0, 1, 1, 2]
    assert losses(first)[:1] + losses(second) == losses(whole)


def test_the_best_weights_are_those_of_the_best_epoch(tmp_path):
    notes = RecordingListener([0.1, 0.5, 0.2])
    done = make_trainer(tmp_path, listener=notes)
    done.run()
    assert (done.best_epoch, round(done.best, 6)) == (1, 0.5)
    best, last = (checkpoint.load(tmp_path / f"{name}.safetensors").state for name in ("best", "last"))
    assert any(not torch.equal(best[key], last[key]) for key in best)


def test_what_is_validated_and_written_are_the_averaged_weights(tmp_path):
    notes = RecordingListener([0.1, 0.5, 0.2])
    done = make_trainer(tmp_path, listener=notes)
    done.run()
    best, last = (checkpoint.load(tmp_path / f"{name}.safetensors").state for name in ("best", "last"))
    averaged = done.loop.ema.model.state_dict()
    assert (
        largest_difference(best, notes.validated[1])
        == largest_difference(last, notes.validated[2])
        == largest_difference(last, averaged)
        == 0
    )
    assert largest_difference(averaged, done.loop.model.state_dict()) > 0


def test_scores_of_classes_weigh_the_next_epoch_also_after_an_interruption(tmp_path):
    first, second = RandomBatches(), RandomBatches()
    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path, listener=RecordingListener([0.1, 0.3], stop_in=(2, 1)), batches=first).run()
    assert first.asked == [(0, {}), (1, {0: 0.1}), (2, {0: 0.3})]
    resumed = make_trainer(tmp_path, batches=second)
    resumed.resume(load_state(tmp_path, TINY.to_dict()))
    resumed.run()
    assert second.asked == first.asked[2:]


def test_hours_before_an_interruption_count(tmp_path):
    make_trainer(tmp_path, epochs=1).run()
    state, notes = load_state(tmp_path, TINY.to_dict()), RecordingListener()
    assert state.seconds > 0
    resumed = make_trainer(tmp_path, listener=notes, hours=1.0)
    resumed.resume(replace(state, seconds=3600.0))
    resumed.run()
    assert notes.epochs == []
    assert "stopping after epoch 1" in notes.lines[-1]


def test_patience_stops_early(tmp_path):
    notes = RecordingListener([0.1, 0.5, 0.2, 0.3, 0.4])
    done = make_trainer(tmp_path, listener=notes, epochs=9, patience=2)
    done.run()
    assert done.ended == "patience"
    assert len(notes.epochs) == 4
    assert "no better epoch than 2 for 2 epochs" in notes.lines[-1]


def test_hours_stop_before_an_epoch_that_would_end_too_late(tmp_path):
    notes = RecordingListener()
    done = make_trainer(tmp_path, listener=notes, epochs=9, hours=1e-9)
    done.run()
    assert done.ended == "time"
    assert len(notes.epochs) == 1
    assert "stopping after epoch 1" in notes.lines[-1]


def test_validation_every_second_epoch_and_after_the_last(tmp_path):
    notes = RecordingListener([0.1] * 9)
    make_trainer(tmp_path, listener=notes, epochs=5, val_every=2).run()
    assert [epoch.fitness == epoch.fitness for epoch in notes.epochs] == [False, True, False, True, True]


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_checkpoint(tmp_path):
    def spoil(epoch, batch):
        if (epoch, batch) == (1, 2):
            torch.nn.init.constant_(done.loop.model.detect.convs[0].bias, float("nan"))

    done = make_trainer(tmp_path, batches=RandomBatches(before=spoil))
    with pytest.raises(TrainingError, match=r"became nan in epoch 2, batch 3, with '1-2\.jpg'") as caught:
        done.run()
    assert "last good checkpoint" in caught.value.hint
    assert load_state(tmp_path, TINY.to_dict()).epoch == 1
    checkpoint.load(tmp_path / "last.safetensors").network()


def test_frozen_layers_stay_as_they_are(tmp_path):
    done = make_trainer(tmp_path, freeze=3)
    before = {key: value.clone() for key, value in done.loop.model.state_dict().items()}
    done.run()
    changed = {key for key, value in done.loop.model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed
    assert not [key for key in changed if key.startswith(("stem.", "stages.0."))]


def test_a_state_of_another_architecture_is_refused(tmp_path):
    make_trainer(tmp_path, epochs=1).run()
    other = replace(TINY, channels=(8, 8, 8, 8, 16))
    with pytest.raises(TrainingError, match=r"another architecture \(channels is"):
        load_state(tmp_path, other.to_dict())


def test_a_damaged_state_is_refused(tmp_path):
    make_trainer(tmp_path, epochs=1).run()
    content = (tmp_path / STATE).read_bytes()
    (tmp_path / STATE).write_bytes(content[: len(content) // 2])
    with pytest.raises(TrainingError, match="is damaged"):
        load_state(tmp_path, TINY.to_dict())


def test_a_state_with_one_changed_byte_is_refused_or_the_same(tmp_path):
    """Bytes that pad the file carry nothing; any other byte has to be noticed, above all one of the weights."""
    make_trainer(tmp_path, epochs=1).run()
    content, before = (tmp_path / STATE).read_bytes(), load_state(tmp_path, TINY.to_dict())
    refusals = []
    places = [round(part * (len(content) - 1) / 150) for part in range(151)]
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 0x10
        (tmp_path / STATE).write_bytes(changed)
        try:
            after = load_state(tmp_path, TINY.to_dict())
        except TrainingError as error:
            refusals.append(str(error))
        else:
            assert all(torch.equal(value, after.model[key]) for key, value in before.model.items())
            assert all(torch.equal(value, after.averaged[key]) for key, value in before.averaged.items())
    assert len(refusals) > len(places) / 2
    assert all("is damaged" in line for line in refusals)


def test_a_changed_weight_is_refused(tmp_path):
    make_trainer(tmp_path, epochs=1).run()
    content = bytearray((tmp_path / STATE).read_bytes())
    weights = max(load_state(tmp_path, TINY.to_dict()).model.values(), key=lambda value: value.numel())
    place = content.index(bytes(weights.untyped_storage()))
    content[place + 2] ^= 0x01
    (tmp_path / STATE).write_bytes(content)
    with pytest.raises(TrainingError, match="is damaged"):
        load_state(tmp_path, TINY.to_dict())


def test_a_failed_write_leaves_the_former_state(tmp_path, monkeypatch):
    done = make_trainer(tmp_path, epochs=1)
    done.run()
    monkeypatch.setattr(
        "torch.save", lambda content, file: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space"):
        save_state(load_state(tmp_path, TINY.to_dict()), tmp_path)
    assert load_state(tmp_path, TINY.to_dict()).epoch == 1
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".")] == [STATE]


TWO = """
import sys, torch
from pathlib import Path
from backends.yolov5.training.distributed import join_processes
from backends.yolov5.training.options import TrainingOptions
from tests.backends.yolov5.training_tools import RandomBatches, RecordingListener, make_trainer
with join_processes(torch.device("cpu")) as distributed:
    torch.set_num_threads(1)
    notes = RecordingListener()
    batches = RandomBatches(size=4 // distributed.world_size, rank=distributed.rank, world_size=distributed.world_size)
    done = make_trainer(Path(sys.argv[1]), listener=notes, batches=batches, distributed=distributed, batch=4,
                  options=TrainingOptions(nominal_batch=8, warmup_epochs=0.0, lr0=0.03))
    done.loop._set_training = done.loop.model.eval  # with batch statistics half of a batch is another network
    done.run()
    torch.save(done.loop.model.state_dict(), Path(sys.argv[1]) / f"{distributed.rank}.pt")
    if distributed.leader:
        print(([sum(epoch.losses.values()) for epoch in notes.epochs], notes.epochs[0].images))
"""


@pytest.mark.slow
def test_two_processes_train_as_one_with_the_doubled_batch(tmp_path, repo_root):
    script = tmp_path / "two.py"
    script.write_text(TWO)
    environment = {**os.environ, "PYTHONPATH": str(repo_root), "OMP_NUM_THREADS": "1"}
    outputs = []
    for count in (1, 2):
        (tmp_path / str(count)).mkdir()
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={count}", "--master_port=0"]
        command += ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", str(script), str(tmp_path / str(count))]
        run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert run.returncode == 0, run.stderr
        outputs.append(eval(run.stdout.strip().splitlines()[-1], {}))
    (one, one_seen), (two, two_seen) = outputs
    assert one_seen == two_seen == 16
    assert two == pytest.approx(one, rel=0.02)  # a mean over the positives of each process is not quite that over all
    alone, first, second = (torch.load(tmp_path / name) for name in ("1/0.pt", "2/0.pt", "2/1.pt"))
    assert largest_difference(first, second) == 0
    assert largest_difference(alone, first) < 1e-6
    assert largest_difference(alone, tiny_network().state_dict()) > 0.01
