"""The schema version of the JSON that describes models: in sidecars and in the metadata of ONNX files.

What an earlier version wrote is converted before it is decoded. A version from a later hookline is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import shown
from core.serial import DecodeError

KEY = "schema"
"""Key of the version. No artifact has a field of this name. Content without it has version 1."""
VERSION = 2


def versioned(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content``, the JSON of a described model, with the current version in front."""
    return {KEY: VERSION, **content}


def converted(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``content`` without its version, as the classes of today name and fill their fields.

    Raises:
        DecodeError: The version is not one that this hookline reads.
    """
    version = content.get(KEY, 1)
    if type(version) is not int or not 1 <= version <= VERSION:
        raise DecodeError(KEY, f"expected a version from 1 to {VERSION}, got {shown(version)}; upgrade hookline")
    found = {key: value for key, value in content.items() if key != KEY}
    if version < 2 and isinstance(contract := found.get("contract"), Mapping):
        found["contract"] = {"padding": "centre", "offset": 0.0, **contract}
    return found
