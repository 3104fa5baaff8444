"""The metadata of an ONNX file: ``stride`` and ``names`` as the ecosystem writes them, and ours as JSON.

``stride`` is the largest stride as text; ``names`` a list or a dict as Python or JSON writes it;
``hookline`` holds facts, input contract and layout, so that a file speaks for itself without a sidecar.
"""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import HooklineError, shown
from core.model_facts import InputContract, ModelFacts
from core.model_limits import MAX_METADATA, MAX_SIDE
from core.storage import validation as schema
from core.storage.serial import DecodeError, decode, encode, parse
from core.storage.validation import validate

KEY = "hookline"
MAX_NAMES_TEXT = 1_000_000
"""Characters of the names as others write them; Python's reader takes up to 300 bytes for each."""
MAX_NUMBER = 20
"""Characters of a number."""


@dataclass(frozen=True)
class ModelMetadata:
    """What an ONNX file of ours says about itself, or a family about a file that it recognises.

    Attributes:
        facts: What the model is.
        contract: Its input.
        layout: Which of the family's layouts its outputs have.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str


@dataclass(frozen=True)
class OnnxSignature:
    """What can be seen of an ONNX file from outside; a model family recognises its own by it.

    Attributes:
        name: The name of the file without its suffix.
        contract: Its input: the name, and sizes; 640 where height or width is open. How an image becomes the input is
            that of the family that is asked, as no file says it.
        outputs: Shape by name, in order, for an input of the height and width of ``contract``; a text where an axis is
            open or does not follow from the graph.
        metadata: Of the file, e.g. ``names`` and ``stride``.
    """

    name: str
    contract: InputContract
    outputs: Mapping[str, tuple[int | str, ...]]
    metadata: Mapping[str, str]


def to_properties(metadata: ModelMetadata) -> dict[str, str]:
    """As key and value of ``metadata_props``."""
    facts = metadata.facts
    return {
        "stride": str(facts.max_stride),
        "names": str(dict(enumerate(facts.names))),
        KEY: json.dumps({schema.KEY: schema.SCHEMA, **encode(metadata)}, sort_keys=True),
    }


def from_properties(properties: Mapping[str, str]) -> ModelMetadata | None:
    """The inverse; None where the file is not one of ours.

    Raises:
        HooklineError: The text under ``hookline`` is damaged, or a newer hookline wrote it.
    """
    if KEY not in properties:
        return None
    text = properties[KEY]
    try:
        if len(text) > MAX_METADATA:
            raise DecodeError("", f"{len(text):,} characters, more than {MAX_METADATA:,}")
        content = parse(text)
        if not isinstance(content, dict):
            raise DecodeError("", f"expected an object, got {type(content).__name__}")
        metadata = decode(ModelMetadata, schema.current(content, "the ONNX file"))
        validate(metadata)
    except DecodeError as error:
        raise HooklineError(f"the metadata '{KEY}' of the model is damaged ({error})", "export it again") from error
    return metadata


def parse_stride(text: str) -> int:
    """Return the largest stride from its text, e.g. of the metadata ``stride`` of an ONNX file.

    Args:
        text: A number.

    Raises:
        DecodeError: No whole number above 0.
    """
    try:
        number = float(text[:MAX_NUMBER])
    except ValueError:
        number = math.nan
    if not (number >= 1 and number.is_integer() and number <= MAX_SIDE):
        raise DecodeError("stride", f"expected a whole number from 1 to {MAX_SIDE}, got {shown(text)}")
    return int(number)


def parse_names(text: str) -> tuple[str, ...]:
    """Return class names from the text of a list, or of a dict whose keys are 0, 1, 2, ...

    A name that is a number becomes its text. Nothing in the text is evaluated.

    Args:
        text: E.g. of the metadata ``names`` of an ONNX file.

    Raises:
        DecodeError: Neither, or more than a model can have.
    """
    if len(text) > MAX_NAMES_TEXT:
        raise DecodeError("names", f"{len(text):,} characters, more than {MAX_NAMES_TEXT:,}")
    value = _literal(text)
    if isinstance(value, dict):
        by_id = {_class_id(key): name for key, name in value.items()}
        if sorted(by_id) != list(range(len(value))):
            raise DecodeError("names", f"the keys are not 0, 1, 2, ...: {shown(text)}")
        value = [by_id[index] for index in range(len(by_id))]
    if not isinstance(value, list | tuple) or not value or not all(_is_name(name) for name in value):
        raise DecodeError("names", f"expected a list or dict of names, got {shown(text)}")
    return tuple(map(str, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool))


def _class_id(key: object) -> int:
    """Return the number of a class; -1 where the key is none."""
    text = str(key) if isinstance(key, str | int) and not isinstance(key, bool) else ""
    return int(text) if len(text) <= MAX_NUMBER and text.isascii() and text.isdecimal() else -1


def _literal(text: str) -> object:
    """Return the value of a text in JSON or in Python's notation, which exporters write."""
    try:
        return parse(text)
    except DecodeError:
        pass
    try:
        value: object = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DecodeError("names", f"expected a list or dict, got {shown(text)}") from error
    return value
