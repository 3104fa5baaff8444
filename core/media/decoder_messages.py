"""What image libraries write to file descriptor 2: which lines are theirs, and which of them mean damage."""

from __future__ import annotations

import re
from collections.abc import Iterable

PADDING = 7
"""Extraneous bytes in a JPEG that are no damage.

Hardware encoders write whole words of up to 64 bits, which leaves up to 7 bytes of padding before a marker. A
decoder that has lost its place in damaged data usually finds more.
"""
LENGTH = 200
OPENCV = re.compile(r"^\[ ?(?P<level>[A-Z]+):\d+@[\d.]+\] global \S+ (?:TIFF_(?:Error|Warning) )?(?P<text>.*)")
"""A line of OpenCV's log; the time in it differs from run to run."""
LIBRARIES = re.compile(
    r"libpng (warning|error): |Corrupt JPEG data: |Premature end of JPEG file|Invalid SOS parameters for sequential"
    r"|Inconsistent progression sequence|Unknown Adobe color transform|Warning: unknown JFIF revision"
    r"|Application transferred too (many|few) scanlines|Unsupported marker type|TIFF\w+: "
)
"""How a line of libjpeg, libpng or libtiff begins."""
EXTRANEOUS = re.compile(r"Corrupt JPEG data: (\d+) extraneous bytes before marker")
BENIGN = (
    # libpng: chunks whose name begins with a small letter are ancillary: colour profiles, text, times, resolution.
    re.compile(r"libpng warning: [a-z][A-Za-z]{3}: "),
    re.compile(r"libpng warning: (?:IDAT: )?(?:Too much image|Extra compressed) data"),
    re.compile(r"Invalid SOS parameters for sequential JPEG"),  # fields that a sequential decoder ignores; common
    re.compile(r"Warning: unknown JFIF revision|Unknown Adobe color transform|Corrupt JPEG data: bad ICC marker"),
    # libtiff: tags that it does not know, or that are out of order or of an unusual type; not the pixels.
    re.compile(r"TIFF(?:ReadDirectory|ReadCustomDirectory|FetchNormalTag|ReadDirectoryCheckOrder): (?!.*[Ff]ailed)"),
)
"""Remarks on things that do not change the pixels. They are swallowed, but are no damage."""
EXCEPTION = re.compile(r".*error: \([^)]*\) (?P<text>.*?)(?: in function '\w+')?$")
"""An exception of OpenCV inside a line of its log."""
QUIET_LEVELS = {"INFO", "DEBUG", "VERB"}


def from_decoder(line: str) -> bool:
    """Return whether an image library wrote the line."""
    return bool(OPENCV.match(line) or LIBRARIES.match(line))


def damage_in(lines: Iterable[str]) -> str:
    """Return the first line that means damage, without OpenCV's prefix; empty where none does."""
    return next((text[:LENGTH] for line in lines if (text := _damage(line))), "")


def _damage(line: str) -> str:
    text, level = line.strip(), ""
    if found := OPENCV.match(text):
        text, level = found["text"].removeprefix("JPEGLib: "), found["level"]
    if level in QUIET_LEVELS or any(pattern.match(text) for pattern in BENIGN):
        return ""
    if (extraneous := EXTRANEOUS.match(text)) and int(extraneous[1]) <= PADDING:
        return ""
    return found["text"] if (found := EXCEPTION.match(text)) else text
