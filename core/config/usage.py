"""``--help``: the stages, the top-level options and examples; with a stage or part named, the options of these."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from core.config.option_help import CHOICES, OptionValues, section, top_level
from core.kinds.family_options import option_classes, own_fields
from core.kinds.lookup import AUTO
from core.kinds.part import NoOptions
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS
from core.plugins.registry import Registry
from core.version import __version__

_HEAD = f"""hookline {__version__}: YOLOv5 from a labelled data set to a verified FP16/INT8 engine

usage: python -m core.run +stage=<stage> [option=value ...]        (the console script `hookline` is the same)
       python -m core.run +stage=[<stage>,<stage>] ...             several stages, in this order; missing ones are added
       python -m core.run -m +stage=<stage> option=a,b             a sweep: one run per combination
"""

_SHORT_HEAD = f"""hookline {__version__}

usage: python -m core.run +stage=<stage> [option=value ...]
"""

_EXAMPLES = """examples:
  python -m core.run +stage=build precision=int8 weights=yolov5s.pt calibrate.source=street.mp4
  python -m core.run +stage=predict weights=yolov5n precision=int8 source=street.mp4
  python -m core.run -m +stage=evaluate data=person.yaml weights=best.pt precision=int8 calibrator=minmax,entropy
"""

_MORE = """more:
  python -m core.run +stage=<stage> --help     the options of a stage and of the parts that it uses
  python -m core.run backend=<name> --help     the options of a part; also calibrator=, quantizer=, decode=, ...
  python -m core.run +stage=<stage> --cfg job  the complete configuration of a run
  python -m core.run +stage=<stage> --json     print the summary on standard output, for programs
  python -m core.plugins                       list the plugins
  python -m core.run --hydra-help              options of Hydra
"""

_MORE_OPTIONS = """more:
  python -m core.run --help    the stages, the top-level options and examples
  docs/configuration.md        all options
"""


def usage(arguments: Sequence[str], registry: Registry) -> str:
    """Return the help text.

    Args:
        arguments: The command line: it can name stages and parts, whose options are then explained.
        registry: The registered stages and parts.

    Raises:
        HooklineError: No stage or part has a name that ``arguments`` gives.
    """
    values = OptionValues(arguments, registry)
    stages = [registry.get(Stage, name) for name in _named(arguments, {"+stage", "stage"})]
    parts = dict.fromkeys((kind, name) for option, kind in CHOICES.items() for name in _named(arguments, {option}))
    if stages or parts:
        used = {key: None for stage in stages for key in _parts_of(stage, parts, registry)}
        named = [_stage_options(stage, values) for stage in stages]
        named += [_part_options(kind, name, values) for kind, name in parts | used]
        pages = [_SHORT_HEAD, *named, _MORE_OPTIONS]
    else:
        pages = [_HEAD, _stages(registry), top_level(values), _EXAMPLES, _MORE]
    return "\n".join(pages) + "".join(f"broken plugin: {line}\n" for line in registry.broken)


def _stages(registry: Registry) -> str:
    stages = registry.all(Stage).values()
    width = max((len(stage.name) for stage in stages), default=0)
    return "stages:\n" + "".join(f"  {stage.name:<{width}}  {stage.summary}\n" for stage in stages)


def _named(arguments: Sequence[str], options: Collection[str]) -> Iterator[str]:
    """Yield the names that options give, without ``auto`` and null."""
    for argument in arguments:
        option, _, value = argument.partition("=")
        if option in options:
            yield from (name for name in value.strip("[]").split(",") if name not in {"", AUTO, "null"})


def _parts_of(stage: Stage, named: Collection[tuple[str, str]], registry: Registry) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the parts with options that a stage can use; those in ``named`` exclude others."""
    chosen = {kind for kind, _ in named}
    kinds = dict.fromkeys(item.metadata.get("kind") for item in own_fields(stage.signature.config))
    for kind in kinds:
        if kind and kind not in chosen:
            parts = registry.all(PART_KINDS[kind]).values()
            yield from ((kind, part.name) for part in parts if part.options is not NoOptions)


def _stage_options(stage: Stage, values: OptionValues) -> str:
    sections = [f"{stage.name}: {stage.summary}\n"]
    for family, declared in option_classes(stage.signature.config, values.registry):
        heading = f"options of {stage.name}" + (f" for models of the family {family}" if family else "")
        sections.append(section(heading, stage.name, declared, values))
    return "\n".join(sections)


def _part_options(kind: str, name: str, values: OptionValues) -> str:
    part = values.registry.get(PART_KINDS[kind], name)
    return section(f"options of the {KINDS[kind].noun} {name}", f"{kind}.{name}", part.options, values)
