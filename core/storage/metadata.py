"""The metadata of an ONNX file: ``stride`` and ``names`` in their common form, and ``hookline`` as JSON.

``stride`` is the maximum stride as text, ``names`` a list or a dict in Python or JSON notation. ``hookline`` has the
facts, the input contract and the layout, so that a file needs no sidecar.
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
from core.storage.serial import DecodeError, decode, encode, parse
from core.storage.validation import SCHEMA, SCHEMA_KEY, upgraded, validate

KEY = "hookline"
MAX_NAMES_TEXT = 1_000_000
"""Maximum number of characters of ``names``; ``ast.literal_eval`` needs up to 300 bytes per character."""
MAX_NUMBER = 20
"""Maximum number of characters of a number."""


@dataclass(frozen=True)
class ModelMetadata:
    """Facts, input contract and layout: from the metadata of an ONNX file, or from the family that recognises it.

    Attributes:
        facts: Facts about the model.
        contract: Its input contract.
        layout: The layout of its outputs, one of the family's layouts.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str


@dataclass(frozen=True)
class OnnxSignature:
    """Input, outputs and metadata of an ONNX file, by which a model family recognises its models.

    Attributes:
        name: The name of the file without its suffix.
        contract: Name and size of the input, 640 for a dynamic height or width. The preprocessing is that of the
            family, because ONNX files do not contain it.
        outputs: Shape by name, in order, for the height and width in ``contract``; a text for a dynamic or unknown
            axis.
        metadata: Metadata of the file, e.g. ``names`` and ``stride``.
    """

    name: str
    contract: InputContract
    outputs: Mapping[str, tuple[int | str, ...]]
    metadata: Mapping[str, str]


def to_properties(metadata: ModelMetadata) -> dict[str, str]:
    """Return the metadata as keys and values of ``metadata_props``."""
    facts = metadata.facts
    return {
        "stride": str(facts.max_stride),
        "names": str(dict(enumerate(facts.names))),
        KEY: json.dumps({SCHEMA_KEY: SCHEMA, **encode(metadata)}, sort_keys=True),
    }


def from_properties(properties: Mapping[str, str]) -> ModelMetadata | None:
    """Return the metadata in ``metadata_props``; None for a file of another exporter.

    Raises:
        HooklineError: The value of ``hookline`` is damaged, or a newer version wrote it.
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
        metadata = decode(ModelMetadata, upgraded(content, "the ONNX file"))
        validate(metadata)
    except DecodeError as error:
        raise HooklineError(f"the metadata '{KEY}' of the model is damaged ({error})", "export it again") from error
    return metadata


def parse_stride(text: str) -> int:
    """Return the maximum stride from its text, e.g. from the metadata ``stride`` of an ONNX file.

    Args:
        text: A number.

    Raises:
        DecodeError: The text is not a whole number above 0.
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

    A name that is a number becomes text. No expression in the text is evaluated.

    Args:
        text: The names, e.g. from the metadata ``names`` of an ONNX file.

    Raises:
        DecodeError: The text is neither a list nor a dict of names, or too long.
    """
    if len(text) > MAX_NAMES_TEXT:
        raise DecodeError("names", f"{len(text):,} characters, more than {MAX_NAMES_TEXT:,}")
    value = _literal(text)
    if isinstance(value, dict):
        by_id = {_class_id(key): name for key, name in value.items()}
        if sorted(by_id) != list(range(len(value))):
            raise DecodeError("names", f"expected the keys 0, 1, 2, ..., got {shown(text)}")
        value = [by_id[index] for index in range(len(by_id))]
    if not isinstance(value, list | tuple) or not value or not all(_is_name(name) for name in value):
        raise DecodeError("names", f"expected a list or dict of names, got {shown(text)}")
    return tuple(map(str, value))


def _is_name(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, int | float) and not isinstance(value, bool))


def _class_id(key: object) -> int:
    """Return a class id; -1 for a key that is not a class id."""
    text = str(key) if isinstance(key, str | int) and not isinstance(key, bool) else ""
    return int(text) if len(text) <= MAX_NUMBER and text.isascii() and text.isdecimal() else -1


def _literal(text: str) -> object:
    """Return the value of a text in JSON or Python notation."""
    try:
        return parse(text)
    except DecodeError:
        pass
    try:
        value: object = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise DecodeError("names", f"expected a list or dict, got {shown(text)}") from error
    return value
