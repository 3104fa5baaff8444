from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.incomplete import MARKER, interrupted, mark, unmark


def test_the_latest_incomplete_results_are_found(tmp_path: Path) -> None:
    for number, name in enumerate(("predict", "predict-2", "predict-3")):
        (tmp_path / name).mkdir()
        mark(tmp_path / name, "predict", "key", "the disk is full", {"frames": 3})
        os.utime(tmp_path / name / MARKER, (number, number))
    unmark(tmp_path / "predict-3")
    assert interrupted(tmp_path, "predict", "key") == tmp_path / "predict-2"
    assert json.loads((tmp_path / "predict" / MARKER).read_text())["values"] == {"frames": 3}
    assert interrupted(tmp_path, "frames", "key") is None


@pytest.mark.parametrize("content", ['{"key": "other"}', "[]", "{", ""])
def test_results_of_other_options_are_not_continued(tmp_path: Path, content: str) -> None:
    (tmp_path / "predict").mkdir()
    (tmp_path / "predict" / MARKER).write_text(content)
    with pytest.raises(HooklineError, match="made with other options, weights or versions"):
        interrupted(tmp_path, "predict", "key")
