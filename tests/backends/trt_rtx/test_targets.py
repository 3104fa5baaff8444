"""The target cards of an engine."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends.nvidia.nvml import Gpu
from backends.trt_rtx import targets
from backends.trt_rtx.targets import read_targets, set_targets
from core.errors import HooklineError, UnavailableError

KNOWN = ["NONE", "CURRENT", "SM75", "SM80", "SM86", "SM89", "SM120", "SM121"]
TRT = SimpleNamespace(ComputeCapability=SimpleNamespace(__members__={name: name for name in KNOWN}))


class Config:
    """An ``IBuilderConfig`` that records its calls and refuses the ``refused`` cards."""

    def __init__(self, refused=()):
        self.num_compute_capabilities, self.set, self.refused = 0, {}, refused

    def set_compute_capability(self, card, index):
        self.set[index] = card
        return card not in self.refused


def gpu(capability):
    return Gpu(uuid="GPU-1", name="NVIDIA Some", capability=capability, total=0, free=0, driver="")


@pytest.mark.parametrize(
    ("names", "cards"),
    [
        ([], ()),
        (["sm86", "sm89", "sm120"], ("sm86", "sm89", "sm120")),
        (["SM86", "sm_89", "12.0", "75"], ("sm86", "sm89", "sm120", "sm75")),
        (["sm86", "8.6"], ("sm86",)),
    ],
)
def test_names(names, cards):
    assert read_targets(names, TRT) == cards


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["sm85"], r"unknown compute capability 'sm85'; did you mean sm80 or sm86 or sm89\?.*possible: current, sm120"),
        (["none"], "unknown compute capability 'none'"),
        (["rtx4090"], "unknown compute capability 'rtx4090'"),
        ([""], "unknown compute capability ''"),
        (["current", "sm86"], "contains 'current' and other cards; name all cards"),
    ],
)
def test_names_that_are_not_there(names, message):
    with pytest.raises(HooklineError, match=message):
        read_targets(names, TRT)


def test_current_is_the_gpu_of_the_device(monkeypatch):
    monkeypatch.setattr(targets, "choose", lambda device: gpu({"auto": "8.9", "cuda:1": "12.0"}[device]))
    assert read_targets(["current"], TRT) == ("sm89",)
    assert read_targets(["Current"], TRT, "cuda:1") == ("sm120",)


def test_current_where_nothing_is_built_for_it(monkeypatch):
    monkeypatch.setattr(targets, "choose", lambda device: gpu("9.0"))
    with pytest.raises(HooklineError, match=r"does not support the NVIDIA Some here, of compute capability 9.0"):
        read_targets(["current"], TRT)


def test_current_without_a_gpu(monkeypatch):
    def refuse(device):
        raise UnavailableError("no GPU can be used", "install a driver")

    monkeypatch.setattr(targets, "choose", refuse)
    with pytest.raises(UnavailableError, match=r"=\[current\]: no GPU can be used; name the cards instead"):
        read_targets(["current"], TRT)


def test_cards_are_told_to_the_builder():
    config = Config()
    set_targets(TRT, config, ("sm86", "sm120"))
    assert (config.num_compute_capabilities, config.set) == (2, {0: "SM86", 1: "SM120"})
    untouched = Config()
    set_targets(TRT, untouched, ())
    assert (untouched.num_compute_capabilities, untouched.set) == (0, {})
    with pytest.raises(HooklineError, match="refuses the compute capabilities sm86, sm120"):
        set_targets(TRT, Config(refused=("SM120",)), ("sm86", "sm120"))
