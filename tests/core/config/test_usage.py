"""``--help`` shows the options of the stages and parts that the command line names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from core.config.usage import usage
from core.errors import HooklineError
from core.kinds.stage import Stage
from core.model_facts import Precision
from core.options.fields import shared
from core.options.ranges import Range
from core.plugins.registry import Registry
from hookline import Artifact, Calibrator, RunContext, hookimpl, testing
from hookline.ranges import Fraction


@dataclass
class BlurConfig:
    """Options of a stage."""

    rounds: Annotated[int, Range(1, 9)] = 3
    precision: Precision | None = None
    title: str = "x"
    source: Any = shared("source")
    conf: Fraction | None = shared("conf")
    size: Any = shared("imgsz", otherwise=640)
    device: str = shared("device")


@dataclass
class NearOptions:
    """Options of a part."""

    tiles: Annotated[int, Range(8, multiple=8)] = 16


def blur(config: BlurConfig, context: RunContext) -> Artifact:
    raise NotImplementedError


class Plugin:
    """A stage and two parts."""

    @hookimpl
    def hookline_stages(self) -> Iterable[Stage]:
        yield Stage(name="blur", summary="blur", run=blur)

    @hookimpl
    def hookline_calibrators(self) -> Iterable[Calibrator]:
        yield Calibrator(name="near", summary="near", load=lambda options: options, options=NearOptions)
        yield Calibrator(name="bare", summary="bare", load=lambda options: options)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return testing.load(Plugin())


def test_a_stage_shows_its_ranges_and_values(registry: Registry) -> None:
    lines = usage(["+stage=blur"], registry).splitlines()
    begin = lines.index("options of blur:")
    assert lines[begin + 1 : begin + 4] == [
        "  blur.rounds=3  (1 to 9)",
        "  blur.precision=null  (fp32, fp16, int8)",
        "  blur.title=x",
    ]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([], ("null", "null", "640", "auto")),
        (["conf=0.4", "imgsz=[320,640]"], ("null", "0.4", "[320,640]", "auto")),
        (["imgsz=null", "source=rtsp://me:secret@host/a"], ("rtsp://me:***@host/a", "null", "640", "auto")),
        (["device=${nothing}", "conf=???"], ("null", "null", "640", "auto")),
    ],
)
def test_an_option_that_follows_another_names_it_and_has_its_value(
    registry: Registry, arguments: list[str], values: tuple[str, ...]
) -> None:
    lines = usage(["+stage=blur", *arguments], registry).splitlines()
    begin = lines.index("  blur.title=x")
    source, conf, size, device = values
    assert lines[begin + 1 : begin + 5] == [
        f"  blur.source={source}  (follows source=)",
        f"  blur.conf={conf}  (follows conf=; 0 to 1)",
        f"  blur.size={size}  (follows imgsz=)",
        f"  blur.device={device}  (follows device=)",
    ]


@pytest.mark.parametrize("line", ["calibrator=near", "calibrator=bare,near", "calibrator=[near]"])
def test_a_named_part_shows_its_options(registry: Registry, line: str) -> None:
    text = usage(["+stage=blur", line], registry)
    assert "options of the calibrator near:\n  calibrators.near.tiles=16  (8 or more, multiples of 8)\n" in text
    assert ("options of the calibrator bare:\n  none\n" in text) == ("bare" in line)


@pytest.mark.parametrize("line", ["calibrator=", "tracker=null", "tracker=[]", "backend=auto"])
def test_a_word_that_names_no_part_shows_none(registry: Registry, line: str) -> None:
    assert "options of the" not in usage([line], registry)


@pytest.mark.parametrize("line", ["calibrator=nera", "backend=npu", "decode=npu"])
def test_an_unknown_part_is_refused(registry: Registry, line: str) -> None:
    with pytest.raises(HooklineError, match=line.partition("=")[2]):
        usage([line], registry)
