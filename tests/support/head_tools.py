"""Heads of models and sessions, without a registry."""

from __future__ import annotations

from typing import Protocol

from backends.yolov5.head import head as bind
from core.kinds.head import DecodedHead, Head
from core.model_facts import DECODED, ModelFacts


class _Described(Protocol):
    facts: ModelFacts
    layout: str


def head_for(model: _Described) -> Head:
    """Return the head of a grafted model, otherwise that of the family yolov5."""
    return DecodedHead(model.facts) if model.layout == DECODED else bind(model.facts, model.layout)
