"""Write suspects.html: the images with the most confident contradictions, their labels, detections and reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from core.drawing.tiles import write_jpeg
from core.errors import counted
from core.media.picture import UnreadableError, read_picture
from stages.evaluate.contradictions import Record
from stages.evaluate.suspects import Suspect, Suspects

SIDE = 960
"""Longer side of an image on the page, pixels."""
MAX_BOXES = 500
"""Maximum number of labels, of ignore regions and of detections that are drawn into an image."""
MAX_REASONS = 20
"""Maximum number of reasons below an image; suspects.json has all."""
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #2b2f36; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin: 2.4rem 0 .4rem; }
h2, li { overflow-wrap: anywhere; } ol { margin-top: .4rem; }
.frame { position: relative; }
.frame img { display: block; width: 100%; height: auto; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
rect { fill: none; vector-effect: non-scaling-stroke; }
text { paint-order: stroke; stroke-linejoin: round; font-family: system-ui, sans-serif; }
.label { stroke: #0072b2; stroke-width: 1.5px; } text.label { stroke: #fff; stroke-width: .2em; fill: #0072b2; }
.found { stroke: #d55e00; stroke-width: 1.5px; stroke-dasharray: 6 4; }
text.found { stroke: #fff; stroke-width: .2em; stroke-dasharray: none; fill: #b04a00; }
rect.wrong { stroke-width: 4px; } text.wrong { font-weight: 700; }
.region { fill: url(#hatch); stroke: #555; stroke-width: 1px; }
body:has(#labels:not(:checked)) .label, body:has(#found:not(:checked)) .found,
body:has(#agreed:not(:checked)) .frame .agreed { display: none; }
.key { display: inline-block; width: 2em; border-top: 3px solid #0072b2; vertical-align: middle; }
.key.dashed { border-top: 3px dashed #d55e00; } label { margin-right: 1.5em; }
"""
HATCH = (
    '<svg width="0" height="0" style="position:absolute"><pattern id="hatch" width="12" height="12" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="12" height="12" '
    'style="fill:#888;fill-opacity:.35"/><path d="M0 0V12" stroke="#000" stroke-width="4"/></pattern></svg>'
)


def write_page(suspects: Suspects, images: Sequence[Path], target: Path, folder: Path, max_pixels: int) -> None:
    """Write the page, and its images as JPEG.

    Args:
        suspects: The suspects.
        images: The image file of each.
        target: The page.
        folder: Folder of the images, next to the page.
        max_pixels: Maximum width x height of an image.
    """
    folder.mkdir()
    with target.open("w", encoding="utf-8", errors="replace") as page:
        head = f'<meta charset="utf-8"><title>Suspects</title><style>{STYLE}</style>'
        page.write(f'<!DOCTYPE html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{_introduction(suspects)}\n')
        for number, (suspect, image) in enumerate(zip(suspects.worst, images, strict=True), start=1):
            small = folder / f"{number:05d}.jpg"
            source = f"{folder.name}/{small.name}" if _write_small(image, small, max_pixels) else ""
            page.write("\n".join(_section(number, suspect, source, suspects.record)) + "\n")
        page.write("</body>\n</html>\n")


def _write_small(image: Path, target: Path, max_pixels: int) -> bool:
    """Write an image with sides of at most :data:`SIDE`; return False if it can no longer be read."""
    try:
        picture = read_picture(image, max_pixels)
    except UnreadableError:
        return False
    height, width = picture.shape[:2]
    ratio = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    write_jpeg(np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), target)
    return True


def _introduction(suspects: Suspects) -> str:
    """Return the title, the legend and the switches."""
    total = f"{suspects.total:,} of {counted(suspects.evaluated, 'image')}"
    return f"""<h1>Suspects</h1>
<p>The model contradicts labels of {total}. Below are {counted(len(suspects.worst), "image")}, the one with the most
confident contradiction first. A contradiction is no proof: the label or the model is wrong.</p>
<p><label><input type="checkbox" id="labels" checked> <span class="key"></span> label</label>
<label><input type="checkbox" id="found" checked> <span class="key dashed"></span> detection with confidence
{suspects.record.confidence:.3f} or more</label>
<label><input type="checkbox" id="agreed" checked> also boxes without contradiction</label> hatched: ignored</p>
{HATCH}"""


def _section(number: int, suspect: Suspect, source: str, record: Record) -> Iterator[str]:
    image = suspect.image
    yield f"<h2>{number}. {escape(image['file_name'])}</h2>"
    if source:
        shape = f"max-width: calc(90vh * {image['width'] / image['height']:.4f})"  # fits into a window
        yield f'<div class="frame" style="{shape}"><img loading="lazy" src="{source}" alt="" width="{image["width"]}" '
        yield f'height="{image["height"]}"><svg viewBox="0 0 {image["width"]} {image["height"]}">'
        yield from _drawn(suspect, record)
        yield "</svg></div>"
    else:
        yield "<p>The image cannot be read.</p>"
    items = suspect.contradictions
    yield "<ol>" + "".join(f"<li>{escape(item.reason)}</li>" for item in items[:MAX_REASONS]) + "</ol>"
    if len(items) > MAX_REASONS:
        yield f"<p>{len(items) - MAX_REASONS} more in suspects.json.</p>"


def _drawn(suspect: Suspect, record: Record) -> Iterator[str]:
    """Yield regions, labels and detections as SVG; those of reasons on top, with the number of the reason."""
    for corners in dict.fromkeys(map(tuple, suspect.regions.corners[:MAX_BOXES].tolist())):
        yield f'<rect class="region" {_place(corners)}/>'  # once, if it is a region of several classes
    shown = list(enumerate(suspect.contradictions[:MAX_REASONS], start=1))
    labels = {item.label: number for number, item in shown if item.label is not None}
    found = {item.detection: number for number, item in shown if item.detection is not None}
    confident = int((suspect.found.scores >= record.confidence).sum())
    for index in range(min(len(suspect.labels), MAX_BOXES)):
        if index not in labels:
            yield from _label(suspect, index, record)
    for index in range(min(confident, MAX_BOXES)):
        if index not in found:
            yield from _detection(suspect, index, record)
    for index, number in labels.items():
        yield from _label(suspect, index, record, number)
    for index, number in found.items():
        yield from _detection(suspect, index, record, number)


def _label(suspect: Suspect, index: int, record: Record, number: int = 0) -> Iterator[str]:
    """Yield a label with its class at the top."""
    corners = suspect.labels.corners[index].tolist()
    name = record.names[int(suspect.labels.classes[index])]
    yield from _box("label", corners, suspect, name, number)


def _detection(suspect: Suspect, index: int, record: Record, number: int = 0) -> Iterator[str]:
    """Yield a detection with class and score at the bottom."""
    corners = suspect.found.corners[index].tolist()
    name = f"{record.names[int(suspect.found.classes[index])]} {suspect.found.scores[index]:.2f}"
    yield from _box("found", corners, suspect, name, number)


def _box(kind: str, corners: Sequence[float], suspect: Suspect, name: str, number: int) -> Iterator[str]:
    """Yield a box and its text, which begins with the number of the reason, if there is one."""
    width, height = suspect.image["width"], suspect.image["height"]
    size = max(width, height) / 60
    style = f'class="{kind} {"wrong" if number else "agreed"}"'
    text = f"{number}: {escape(name)}" if number else escape(name)
    at_edge = corners[0] > 0.8 * width
    x = corners[2] - 0.3 * size if at_edge else corners[0] + 0.3 * size
    y = corners[1] + size if kind == "label" else corners[3] - 0.3 * size
    anchor = ' text-anchor="end"' if at_edge else ""
    yield f"<rect {style} {_place(corners)}/>"
    yield f'<text {style} x="{x:.1f}" y="{y:.1f}" font-size="{size:.1f}"{anchor}>{text}</text>'


def _place(corners: Sequence[float]) -> str:
    x1, y1, x2, y2 = corners
    return f'x="{x1:.1f}" y="{y1:.1f}" width="{x2 - x1:.1f}" height="{y2 - y1:.1f}"'
