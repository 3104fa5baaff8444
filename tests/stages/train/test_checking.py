"""Errors that the plan reports before a training starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.kinds.model import ModelFamily
from stages.train.checking import problems
from stages.train.config import TrainConfig
from tests.support import grid_family
from tests.support.stage_tools import make_context


def family(name: str, network: str, gpus: int) -> ModelFamily:
    """A framework that sees this number of GPUs."""

    def check_device(device: str) -> list[HooklineError]:
        return [HooklineError(f"{name}: no {device}")] if int(device.partition(":")[2] or 0) >= gpus else []

    return grid_family.family(
        name=name, summary="toy", load=lambda: None, variants=(network,), check_device=check_device
    )


@pytest.mark.parametrize(
    ("network", "device", "expected"),
    [
        ("few_s", "cuda:1", ["few: no cuda:1"]),
        ("many_s", "cuda:1", []),
        (None, "cuda:1", []),
        (None, "cuda:4", ["few: no cuda:4"]),
        ("few_s", "auto", []),
    ],
)
def test_a_missing_gpu(tmp_path: Path, network: str | None, device: str, expected: list[str]) -> None:
    context, _ = make_context(tmp_path, models=[family("few", "few_s", 1), family("many", "many_s", 4)])
    config = replace(TrainConfig(), model=network, data=None, imgsz=640)
    found = problems(config, replace(context, device=device))
    assert [str(problem) for problem in found] == expected
