"""``--help``: the stages with their summaries, examples, and the options of the stages and parts that are named."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import MISSING, Field

from core.kinds.family_options import option_classes, own_fields
from core.kinds.lookup import AUTO
from core.kinds.stage import Stage
from core.kinds.table import PART_KINDS
from core.masking import masked
from core.options.fields import NAMING
from core.options.ranges import possible_values
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance
from core.version import __version__

_HEAD = f"""hookline {__version__}: YOLOv5 from a labelled data set to a verified FP16/INT8 engine

usage: python -m core.run +stage=<stage> [option=value ...]        (the console script `hookline` is the same)
       python -m core.run +stage=[<stage>,<stage>] ...             several, in this order; what is missing is added
       python -m core.run -m +stage=<stage> option=a,b             a sweep: one run per combination
"""

_EXAMPLES = """examples:
  python -m core.run +stage=build precision=int8 weights=yolov5s.pt calibrate.source=street.mp4
  python -m core.run +stage=predict weights=yolov5n precision=int8 source=street.mp4
  python -m core.run -m +stage=evaluate data=person.yaml weights=best.pt precision=fp32,int8 calibrator=minmax,entropy
"""

_TAIL = """more:
  python -m core.run +stage=<stage> --help    the options of a stage
  python -m core.run backend=<name> --help    those of a part; also calibrator=, quantizer=, decode=, ...
  python -m core.run +stage=<stage> --cfg job the whole config, composed
  python -m core.run +stage=<stage> --json    the summary on standard output, for programs
  python -m core.plugins                      what is loaded, from which distribution
  python -m core.run --hydra-help             options of Hydra itself
"""

_WORDS = """options at the top level:
  weights=yolov5s    official name or file          precision=fp32   fp32, fp16, int8
  data=<data.yaml>   labelled data set              calibrator=...   how int8 ranges are found
  source=<path>      images, video, stream          backend=auto     runtime
  imgsz=640          network input                  device=auto      cpu, cuda, cuda:N
  conf= iou= max_det= classes=  which boxes         seed=0 store=<folder> reuse=true
"""

_PARTS = {**NAMING, "decode": "grafts"}
"""Top-level options that name parts, and their kinds."""
_SPECIAL = frozenset("$?")
"""Characters of values that OmegaConf would resolve."""


def usage(arguments: Sequence[str], registry: Registry) -> str:
    """Return the help text, with the options of every stage and part that ``arguments`` names."""
    width = max((len(stage.name) for stage in registry.all(Stage).values()), default=0)
    stages = "\n".join(f"  {stage.name:<{width}}  {stage.summary}" for stage in registry.all(Stage).values())
    shown = _Defaults(arguments, registry)
    named = [_options(registry.get(Stage, name), registry, shown) for name in _named(arguments, {"+stage", "stage"})]
    named += [_part_options(word, name, registry, shown) for word in _PARTS for name in _named(arguments, {word})]
    broken = "".join(f"broken plugin: {line}\n" for line in registry.broken)
    return "\n".join([_HEAD, f"stages:\n{stages}\n", *named, _WORDS, _EXAMPLES, _TAIL + broken])


def _named(arguments: Sequence[str], words: Collection[str]) -> Iterator[str]:
    for argument in arguments:
        word, _, value = argument.partition("=")
        if word in words:
            yield from (name for name in value.strip("[]").split(",") if name not in {"", AUTO, "null"})


class _Defaults:
    """The values that options have where they are not set themselves.

    Args:
        arguments: Of the command line: an option that follows a top-level one has the value that is given there.
        registry: For the default of ``weights``.
    """

    def __init__(self, arguments: Sequence[str], registry: Registry) -> None:
        pairs = (argument.partition("=") for argument in arguments)
        self._given = {word: None if text == "null" else text for word, _, text in pairs if not _SPECIAL & set(text)}
        self._registry = registry

    def __call__(self, item: Field[object]) -> str:
        """Return the value as text."""
        value = item.default if item.default_factory is MISSING else item.default_factory()
        if word := item.metadata.get("follows"):
            from core.config.compose import followed  # imports Hydra

            value = self._given.get(word) or followed(value, self._given, self._registry)
        if isinstance(value, bool):
            return str(value).lower()
        return "null" if value is None else masked(str(getattr(value, "value", value)))


def _options(stage: Stage, registry: Registry, shown: _Defaults) -> str:
    sections = []
    for family, declared in option_classes(stage.signature.config, registry):
        heading = f"options of {stage.name}" + (f", models of the family {family}" if family else "")
        sections.append(_section(heading, stage.name, declared, shown))
    return "\n".join(sections)


def _part_options(word: str, name: str, registry: Registry, shown: _Defaults) -> str:
    kind = _PARTS[word]
    part = registry.get(PART_KINDS[kind], name)
    return _section(f"options of the {word} {name}", f"{kind}.{name}", part.options, shown)


def _section(heading: str, prefix: str, declared: type[DataclassInstance], shown: _Defaults) -> str:
    lines = [_line(prefix, declared, item, shown) for item in own_fields(declared)]
    return f"{heading}:\n" + ("\n".join(lines) or "  none") + "\n"


def _line(prefix: str, declared: type[DataclassInstance], item: Field[object], shown: _Defaults) -> str:
    word = item.metadata.get("follows")
    notes = [f"follows {word}="] if word else []
    notes += filter(None, [possible_values(declared, item.name)])
    return f"  {prefix}.{item.name}={shown(item)}" + (f"  ({'; '.join(notes)})" if notes else "")
