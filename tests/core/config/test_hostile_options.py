"""Every option of the registry with a value of the wrong type or size: accepted by the plan, or one line."""

from __future__ import annotations

import copy
import random
from functools import lru_cache
from io import StringIO
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from core.config.command_line import prepared
from core.config.compose import typed
from core.config.explain import explain
from core.errors import LONGEST_LINE, HooklineError
from core.execution.console import Console
from core.kinds.context import RunContext
from core.planning.planner import make_plan
from core.plugins.option_nodes import option_fields
from tests.support.runs import plugins

VALUES = (
    "null", "''", "[]", "{}", "[[1]]", "{a: {b: 1}}", "[null]", "-1", "0", "1e400", "nan", "-inf", "9" * 30, "9" * 5000,
    "1.5", "true", "text", "[a,1,true]", "{1: 2}", "${nosuch}", "[" * 40 + "]" * 40, "[-1,-1]", "[99999999999]",
    "[null,1]", "a/../../b", "[{a: 1}]", "1e308", "[" + "1," * 300 + "1]", "~nosuchuser/x", "[nan,inf]",
)  # fmt: skip
USED_BY = {
    "calibrators": "calibrate", "models": "train", "trackers": "train", "grafts": "graft", "checks": "doctor",
    "processors": "predict", "runtimes": "build", "quantizers": "quantize",
}  # fmt: skip
OPTIONS = sorted(name for name, _ in option_fields(plugins().registry) if not name.startswith("plugins"))


@lru_cache
def composed(stage: str) -> DictConfig:
    with initialize_config_module("conf", version_base="1.3"):
        return compose("config", [f"+stage={stage}"])


def attempt(stage: str, name: str, value: str, folder: Path) -> None:
    """Parse, compose and plan as a run does.

    Raises:
        HooklineError: What the user reads.
    """
    registry = plugins().registry
    (argument,) = prepared([f"{name}={value}"], registry).arguments
    config = copy.deepcopy(composed(stage))
    try:
        OmegaConf.update(config, name, OverridesParser.create().parse_override(argument).value(), merge=True)
        request = typed(config, registry)
    except Exception as error:
        raise explain(error, registry) or error from error
    context = RunContext(
        workdir=folder,
        run_dir=folder,
        cache_dir=folder,
        seed=request.top_level.seed,
        device=request.top_level.device,
        registry=registry,
        options=lambda kind, part: request.options[kind, part],
        reporter=Console(StringIO()),
    )
    make_plan(request.stages, request.configs, context)


@pytest.mark.parametrize("number", range(8))
def test_options(tmp_path: Path, number: int) -> None:
    chance = random.Random(number)
    stages = plugins().registry.parts("stages")
    for name in OPTIONS[number::8]:
        head = name.partition(".")[0]
        stage = USED_BY.get(head, head if head in stages else chance.choice(("predict", "train", "evaluate", "build")))
        check(stage, name, chance.choice(VALUES), tmp_path)


@pytest.mark.parametrize("name", ["imgsz", "tracker", "classes", "source", "seed", "data"])
def test_words_of_any_type(tmp_path: Path, name: str) -> None:
    for value in VALUES[::3] if name in {"seed", "data"} else VALUES[::2]:
        check("train" if name in {"tracker", "data"} else "predict", name, value, tmp_path)


def check(stage: str, name: str, value: str, folder: Path) -> None:
    try:
        attempt(stage, name, value, folder)
    except HooklineError as error:
        for problem in getattr(error, "problems", (error,)):
            assert len(str(problem)) <= LONGEST_LINE
            assert "\n" not in str(problem)
    except Exception as error:
        raise AssertionError(f"{stage}: {name}={value[:40]}") from error
