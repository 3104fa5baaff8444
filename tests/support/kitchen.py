"""Toy stages as a plugin for runs of the command line: raw -> taste, eat, items."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]

PLUGIN = '''
"""Stages without heavy imports: raw -> taste, eat, items."""
import time
from dataclasses import dataclass
from pathlib import Path
from core.artifacts import Artifact, Metrics; from core.model_facts import Precision
from core.options.fields import shared
from core.kinds.context import RunContext
from core.errors import HooklineError, UnavailableError
from core.plugins.hookspecs import hookimpl
from core.kinds.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Raw(Artifact):
    pass


@dataclass
class RawConfig:
    words: str = "salt"
    fail: str = ""
    seconds: float = 0.0
    precision: Precision = shared("precision", otherwise=Precision.fp32)

    def __post_init__(self) -> None:
        if self.words == "sugar":
            raise HooklineError("raw.words=sugar", "salt or pepper")


def raw(config: RawConfig, context: RunContext) -> Raw:
    path = context.workdir / "raw.txt"
    path.write_text("half")
    if config.fail == "user":
        raise HooklineError("the salt is wet", "dry it")
    if config.fail == "device":
        raise UnavailableError("no oven", "buy one")
    if config.fail == "bug":
        raise ZeroDivisionError("a bug")
    with context.progress("salting", total=3, unit="grains") as progress:
        for _ in range(3):
            time.sleep(config.seconds / 3)
            progress.advance()
    context.warn("too much salt")
    path.write_text(config.words + config.precision.value)
    return Raw(path=path)


@dataclass
class EatConfig:
    seconds: float = 0.0
    hides: bool = False


def eat(config: EatConfig, context: RunContext) -> Metrics:
    try:
        time.sleep(config.seconds)
    except BaseException as error:
        if config.hides:
            raise ImportError("a library that was interrupted") from error
        raise
    path = context.workdir / "eaten.json"
    path.write_text("{}")
    return Metrics(path=path, values={})


@dataclass
class TasteConfig:
    loud: bool = True


def taste(config: TasteConfig, raw: Raw, context: RunContext) -> Metrics:
    path = context.workdir / "taste.json"
    path.write_text(raw.path.read_text())
    return Metrics(path=path, values={"salt": 0.5})


@dataclass
class ItemsConfig:
    count: int = 4
    fail: int = -1
    seconds: float = 0.0
    resume: bool = shared("resume", presentation=True)


def items(config: ItemsConfig, context: RunContext) -> Metrics:
    path = context.workdir / "items.txt"
    done = path.read_text().split() if path.exists() else []
    for number in range(len(done), config.count):
        time.sleep(config.seconds)
        if number == config.fail and not config.resume:
            raise HooklineError("a worm", "cut it out")
        with path.open("a") as file:
            file.write(f"{number}\\n")
        context.keep(Metrics(path=path, values={"items": number + 1}))
    return Metrics(path=path, values={"items": config.count})


@hookimpl
def hookline_stages():
    yield Stage(
        name="items", summary="one by one", run=items, stored=False, incremental=True, resumable=True, automatic=False
    )
    yield Stage(name="raw", summary="put salt on", run=raw)
    yield Stage(name="eat", summary="eat", run=eat, stored=False, automatic=False)
    yield Stage(name="taste", summary="taste it", run=taste, stored=False)
'''


def summary(folder: Path) -> dict[str, object]:
    (path,) = folder.glob("outputs/*/*/summary.json")
    content: dict[str, object] = json.loads(path.read_text())
    return content


def wait_for(folder: Path, pattern: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not list(folder.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(folder.glob(pattern))
