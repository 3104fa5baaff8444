"""The metadata of an ONNX file: ``stride`` and ``names`` as the ecosystem writes them, and ours as JSON.

``stride`` is the largest stride as text; ``names`` a list or a dict as Python or JSON writes it;
``hookline`` holds facts, input contract and layout, so that a file speaks for itself without a sidecar.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass

from core.artifacts import InputContract, Layout, ModelFacts
from core.errors import HooklineError, shown
from core.serial import DecodeError, decode, encode, parse
from core.validation import validate

KEY = "hookline"


@dataclass(frozen=True)
class ModelMetadata:
    """What an ONNX file of ours says about itself."""

    facts: ModelFacts
    contract: InputContract
    layout: Layout


def to_properties(metadata: ModelMetadata) -> dict[str, str]:
    """As key and value of ``metadata_props``."""
    facts = metadata.facts
    return {
        "stride": str(facts.max_stride),
        "names": str(dict(enumerate(facts.names))),
        KEY: json.dumps(encode(metadata), sort_keys=True),
    }


def from_properties(properties: Mapping[str, str]) -> ModelMetadata | None:
    """The inverse; None where the file is not one of ours.

    Raises:
        HooklineError: The text under ``hookline`` is damaged.
    """
    if KEY not in properties:
        return None
    try:
        metadata: ModelMetadata = decode(ModelMetadata, parse(properties[KEY]))
        validate(metadata)
    except DecodeError as error:
        raise HooklineError(f"the metadata '{KEY}' of the model is damaged ({error})", "export it again") from error
    return metadata


def parse_names(text: str) -> tuple[str, ...]:
    """Class names from the text of a list or of a dict whose keys are 0, 1, 2, ...

    Raises:
        ValueError: Neither.
    """
    try:
        value = json.loads(text)
    except ValueError:
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise ValueError(f"no list or dict: {shown(text)}") from error
    if isinstance(value, dict):
        by_id = {int(key): name for key, name in value.items()}
        if sorted(by_id) != list(range(len(by_id))):
            raise ValueError("the keys are not 0, 1, 2, ...")
        value = [by_id[index] for index in range(len(by_id))]
    if not isinstance(value, list | tuple) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError(f"no list of names: {shown(text)}")
    return tuple(value)
