"""Checks of artifacts that are read from a file: the schema version of their facts, and the ranges of values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import pairwise
from typing import Any, Protocol, get_args, runtime_checkable

from core.artifacts import Artifact, CalibrationTable, Dataset, Engine, GraftedModel
from core.errors import HooklineError, shown
from core.model_facts import Channels, InputContract, ModelFacts, Padding, Preprocessing
from core.model_limits import MAX_CLASSES, MAX_NAME_LENGTH, MAX_SIDE, name_problem
from core.storage.serial import DataclassInstance, DecodeError, Json

SCHEMA = 2
"""Schema version that this version of hookline writes."""
SCHEMA_KEY = "schema"
"""Key of the schema version. Files without it have schema 1."""
_FIRST_FAMILY = "yolov5"
"""The only model family of files with schema 1, which omit it for models of other exporters."""
_YOLOV5_INPUT = {"padding": "centre", "offset": 0.0}
"""Preprocessing of files with schema 1, which do not contain these keys."""

Content = dict[str, Json]


def upgraded(content: Mapping[str, Json], title: str) -> Content:
    """Return the content of a file in the current schema, without the key of the schema version.

    Args:
        content: The object in the file.
        title: Name of the file in messages.

    Raises:
        DecodeError: The schema version is not a whole number above 0.
        HooklineError: A newer version of hookline wrote the file.
    """
    found = dict(content)
    schema = found.pop(SCHEMA_KEY, 1)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise DecodeError(SCHEMA_KEY, f"expected a whole number above 0, got {shown(schema)}")
    if schema > SCHEMA:
        raise HooklineError(
            f"{title} was written by a newer hookline (schema {shown(schema)}; this version reads up to {SCHEMA})",
            "update hookline, or make the file again with this version",
        )
    for upgrade in _UPGRADES[schema - 1 :]:
        found = upgrade(found)
    return found


def _name_the_head(content: Content) -> Content:
    """Upgrade schema 1 to 2: ``facts.anchors`` becomes ``facts.head``, which the model family defines."""
    facts = content.get("facts")
    if not isinstance(facts, dict):
        return content
    if "head" in facts:
        raise DecodeError("facts.head", "unknown key")
    if "anchors" not in facts:
        raise DecodeError("facts.anchors", "missing")
    others = {key: value for key, value in facts.items() if key != "anchors"}
    head = {"anchors": facts["anchors"]} if facts["anchors"] else {}
    return content | {"facts": others | {"head": head, "family": facts.get("family") or _FIRST_FAMILY}}


def _complete_the_contract(content: Content) -> Content:
    """Upgrade schema 1 to 2: add ``contract.padding`` and ``contract.offset`` with the values of YOLOv5."""
    contract = content.get("contract")
    if not isinstance(contract, dict):
        return content
    if known := contract.keys() & _YOLOV5_INPUT.keys():
        raise DecodeError(f"contract.{min(known)}", "unknown key")
    return content | {"contract": contract | _YOLOV5_INPUT}


def _to_schema_2(content: Content) -> Content:
    return _complete_the_contract(_name_the_head(content))


_UPGRADES: tuple[Callable[[Content], Content], ...] = (_to_schema_2,)
"""Upgrades from schema 1 to 2, 2 to 3, ..."""


MAX_INPUT_PIXELS = 1 << 27
"""Maximum number of pixels of a batch, e.g. 128 images of 1024x1024: 1.6 GB as float32, first features 11 GB."""
AXES = ("batch", "height", "width")
MAX_VALUE = 1e30
"""Maximum of scale and offset; sums of such values fit into float32."""
MAX_HEAD_DEPTH = 8
"""Maximum depth of nested objects and lists in ``ModelFacts.head``."""
LAYOUT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
SHA256 = re.compile(r"[0-9a-f]{64}|")

Problem = tuple[str, str]
"""A field and its expected value."""


@runtime_checkable
class _Modelled(Protocol):
    """A model, or the metadata of one."""

    facts: ModelFacts
    layout: str


def validate(value: DataclassInstance, place: str = "") -> None:
    """Check the numbers and names in a decoded dataclass.

    Args:
        value: The dataclass, e.g. an artifact.
        place: Its dotted path, for messages.

    Raises:
        DecodeError: A field is out of range; the message names the first one.
    """
    prefix = f"{place}." if place else ""
    for kind, problems in _CHECKS.items():
        for field, expected in problems(value) if isinstance(value, kind) else ():
            raise DecodeError(f"{prefix}{field}", f"expected {expected}, got {shown(getattr(value, field))}")
    for item in fields(value):
        inner = getattr(value, item.name)
        if is_dataclass(inner) and not isinstance(inner, type):
            validate(inner, f"{prefix}{item.name}")


def _artifact(artifact: Artifact) -> Iterator[Problem]:
    if not SHA256.fullmatch(artifact.sha256):
        yield "sha256", "64 hexadecimal digits"


def _dataset(dataset: Dataset) -> Iterator[Problem]:
    yield from _names(dataset.names)
    if any(count < 0 for count in dataset.splits.values()):
        yield "splits", "counts from 0"


def _table(table: CalibrationTable) -> Iterator[Problem]:
    if table.pictures < 0:
        yield "pictures", "a count from 0"


def _threshold(model: GraftedModel | Engine) -> Iterator[Problem]:
    if not 0 <= model.score_threshold <= 1:
        yield "score_threshold", "a number from 0 to 1"


def _layout(model: _Modelled) -> Iterator[Problem]:
    if not LAYOUT.fullmatch(model.layout):
        yield "layout", "the name of a layout"


def _facts(facts: ModelFacts) -> Iterator[Problem]:
    yield from _names(facts.names)
    if not facts.strides or not _increasing((0, *facts.strides, MAX_SIDE + 1)):
        yield "strides", f"increasing whole numbers from 1 to {MAX_SIDE}"
    if not _is_json(facts.head):
        yield "head", f"JSON values nested up to {MAX_HEAD_DEPTH} deep"


def _is_json(value: object, depth: int = 0) -> bool:
    """Return whether a value consists of finite JSON values in bounded depth; the family checks the rest."""
    if isinstance(value, Mapping | list | tuple):
        items = value.values() if isinstance(value, Mapping) else value
        return depth < MAX_HEAD_DEPTH and all(_is_json(item, depth + 1) for item in items)
    return value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _contract(contract: InputContract) -> Iterator[Problem]:
    for axis in AXES:
        if not 1 <= getattr(contract, axis) <= MAX_SIDE:
            yield axis, f"a whole number from 1 to {MAX_SIDE}"
    if (pixels := contract.batch * contract.height * contract.width) > MAX_INPUT_PIXELS:
        yield "batch", f"a batch of at most {MAX_INPUT_PIXELS:,} pixels, not {pixels:,}"
    if not set(contract.dynamic) <= set(AXES) or len(set(contract.dynamic)) != len(contract.dynamic):
        yield "dynamic", f"some of {', '.join(AXES)}, each once"
    if not contract.name:
        yield "name", "the name of the input tensor"


def _preprocessing(values: Preprocessing) -> Iterator[Problem]:
    if values.padding not in get_args(Padding):
        yield "padding", f"one of {', '.join(get_args(Padding))}"
    if not 0 <= values.pad_value <= 255:
        yield "pad_value", "a whole number from 0 to 255"
    if values.channels not in get_args(Channels):
        yield "channels", f"one of {', '.join(get_args(Channels))}"
    if not 0 < values.scale <= MAX_VALUE:
        yield "scale", f"a number above 0, up to {MAX_VALUE:g}"
    if not abs(values.offset) <= MAX_VALUE:
        yield "offset", f"a number from -{MAX_VALUE:g} to {MAX_VALUE:g}"


def _names(names: Iterable[str]) -> Iterator[Problem]:
    listed = tuple(names)
    if not 1 <= len(listed) <= MAX_CLASSES:
        yield "names", f"1 to {MAX_CLASSES:,} class names, not {len(listed):,}"
    if any(map(name_problem, listed)):
        yield "names", f"class names of up to {MAX_NAME_LENGTH} Unicode characters"


def _increasing(numbers: tuple[int, ...]) -> bool:
    return all(low < high for low, high in pairwise(numbers))


_CHECKS: dict[type | tuple[type, ...], Callable[[Any], Iterator[Problem]]] = {
    Artifact: _artifact,
    Dataset: _dataset,
    CalibrationTable: _table,
    (GraftedModel, Engine): _threshold,
    _Modelled: _layout,
    ModelFacts: _facts,
    InputContract: _contract,
    Preprocessing: _preprocessing,
}
