"""The page of the files that runs and stages write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from author_pages import fields_of
from docstrings import cell
from left_files import STAGES, LeftFile
from left_values import VALUES

from core.execution.status import Advance, Status
from core.kinds.lifecycle import StageRecord, Summary
from core.kinds.stage import Stage
from core.plugins.registry import Registry
from core.storage.incomplete import IncompleteWork

RUN = (
    LeftFile(
        "summary.json",
        "The result of the run, for scripts. Written at the start, before each stage, and at the end.",
        {name: text for name, _, _, text in fields_of(Summary) if name not in {"distributions", "written"}}
        | {
            "versions": "Versions of hookline, Python, the packages that hookline uses, and the distributions of the "
            "third-party plugins that took part in the run, by name.",
            "machine": "`system`, `processor` and `cores`.",
        },
    ),
    LeftFile("status.json", "Progress of the run, for monitoring; replaced at most once per second.", Status),
    LeftFile("run.log", "All output of the run with times and levels, and tracebacks."),
    LeftFile(".hydra/*", "The configuration, as written by Hydra. Not written by `hookline.run`.", sometimes=True),
    LeftFile(".hookline.lock", "Lock of a run that works in the directory."),
)
"""Files of the run."""

SIDECAR = {
    "artifact": "Type of the artifact, e.g. `Engine`.",
    "schema": "Version of the format.",
    "files": "SHA-256 of each file that was written with the artifact, by path relative to the folder.",
    "sidecar_sha256": "Digest of all other keys. An edited sidecar is refused.",
}
"""Keys of every sidecar, in addition to the fields of the artifact."""


INTRODUCTION = """# Files of runs and stages

Each run has a directory, `outputs/<day>/<time>/` or that of `hydra.run.dir=`. The result of a requested stage is in
`<stage>/`, or in `<stage>-2/` if that exists. The result of a stored stage (`Stage.stored`) is also in the store,
`<store>/<stage>/<key>/`, with the same files. The results of stages that the plan added are in the store only.
[Runs](../runs.md) describes the files of interrupted runs.

JSON files are UTF-8, without NaN and infinity. New keys may be added; CHANGELOG.md lists all other changes."""

SIDECARS = """## Sidecars: `<file>.json`

A sidecar is next to the main file of each stored artifact, e.g. `yolov5s-int8.onnx.json`. It contains the fields of the
artifact ([artifacts](artifacts.md)), with the file name as `path`, and these keys:"""


def files_page(registry: Registry) -> str:
    """Return the page.

    Args:
        registry: All stages.
    """
    sections = [INTRODUCTION, "## The run", *_described(RUN)]
    sections += ["Keys of each entry of `stages` in summary.json:", _keys(LeftFile("", "", StageRecord))]
    sections += [
        "Keys of `progress` in status.json, which is null if nothing is counted:",
        _keys(LeftFile("", "", Advance)),
    ]
    marker = _keys(LeftFile("", "", IncompleteWork)) + "\n| `reason` | Why the stage ended; empty while it runs. |"
    sections += [
        "### `<stage>/incomplete.json`\n\nMarks the results of an incremental stage as incomplete; removed at the end.",
        f"{marker}\n| `values` | Metrics of the finished part. |",
        SIDECARS,
        _keys(LeftFile("", "", SIDECAR)),
    ]
    for stage in registry.all(Stage).values():
        kinds = " or ".join(f"`{kind.__name__}`" for kind in stage.signature.provides)
        place = "stored, with a sidecar" if stage.stored else "in the run directory only"
        sections += [f"## {stage.name}", f"Result: {kinds}, {place}.", *_described(STAGES.get(stage.name, ()))]
        if values := VALUES.get(stage.name):
            sections += [f"`metrics.{stage.name}` in summary.json:", _table(values)]
    return "\n\n".join(sections) + "\n"


def _described(files: tuple[LeftFile, ...]) -> Iterator[str]:
    yield "\n".join(["| file | |", "| --- | --- |", *(f"| `{item.name}` | {cell(item.text)} |" for item in files)])
    for item in files:
        if item.keys:
            each = "Each entry of" if item.listed else "Keys of"
            yield f"{each} `{item.name}`:"
            yield _keys(item)


def _keys(item: LeftFile) -> str:
    return _table(item.described())


def _table(keys: Mapping[str, str]) -> str:
    return "\n".join(["| key | |", "| --- | --- |", *(f"| `{name}` | {text} |" for name, text in keys.items())])
