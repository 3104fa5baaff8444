"""Which type a training computes in, on machines that are not here."""

from __future__ import annotations

import pytest
import torch

from backends.yolov5.errors import TrainingError
from backends.yolov5.training.precision import amp_type
from core.options.training import Amp

CPU, SECOND = torch.device("cpu"), torch.device("cuda:1")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """An A100, and a V100, for which PyTorch emulates bfloat16."""
    monkeypatch.setattr(torch.version, "hip", None)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda device=0: ((8, 0), (7, 0))[device.index])
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device=None: ("A100", "V100")[device.index])


@pytest.mark.usefixtures("gpus")
def test_auto_takes_bf16_where_the_gpu_itself_has_it() -> None:
    assert amp_type(Amp.auto, torch.device("cuda:0")) is torch.bfloat16
    assert amp_type(Amp.auto, SECOND) is torch.float16
    assert amp_type(Amp.bf16, torch.device("cuda:0")) is torch.bfloat16
    assert amp_type(Amp.fp16, SECOND) is torch.float16
    assert amp_type(Amp.off, SECOND) is None


@pytest.mark.usefixtures("gpus")
def test_a_gpu_without_bf16_is_named() -> None:
    with pytest.raises(TrainingError, match="V100 has no bf16"):
        amp_type(Amp.bf16, SECOND)


def test_rocm_has_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert amp_type(Amp.auto, SECOND) is torch.bfloat16


def test_a_cpu_has_bf16_only_where_it_is_asked_for() -> None:
    assert amp_type(Amp.auto, CPU) is None
    assert amp_type(Amp.bf16, CPU) is torch.bfloat16
    with pytest.raises(TrainingError, match="amp=fp16 needs a CUDA GPU"):
        amp_type(Amp.fp16, CPU)
