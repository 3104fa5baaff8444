"""Generate docs/hooks, docs/authors and docs/configuration.md from hook specifications, public names and options.

Run ``python docs/generate.py``. ``tests/test_docs.py`` fails if a page is out of date.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints

import hookline
from core import detections
from core.config.option_help import top_level_rows
from core.kinds import building, head
from core.kinds import quantizer as quantizing
from core.kinds.family_options import option_classes, own_fields
from core.kinds.lookup import PROJECT
from core.kinds.part import NoOptions
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS
from core.options.ranges import enumeration_of, ranges_of
from core.options.top_level import TopLevelOptions
from core.plugins import hookspecs
from core.plugins.loading import load_plugins
from core.plugins.registry import Registry
from core.storage import metadata

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

from author_pages import author_pages, place_of  # noqa: E402
from docstrings import attributes, markdown, prose  # noqa: E402
from files_page import files_page  # noqa: E402

INTRODUCTION = (
    "Every option can be set on the command line as `name=value`. The options of a stage are below its name and can be "
    "set for any run, because the plan can add stages. `↑ name`: the option has the value of the option `name` unless "
    "it is set. `python -m core.run +stage=<stage> --help` explains the options of a stage in one line each."
)

FOLLOWS = r"\$\{(?:otherwise:\$\{)?([\w.]+)\}(?:,(\w+)\})?"
"""The default of a field that follows another option, as ``core.options.fields.shared`` writes it."""

HEAD = ("| option | default | values | meaning |", "| --- | --- | --- | --- |")

PROTOCOLS: Mapping[str, tuple[type[Any], ...]] = {
    "models": (
        hookline.ModelBackend,
        hookline.Session,
        hookline.ReportingSession,
        head.Head,
        head.PixelHead,
        head.DeviceDecode,
        detections.Filter,
        detections.Candidates,
        metadata.OnnxSignature,
        metadata.ModelMetadata,
    ),
    "calibrators": (hookline.RangeObserver,),
    "quantizers": (hookline.QuantizerBackend, quantizing.QuantizeJob, quantizing.QdqStyle),
    "grafts": (hookline.GraftBackend, head.Head, head.DecodedHead),
    "runtimes": (
        hookline.RuntimeBackend,
        building.BuildJob,
        building.BuildReporter,
        building.CalibrationFeed,
        building.BuildRequest,
        hookline.Session,
        hookline.DeviceSession,
        hookline.ReportingSession,
        hookline.CheckingSession,
        hookline.RecordingRuntime,
        hookline.ActivationRecorder,
    ),
    "processors": (
        hookline.ProcessorBackend,
        hookline.DeviceProcessor,
        hookline.PlacedProcessor,
        head.Head,
        detections.Filter,
        detections.Candidates,
    ),
    "trackers": (hookline.TrackerBackend,),
}
"""By kind: the protocol of the implementation, optional protocols, and the types of their arguments."""


def hooks() -> dict[str, Callable[..., Any]]:
    """Return the hook specifications by name."""
    return {name: item for name, item in vars(hookspecs).items() if name.startswith(f"{PROJECT}_")}


def heading(function: Callable[..., Any]) -> str:
    """Return the signature of a hook: ``name(arg: type, ...) -> type``."""
    return f"{function.__name__}{inspect.signature(function)}".replace("'", "")


def hook_page(function: Callable[..., Any], registry: Registry) -> str:
    """Return the page of a hook."""
    kind = function.__name__.removeprefix(f"{PROJECT}_")
    sections = [f"# `{heading(function)}`", prose(function)]
    if kind in KINDS:
        sections += [_described(KINDS[kind].descriptor, PROTOCOLS.get(kind, ())), _shipped(kind, registry)]
    elif inspect.signature(function).parameters:
        sections.append("Its arguments: [plan, steps and summary](../authors/lifecycle.md).")
    sections.append("All types with their fields and defaults: [all names](../authors/names.md).")
    return "\n\n".join(sections) + "\n"


def configuration(registry: Registry) -> str:
    """Return the page of all options."""
    sections = [
        "# Configuration",
        INTRODUCTION,
        "## Top level",
        _words(),
    ]
    for stage in registry.all(Stage).values():
        sections += [f"## {stage.name}", f"{_sentence(stage.summary)}"]
        for family, declared in option_classes(stage.signature.config, registry):
            sections += [f"### Models of the family {family}"] if family else []
            sections.append(_options(declared, stage.name))
    for kind, descriptor in PART_KINDS.items():
        for part in registry.all(descriptor).values():
            if part.options is not NoOptions:
                prefix = f"{kind}.{part.name}"
                sections += [f"## {prefix}", _sentence(part.summary), _options(part.options, prefix)]
    return "\n\n".join(sections) + "\n"


def pages() -> dict[Path, str]:
    """Return the text of every generated page by its path below docs/."""
    registry = load_plugins().registry
    texts = {
        Path("hooks") / f"{name.removeprefix(PROJECT + '_')}.md": hook_page(hook, registry)
        for name, hook in hooks().items()
    }
    authors = {Path("authors") / f"{name}.md": text for name, text in author_pages().items()}
    authors[Path("authors") / "files.md"] = files_page(registry)
    return texts | authors | {Path("configuration.md"): configuration(registry)}


def _described(descriptor: type[Any], protocols: Sequence[type[Any]]) -> str:
    """Return links to the descriptor that a hook yields, and to the protocols of its implementation."""
    lines = ["## Descriptor", "", _link(descriptor)]
    if protocols:
        lines += [
            "",
            "Protocols of the object that its `load` returns, and the types of their arguments:",
            "",
            *map(_link, protocols),
        ]
    return "\n".join(lines)


def _link(kind: type[Any]) -> str:
    summary = (inspect.getdoc(kind) or "").splitlines()[0]
    return f"- [`{kind.__name__}`](../authors/{place_of(kind.__name__)}): {markdown(summary)}"


def _shipped(kind: str, registry: Registry) -> str:
    rows = [f"| `{part.name}` | {part.summary} |" for part in registry.parts(kind).values()]
    return "\n".join(["## Shipped", "", "| name | summary |", "| --- | --- |", *rows])


def _words() -> str:
    rows = [
        f"| `{name}` | `{value}` | {_values(TopLevelOptions, name)} | {what} |"
        for name, value, what in top_level_rows()
    ]
    rows.append("| `plugins.disable` | `[]` | | Names of plugins to leave out. |")
    return "\n".join([*HEAD, *rows])


def _options(config: type[Any], prefix: str) -> str:
    texts = attributes(config)
    rows = [
        f"| `{prefix}.{item.name}` | {_default(item)} | {_values(config, item.name)} | {texts.get(item.name, '')} |"
        for item in own_fields(config)
    ]
    return "\n".join([*HEAD, *rows]) if rows else "No options."


def _values(config: type[Any], name: str) -> str:
    """Return the range of an option, or the members of its enumeration."""
    if declared := ranges_of(config).get(name):
        return str(declared)
    return ", ".join(f"`{member.value}`" for member in enumeration_of(get_type_hints(config)[name]))


def _default(item: Field[object]) -> str:
    value = item.default if item.default_factory is MISSING else item.default_factory()
    if isinstance(value, str) and (match := re.fullmatch(FOLLOWS, value)):
        word, otherwise = match.groups()
        return f"↑ `{word}`, else `{otherwise}`" if otherwise else f"↑ `{word}`"
    if isinstance(value, Enum):
        return f"`{value.value}`"
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def main() -> None:
    """Write all pages."""
    for name, text in pages().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
