"""``stream.json``: when a live source gave no frames, and why it ended."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from core.media.source import Source
from core.media.tolerance import Tolerance
from core.output_paths import write_file

REPORT = "stream.json"


def write_stream_report(folder: Path, source: Source, tolerance: Tolerance, ended: str) -> None:
    """Write the gaps of a live source, with times in seconds since its first frame, and how it ``ended``."""
    content = {
        "source": source.text,
        "ended": ended or "predict.frames was reached",
        "dropped": tolerance.dropped,
        "damaged_frames": tolerance.damaged_frames,
        "gaps": [asdict(gap) for gap in tolerance.gaps],
    }
    write_file(folder / REPORT, (json.dumps(content, indent=1) + "\n").encode())
