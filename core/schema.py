"""The schema of the facts that hookline writes into its files: sidecars and the metadata of ONNX files.

:func:`current` converts what an older version wrote, and refuses what only a newer one can read. The safetensors
checkpoints of a model family have a format number of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from core.errors import HooklineError, shown
from core.serial import DecodeError, Json

SCHEMA = 2
"""What this version writes."""
KEY = "schema"
"""Where the number stands. Files without it have schema 1."""
_FIRST_FAMILY = "yolov5"
"""The only family that files of schema 1 can be of; they leave it out of files of other exporters."""
_YOLOV5_INPUT = {"padding": "centre", "offset": 0.0}
"""How files of schema 1 put an image into the input, without saying so."""

Content = dict[str, Json]


def current(content: Mapping[str, Json], title: str) -> Content:
    """Return the content of a file in the schema of this version, without the number.

    Args:
        content: The object in the file.
        title: What messages call the file.

    Raises:
        DecodeError: The number is none.
        HooklineError: A newer hookline wrote the file.
    """
    found = dict(content)
    schema = found.pop(KEY, 1)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise DecodeError(KEY, f"expected a whole number above 0, got {shown(schema)}")
    if schema > SCHEMA:
        raise HooklineError(
            f"{title} was written by a newer hookline (schema {shown(schema)}; this version reads up to {SCHEMA})",
            "update hookline, or make the file again with this version",
        )
    for upgrade in _UPGRADES[schema - 1 :]:
        found = upgrade(found)
    return found


def _name_the_head(content: Content) -> Content:
    """Schema 1 to 2: ``facts.anchors`` becomes ``facts.head``, which belongs to the model family."""
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
    """Schema 1 to 2: ``contract.padding`` and ``contract.offset``, which were those of YOLOv5."""
    contract = content.get("contract")
    if not isinstance(contract, dict):
        return content
    if known := contract.keys() & _YOLOV5_INPUT.keys():
        raise DecodeError(f"contract.{min(known)}", "unknown key")
    return content | {"contract": contract | _YOLOV5_INPUT}


def _to_schema_2(content: Content) -> Content:
    return _complete_the_contract(_name_the_head(content))


_UPGRADES: tuple[Callable[[Content], Content], ...] = (_to_schema_2,)
"""From schema 1 to 2, 2 to 3, ..."""
