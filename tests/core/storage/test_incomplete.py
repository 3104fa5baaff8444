from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.storage.incomplete import MARKER, IncompleteWork, interrupted, mark, unmark

WORK = IncompleteWork("predict", "key", {"conf": 0.25, "draw": True})


def test_the_latest_incomplete_results_are_found(tmp_path: Path) -> None:
    for number, name in enumerate(("predict", "predict-2", "predict-3")):
        (tmp_path / name).mkdir()
        mark(tmp_path / name, WORK, "the disk is full", {"frames": 3})
        os.utime(tmp_path / name / MARKER, (number, number))
    unmark(tmp_path / "predict-3")
    assert interrupted(tmp_path, WORK) == tmp_path / "predict-2"
    assert json.loads((tmp_path / "predict" / MARKER).read_text())["values"] == {"frames": 3}
    assert interrupted(tmp_path, replace(WORK, stage="frames")) is None


@pytest.mark.parametrize("content", ['{"key": "other"}', "[]", "{", ""])
def test_results_of_other_options_are_not_continued(tmp_path: Path, content: str) -> None:
    (tmp_path / "predict").mkdir()
    (tmp_path / "predict" / MARKER).write_text(content)
    with pytest.raises(HooklineError, match="made with other options, weights or versions"):
        interrupted(tmp_path, WORK)


def test_the_options_that_differ_are_named(tmp_path: Path) -> None:
    (tmp_path / "predict").mkdir()
    mark(tmp_path / "predict", WORK)
    with pytest.raises(HooklineError, match=r"predict\.conf=0\.25, not null; resume with the options of that run"):
        interrupted(tmp_path, replace(WORK, key="other", options={"conf": None, "draw": True, "new": 1}))
