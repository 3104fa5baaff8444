"""Options of the runtime ``tensorrt`` with the builder of TensorRT-RTX, which has the same classes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from backends.trt.options import TrtOptions
from core.model_facts import Precision
from tests.backends.trt_rtx.rtx_tools import tiny

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed (Linux on x86-64 only)")

CODE = """
import json, sys
from pathlib import Path
from backends.trt.building import BuildSpec, build_plan
from backends.trt.library import load
from backends.trt.options import TrtOptions
from core.errors import HooklineError
from core.storage.serial import decode

model, options = json.load(sys.stdin)
try:
    print(len(build_plan(load("tensorrt_rtx"), BuildSpec(Path(model), options=decode(TrtOptions, options)))))
except HooklineError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("options"), Precision.fp32).path


def built(model, **options: Any) -> str:
    """Return the size of the plan or the refusal, from a child process, because the library may crash."""
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps([str(model), asdict(TrtOptions(**options))]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "options", [{"workspace": 0.5}, {"optimization_level": 5}, {"optimization_level": 0}, {"tf32": False}]
)
def test_options_that_it_takes(model, options):
    assert int(built(model, **options)) > 100_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"version_compatible": True}, "does not support runtimes.tensorrt.version_compatible; remove"),
        ({"dla": 0}, "does not support runtimes.tensorrt.dla; remove"),
        ({"tactic_sources": ["CUBLAS"]}, "'CUBLAS'"),
    ],
)
def test_options_that_it_does_not_have(model, options, words):
    said = built(model, **options)
    assert "TensorRT-RTX 1." in said
    assert words in said
