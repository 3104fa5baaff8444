"""A process that imports everything once and then runs case after case in forks of itself.

It reads a line ``kind seed number`` for each case and answers with a line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.attack.attempt import Attempt, Job, attempt, new_place
from tests.attack.base import Base, make_base
from tests.attack.limits import Limits

HEAVY = (
    "av", "cv2", "matplotlib.pyplot", "numpy", "onnx", "onnx_graphsurgeon", "onnxruntime", "onnxsim",
    "pycocotools.coco",
    "safetensors.torch", "torch", "yaml", "hydra", "rich.progress",
)  # fmt: skip
"""Imported, but nothing of them is called that starts a thread: a fork has one thread alone."""

_LATE = re.compile(r"^\w+ +failed$", re.MULTILINE)
"""A stage had begun before it was refused."""
_FRAME = re.compile(r'File "[^"]*?/((?:core|stages|backends|cuda_plugins)/[^"]+)", line (\d+), in (\S+)')


def prepare() -> None:
    """Import what the command imports, with one thread for each library."""
    import importlib

    os.environ["MPLBACKEND"] = "Agg"
    for name in HEAVY:
        importlib.import_module(name)
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    import core.run  # noqa: F401
    from core.plugins.loading import load_plugins

    load_plugins()


def answer(done: Attempt) -> dict[str, Any]:
    """Return what the parent process learns of a case."""
    return {
        "job": asdict(done.job),
        "variant": done.job.variant,
        "verdict": done.found.verdict.value,
        "detail": done.found.detail,
        "unargued": done.unargued,
        "seconds": done.ended.seconds,
        "late": bool(_LATE.search(done.ended.stderr)),
        "frame": frame(done.ended.stderr),
        "tail": done.ended.stderr.strip().splitlines()[-6:],
        "arguments": list(done.case.arguments),
    }


def frame(stderr: str) -> str:
    """Return where in our code a traceback ends, empty where there is none."""
    found = _FRAME.findall(stderr)
    return " line ".join(found[-1][:2]) + f" ({found[-1][2]})" if found else ""


def main(folder: str) -> None:
    """Answer until the input ends; the first worker makes the base in ``folder``."""
    prepare()
    limits, base = Limits(), Base(Path(folder))
    for line in sys.stdin:
        kind, seed, number = line.split()
        if kind == "base":
            make_base(base.root)
            print("{}", flush=True)
            continue
        with new_place() as place:
            done = attempt(Job(kind, int(seed), int(number)), base, limits, place)
        print(json.dumps(answer(done)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
