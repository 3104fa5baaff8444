"""Batches are the same whoever makes them; workers come and go quietly."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from backends.yolov5.data.images import TrainingImages
from backends.yolov5.data.loader import Loader, _prepare_worker
from backends.yolov5.data.sampler import EpochSampler, smallest_shapes
from backends.yolov5.data.samples import LabelledImage
from backends.yolov5.errors import TrainingError
from backends.yolov5.training.options import TrainingOptions
from core.media.picture import read_picture
from core.options.training import ImageCache
from core.process import resources as memory
from tests.backends.yolov5.data.data_tools import textures

EPOCHS = 3


def made_loader(workers, *, batch=4, count=10, rectangular=False, rank=0, world_size=1, pin=False):
    samples, read = textures(count)
    images = TrainingImages(samples, read, TrainingOptions(mixup=0.3), imgsz=64, epochs=EPOCHS, seed=0)
    sizes = [read(sample.path).shape[:2] for sample in samples]
    shapes = smallest_shapes(sizes, 64, 32) if rectangular else None
    sampler = EpochSampler(count=count, batch=batch, seed=0, rank=rank, world_size=world_size, shapes=shapes)
    return Loader(images, sampler, workers=workers, pin=pin)


def everything(loader, epochs=range(EPOCHS)):
    return [
        (*(tensor.numpy().tobytes() for tensor in (batch.images, batch.targets, batch.regions)), tuple(batch.paths))
        for epoch in epochs
        for batch in loader.epoch(epoch)
    ]


@pytest.mark.parametrize("rectangular", [False, True])
def test_workers_change_no_byte(rectangular):
    alone, one, two = (everything(made_loader(workers, rectangular=rectangular)) for workers in (0, 1, 2))
    assert alone == one == two
    assert len(alone) == 3 * EPOCHS


def test_an_epoch_begun_anew_is_the_same():
    loader, again = made_loader(2), made_loader(2)
    next(iter(loader.epoch(0)))  # left in the middle, batches of it are still being made
    assert everything(loader, [2, 1]) == everything(again, [2]) + everything(again, [1])


def test_closing_ends_the_workers_until_another_epoch():
    loader = made_loader(2)
    first = everything(loader, [0])
    assert len(multiprocessing.active_children()) == 2
    loader.close()
    assert not multiprocessing.active_children()
    assert everything(loader, [0]) == first
    loader.close()


def test_a_batch_holds_images_targets_and_paths():
    for batch in made_loader(0).epoch(0):
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape[1:] == (3, 64, 64)
        assert batch.images.is_contiguous()
        assert batch.targets.dtype == torch.float32
        assert batch.targets.shape[1] == 6
        numbers = batch.targets[:, 0]
        assert (numbers == numbers.sort().values).all()
        assert set(numbers.tolist()) <= set(range(len(batch.images)))
        assert (batch.targets[:, 2:] >= 0).all()
        assert (batch.targets[:, 2:] <= 1).all()
        assert len(batch.paths) == len(batch.images)


@pytest.mark.parametrize("workers", [0, 1])
def test_all_images_without_labels(workers):
    samples, read = textures(4)
    bare = [LabelledImage(sample.path, sample.classes[:0], sample.boxes[:0]) for sample in samples]
    images = TrainingImages(bare, read, TrainingOptions(), imgsz=64, epochs=1, seed=0)
    (batch,) = Loader(images, EpochSampler(count=4, batch=4, seed=0), workers=workers).epoch(0)
    assert batch.targets.shape == (0, 6)


def test_processes_make_what_one_would():
    whole = list(made_loader(0, count=8).epoch(1))
    shares = [list(made_loader(0, count=8, rank=rank, world_size=2).epoch(1)) for rank in range(2)]
    for number, batch in enumerate(whole):
        for rank in range(2):
            assert (batch.images[rank::2] == shares[rank][number].images).all()


def test_the_last_two_batches_can_be_held():
    held, copies = [], []
    for batch in made_loader(2, count=40).epoch(0):
        held.append(batch.images)
        copies.append(batch.images.clone())
        assert all((kept == copy).all() for kept, copy in zip(held[-2:], copies[-2:], strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_pinned_batches_are_copies_made_in_another_thread_for_the_same_gpu(monkeypatch, workers):
    threads, devices = set(), []

    def pin(images):
        threads.add(threading.get_ident())
        return images.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", devices.append)
    expected, loader = everything(made_loader(0, count=40)), made_loader(workers, count=40, pin=True)
    held = [batch for epoch in range(EPOCHS) for batch in loader.epoch(epoch)]  # none is written again
    assert [batch.images.numpy().tobytes() for batch in held] == [batch[0] for batch in expected]
    assert [tuple(batch.paths) for batch in held] == [batch[-1] for batch in expected]
    assert threading.get_ident() not in threads
    assert devices == [3] * EPOCHS
    loader.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_image_is_one_line(workers):
    samples, read = textures(10)

    def reading(path):
        if path.stem == "7":
            raise OSError("the file is truncated")
        return read(path)

    images = TrainingImages(samples, reading, TrainingOptions(), imgsz=64, epochs=1, seed=0)
    loader = Loader(images, EpochSampler(count=10, batch=4, seed=0), workers=workers)
    with pytest.raises(TrainingError) as caught:
        list(loader.epoch(0))
    assert not multiprocessing.active_children()
    assert str(caught.value) == "cannot read the image '7.png' (the file is truncated)"


SCRIPT = """
import sys, time
from tests.backends.yolov5.data.test_loader import made_loader
if __name__ == "__main__":
    loader = made_loader(2, count=40)
    batches = loader.epoch(0)
    next(batches)
    print(*[worker.pid for worker in loader._loader._iterator._workers], flush=True)
    time.sleep(60)
"""


def started(repo_root):
    """A program with two workers, in a process group of its own, and the workers' ids."""
    program = subprocess.Popen([sys.executable, "-c", SCRIPT], cwd=repo_root, start_new_session=True, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    return program, [int(word) for word in program.stdout.readline().split()]


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def all_gone(pids, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and any(map(alive, pids)):
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_ctrl_c_is_reported_once_and_ends_the_workers(repo_root):
    program, workers = started(repo_root)
    assert len(workers) == 2
    os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=30)
    assert errors.count("Traceback") == 1
    assert errors.count("KeyboardInterrupt") == 1
    assert all_gone(workers, 10)


def test_workers_leave_an_interrupt_to_their_parent():
    loader, alone = made_loader(2, count=40), made_loader(0, count=40)
    batches = loader.epoch(0)
    first = next(batches).targets
    for worker in loader._loader._iterator._workers:
        os.kill(worker.pid, signal.SIGINT)
    made = [first, *(batch.targets for batch in batches)]
    for mine, other in zip(made, alone.epoch(0), strict=True):
        assert torch.equal(mine, other.targets)


def test_workers_end_when_their_parent_is_killed(repo_root):
    program, workers = started(repo_root)
    assert all(map(alive, workers))
    program.kill()
    program.communicate()
    assert all_gone(workers, 15)


@pytest.mark.parametrize("alive", [True, False])
def test_a_worker_whose_parent_is_gone_before_it_begins_ends(monkeypatch, alive):
    ended = []
    monkeypatch.setattr("multiprocessing.parent_process", lambda: SimpleNamespace(is_alive=lambda: alive))
    monkeypatch.setattr("os._exit", ended.append)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("signal.pthread_sigmask", lambda *_: None)
    threads = cv2.getNumThreads()
    _prepare_worker(0)
    cv2.setNumThreads(threads)
    assert ended == ([] if alive else [1])


def test_memory_does_not_grow_from_epoch_to_epoch():
    samples, read = textures(64, sizes=(200, 300))
    images = TrainingImages(samples, read, TrainingOptions(), imgsz=320, epochs=1, seed=0)
    loader = Loader(images, EpochSampler(count=64, batch=16, seed=0), workers=1)
    list(loader.epoch(0))
    if not memory.reset_peak():
        pytest.skip("this system does not tell the peak memory of a process")
    before = memory.peak()
    for epoch in range(3):
        for batch in loader.epoch(epoch):
            assert batch.images.shape == (16, 3, 320, 320)
    assert memory.peak() - before < 2 * 16 * 3 * 320 * 320


def test_real_images(shared_data):
    files = sorted((shared_data / "coco_subset" / "images" / "train").glob("*.jpg"))[:24]
    samples = [_sample(file) for file in files]
    images = TrainingImages(samples, read_picture, TrainingOptions(), imgsz=320, epochs=1, seed=0)
    cached = TrainingImages(samples, read_picture, TrainingOptions(), imgsz=320, epochs=1, seed=0, cache=ImageCache.ram)
    sampler = EpochSampler(count=24, batch=8, seed=0)
    results = [everything(Loader(made, sampler, workers=workers), [0]) for made, workers in ((images, 2), (cached, 0))]
    assert results[0] == results[1]


def _sample(file):
    label = Path(str(file).replace("images", "labels")).with_suffix(".txt")
    rows = np.loadtxt(label, ndmin=2) if label.is_file() else np.zeros((0, 5))
    return LabelledImage(file, rows[:, 0].astype(np.int32), rows[:, 1:].astype(np.float32))
