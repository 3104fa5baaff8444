"""The head of grafted models, and the head of a family bound to a model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.detections import Filter
from core.errors import HooklineError
from core.kinds.head import BOXES, CLASSES, NUM, SCORES, DecodedHead
from core.kinds.model import head_of
from core.model_facts import InputContract
from cuda_plugins import signature
from tests.support import grid_family
from tests.support.grid_family import FACTS
from tests.support.stage_tools import make_context


def test_the_decoded_outputs_are_those_of_the_operator() -> None:
    assert (NUM, BOXES, SCORES, CLASSES) == signature.OUTPUTS
    assert tuple(DecodedHead(FACTS).outputs(InputContract(2, 64, 96))) == signature.OUTPUTS
    assert DecodedHead(FACTS).outputs(InputContract(2, 64, 96, ("batch",)))[BOXES] == ("batch", "rows", 4)


def test_decoded_rows_are_valid_wherever_they_stand() -> None:
    outputs = {
        NUM: np.asarray([[2]], np.int32),
        BOXES: np.arange(20, dtype=np.float32).reshape(1, 5, 4),
        SCORES: np.asarray([[0, 0.5, 0, 0.9, 0.2]], np.float32),
        CLASSES: np.asarray([[0, 2, 0, 1, 0]], np.int32),
    }
    found = DecodedHead(FACTS).candidates(outputs, 0, Filter(conf=0.25))
    assert found.boxes.tolist() == [[4, 5, 6, 7], [12, 13, 14, 15]]
    assert found.classes.tolist() == [2, 1]
    assert len(DecodedHead(FACTS).candidates(outputs, 0, Filter(conf=0.0)).scores) == 3


def test_a_family_binds_its_head(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path, models=[grid_family.family()])
    assert context.head(FACTS, "grid") == grid_family.GridHead(FACTS)
    assert isinstance(context.head(replace(FACTS, family="gone"), "decoded"), DecodedHead)
    with pytest.raises(HooklineError, match="the model family 'grid' has no layout 'heads'; possible: grid"):
        context.head(FACTS, "heads")
    with pytest.raises(HooklineError, match="a grid needs no facts"):
        context.head(replace(FACTS, head={"anchors": []}), "grid")
    with pytest.raises(HooklineError, match="unknown model family 'gone'"):
        head_of(replace(FACTS, family="gone"), "grid", context.registry)
