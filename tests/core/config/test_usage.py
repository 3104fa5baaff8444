"""``--help`` explains the options of the stages and parts that the command line names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest

from core.config.usage import usage
from core.errors import HooklineError
from core.kinds.model import default_release
from core.kinds.stage import Stage
from core.model_facts import Precision
from core.options.fields import chosen, shared
from core.options.ranges import Range
from core.options.top_level import TopLevelOptions
from core.plugins.loading import load_plugins
from core.plugins.registry import Registry
from hookline import Artifact, Calibrator, RunContext, hookimpl, testing
from hookline.ranges import Fraction


@dataclass
class BlurConfig:
    """Options of a stage.

    Attributes:
        rounds: Number of passes, e.g. two. More passes blur more. This sentence, which is about something else, has so
            many characters that the help omits it.
        title, source: Names a thing.
    """

    rounds: Annotated[int, Range(1, 9)] = 3
    precision: Precision | None = None
    title: str = "x"
    source: Any = shared("source")
    conf: Fraction | None = shared("conf")
    size: Any = shared("imgsz", otherwise=640)
    device: str = shared("device")
    method: str = chosen("near", kind="calibrators")
    runtime: str = chosen("auto", kind="runtimes")
    sizes: list[int] = field(default_factory=lambda: [1, 2])
    strict: bool | None = True
    shape: str = shared("blur.title")


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
        yield Stage(name="blur", summary="make it unsharp", run=blur)

    @hookimpl
    def hookline_calibrators(self) -> Iterable[Calibrator]:
        yield Calibrator(name="near", summary="near", load=lambda options: options, options=NearOptions)
        yield Calibrator(name="bare", summary="bare", load=lambda options: options)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return testing.load(Plugin())


def options(text: str, heading: str) -> list[str]:
    """The lines of a section, with single spaces."""
    _, _, rest = text.partition(f"{heading}:\n")
    return [" ".join(line.split()) for line in rest.partition("\n\n")[0].splitlines()]


def test_a_stage_shows_what_each_option_does_and_accepts(registry: Registry) -> None:
    text = usage(["+stage=blur"], registry)
    assert "blur: make it unsharp\n" in text
    assert options(text, "options of blur") == [
        "blur.rounds=3 Number of passes, e.g. two. More passes blur more. (1 to 9)",
        "blur.precision=null (fp32, fp16, int8)",
        "blur.title=x Names a thing.",
        "blur.source=null Names a thing. (follows source=)",
        "blur.conf=null (follows conf=; 0 to 1)",
        "blur.size=640 (follows imgsz=)",
        "blur.device=auto (follows device=)",
        "blur.method=near (near, bare)",
        "blur.runtime=auto (auto)",
        "blur.sizes=[1,2]",
        "blur.strict=true (true, false)",
        "blur.shape=x (follows blur.title=)",
    ]


def test_the_texts_of_a_section_begin_in_one_column(registry: Registry) -> None:
    text = usage(["+stage=blur"], registry)
    rows = [line for line in text.splitlines() if line.startswith("  blur.")]
    assert len({len(row) - len(row[2:].split(None, 1)[1]) for row in rows if " " in row[2:]}) == 1


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([], ("null", "null", "640", "auto")),
        (["conf=0.4", "imgsz=[320,640]"], ("null", "0.4", "[320,640]", "auto")),
        (["imgsz=null", "source=rtsp://me:secret@host/a"], ("rtsp://me:***@host/a", "null", "640", "auto")),
        (["device=${nothing}", "conf=???"], ("null", "null", "640", "auto")),
    ],
)
def test_an_option_that_follows_another_has_its_value(
    registry: Registry, arguments: list[str], values: tuple[str, ...]
) -> None:
    lines = options(usage(["+stage=blur", *arguments], registry), "options of blur")
    assert [line.split()[0].partition("=")[2] for line in lines[3:7]] == list(values)


def test_an_option_that_follows_a_stage_has_the_value_that_is_given_there(registry: Registry) -> None:
    assert "  blur.shape=round" in usage(["+stage=blur", "blur.title=round"], registry)


@pytest.mark.parametrize(("line", "value"), [("seed=1", "small"), ("model=large", "large"), ("weights=a.pt", "a.pt")])
def test_the_default_of_the_weights_is_that_of_a_family(line: str, value: str) -> None:
    registry = load_plugins(modules="").registry
    expected = default_release(registry) if value == "small" else value
    assert f"  load.weights={expected} " in usage(["+stage=load", line], registry)


def test_a_stage_shows_the_options_of_the_parts_that_it_can_use(registry: Registry) -> None:
    text = usage(["+stage=blur"], registry)
    assert options(text, "options of the calibrator near") == ["calibrators.near.tiles=16 (8 or more, multiples of 8)"]
    assert "bare:" not in text


def test_a_named_part_is_shown_in_place_of_the_others(registry: Registry) -> None:
    text = usage(["+stage=blur", "calibrator=bare"], registry)
    assert options(text, "options of the calibrator bare") == ["none"]
    assert "calibrators.near" not in text


@pytest.mark.parametrize("line", ["calibrator=near", "calibrator=bare,near", "calibrator=[near]"])
def test_a_part_is_explained_without_a_stage(registry: Registry, line: str) -> None:
    text = usage([line], registry)
    assert "calibrators.near.tiles=16" in text
    assert ("options of the calibrator bare:\n  none\n" in text) == ("bare" in line)
    assert "stages:" not in text


def test_the_list_of_stages_comes_with_the_top_level_options(registry: Registry) -> None:
    text = usage([], registry)
    assert options(text, "stages") == ["blur make it unsharp"]
    shown = {line.partition("=")[0] for line in options(text, "top-level options")}
    assert shown == set(TopLevelOptions.__dataclass_fields__) - {"plugins", "stage"}
    assert "stages:" not in usage(["+stage=blur"], registry)


def test_every_option_that_hookline_ships_is_explained() -> None:
    registry = load_plugins(modules="").registry
    for stage in registry.all(Stage):
        lines = [line for line in usage([f"+stage={stage}"], registry).splitlines() if re.match(r"  [\w.]+=", line)]
        assert lines
        assert not [line for line in lines if not re.match(r"  \S+ +[^(\s]\S* \S+", line)], stage


@pytest.mark.parametrize("line", ["calibrator=", "tracker=null", "tracker=[]", "backend=auto"])
def test_a_word_that_names_no_part_shows_none(registry: Registry, line: str) -> None:
    assert "options of the" not in usage([line], registry)


@pytest.mark.parametrize("line", ["calibrator=nera", "backend=npu", "decode=npu"])
def test_an_unknown_part_is_refused(registry: Registry, line: str) -> None:
    with pytest.raises(HooklineError, match=line.partition("=")[2]):
        usage([line], registry)
