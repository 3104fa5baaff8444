"""Write report.html and its pages of sample images."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import cv2

from core.data.dataset import Sample
from core.drawing.palette import class_hex
from core.drawing.tiles import Tiles, label_page, write_jpeg
from core.labels import Labels, load_labels
from core.media.choices import DEFAULT_DECODING, Decoding
from core.media.picture import read_picture
from stages.dataset.auditing import Audit
from stages.dataset.findings import KINDS, AuditFinding, Severity, counts
from stages.dataset.statistics import ClassNumbers, Numbers, by_frequency, class_rows, split_rows

MAX_FINDINGS = 200
"""Maximum number of findings of one kind on the page; report.json has all."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2b2f36; max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
p.origin { color: #6b7280; margin-top: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem; text-align: right; border-bottom: 1px solid #e5e8ec; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { font-weight: 600; }
img { max-width: 100%; height: auto; display: block; margin: .8rem 0; }
details { margin: .5rem 0; } summary { cursor: pointer; }
.error { color: #b42318; } .warning { color: #a15c07; } .note { color: #4b5563; } .good { color: #1a7f4b; }
li, td:first-child { overflow-wrap: anywhere; }
.swatch { display: inline-block; width: .7em; height: .7em; margin-right: .5em; }
"""
TITLES = {Severity.error: "Errors", Severity.warning: "Warnings", Severity.note: "Notes"}


def write_page(audit: Audit, numbers: Numbers, charts: Sequence[str], sheets: dict[str, str], target: Path) -> None:
    """Write report.html.

    Args:
        audit: The audit.
        numbers: Its statistics.
        charts: File names of the charts, in the folder of ``target``.
        sheets: File name of the page of sample images, per split.
        target: The output file.
    """
    parts = [
        "<h1>Data set</h1>",
        f'<p class="origin">{escape(str(audit.spec.path))}</p>',
        _table(split_rows(numbers.splits)),
        *_findings(audit),
        *(["<h2>Boxes and classes</h2>"] if charts else []),
        *(_image(name) for name in charts),
        *(part for split, name in sheets.items() for part in (f"<h2>Images of {escape(split)}</h2>", _image(name))),
        "<h2>Classes</h2>",
        _class_table(numbers.classes),
    ]
    head = f'<meta charset="utf-8"><title>{escape(audit.spec.path.parent.name)}: data set</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    text = f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}\n</body>\n</html>\n'
    target.write_text(text, encoding="utf-8", errors="replace")


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *others = rows
    lines = [_row("th", header), *(_row("td", row) for row in others)]
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _class_table(classes: Sequence[ClassNumbers]) -> str:
    """Return the table of classes, each with its colour in charts and on pages."""
    header, *others = class_rows(classes)
    colours = [class_hex(item.index) for item in by_frequency(classes)]
    lines = [_row("th", header)]
    for colour, row in zip(colours, others, strict=True):
        swatch = f'<span class="swatch" style="background:{colour}"></span>'
        lines.append(_row("td", row).replace("<td>", f"<td>{swatch}", 1))
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def _row(cell: str, values: Iterable[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(value)}</{cell}>" for value in values) + "</tr>"


def _image(name: str) -> str:
    """Return an image of the page's width that links to the file."""
    image = f'<img src="{escape(name)}" alt="{escape(Path(name).stem.replace("_", " "))}">'
    return f'<a href="{escape(name)}">{image}</a>'


def _findings(audit: Audit) -> Iterable[str]:
    yield "<h2>Findings</h2>"
    if not audit.findings:
        yield '<p class="good">No problems were found in images and labels.</p>'
    for severity, title in TITLES.items():
        if found := audit.of(severity):
            yield f'<h3 class="{severity.value}">{title}: {len(found)}</h3>'
            yield from (_kind(kind, found) for kind in counts(found))


def _kind(kind: str, findings: Sequence[AuditFinding]) -> str:
    messages = [finding.message for finding in findings if finding.kind == kind]
    number = len(messages)
    items = "".join(f"<li>{escape(message)}</li>" for message in messages[:MAX_FINDINGS])
    more = f"<p>{number - MAX_FINDINGS} more in report.json.</p>" if number > MAX_FINDINGS else ""
    summary = f"{number} × {kind}: {escape(KINDS[kind][1])}"
    return f"<details{' open' if number <= 10 else ''}><summary>{summary}</summary><ul>{items}</ul>{more}</details>"


SAMPLE_IMAGES = 16
COLUMNS = 4
TILES = Tiles(side=360, gap=8, caption=13, enlarging=cv2.INTER_NEAREST)  # as annotation tools enlarge small images


def sample_sheet(
    samples: Sequence[Sample], names: Sequence[str], seed: int, target: Path, decoding: Decoding = DEFAULT_DECODING
) -> None:
    """Write a JPEG with up to 16 random images of a split and their boxes, in the order of the split.

    Args:
        samples: Readable images, at least one.
        names: Class names.
        seed: Seed of the random choice.
        target: The output file.
        decoding: How images are decoded.
    """
    chosen = sorted(random.Random(seed).sample(range(len(samples)), min(SAMPLE_IMAGES, len(samples))))
    items = (
        (read_picture(sample.image, decoding.max_pixels, decoding.depth), labels, _caption(sample, labels))
        for sample in (samples[index] for index in chosen)
        for labels in [load_labels(sample, names)]
    )
    write_jpeg(label_page(items, names, TILES, COLUMNS), target)


def _caption(sample: Sample, labels: Labels) -> str:
    return sample.image.name + (" (striped: ignored)" if len(labels.regions) else "")
