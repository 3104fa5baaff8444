"""Checkpoints ``.safetensors``: headers of absurd lengths, shapes, offsets and dtypes, and odd metadata."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants, load

DTYPES = ("F16", "BF16", "F32", "F64", "I8", "I64", "U8", "BOOL", "F8_E4M3", "F4", "C64", "X", "", 5, None)
SHAPES = ([], [0], [-1], [2**40], [2**62, 2], [2**63], [1] * 200, [1.5], ["1"], "x", None, [[1]], [10**30], [0, 2**60])


def _file(content: Callable[[Scene], bytes]) -> Callable[[Scene], Case]:
    return lambda scene: load(scene.write("x.safetensors", content(scene)))


def _split(scene: Scene) -> tuple[dict[str, Any], bytes]:
    """The header and the data of a good file."""
    content = scene.base.weights.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _joined(header: str | bytes | dict[str, Any], data: bytes, length: int | None = None) -> bytes:
    text = odd.as_json(header) if isinstance(header, dict) else header
    encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded) if length is None else length) + encoded + data


def _length(scene: Scene) -> bytes:
    header, data = _split(scene)
    return _joined(header, data, scene.chance.choice((0, 1, 2, 2**31, 2**32, 2**63, 2**64 - 1, 100_000_001, len(data))))


def _tensor(scene: Scene) -> bytes:
    """One tensor with another dtype, shape or place."""
    header, data = _split(scene)
    name = scene.chance.choice([key for key in header if key != "__metadata__"])
    entry, what = dict(header[name]), scene.chance.randrange(5)
    if what == 0:
        entry["dtype"] = scene.chance.choice(DTYPES)
    elif what == 1:
        entry["shape"] = scene.chance.choice(SHAPES)
    elif what == 2:
        entry["data_offsets"] = scene.chance.choice(
            ([0, 0], [5, 1], [0, 2**63], [-1, 5], [0], "x", [0, len(data)], [2**64, 2**64])
        )
    elif what == 3:
        entry[odd.words(scene.chance)[:100]] = odd.value(scene.chance)
    else:
        entry = odd.value(scene.chance)
    return _joined({**header, name: entry}, data)


def _tensor_of_other_shape(scene: Scene) -> bytes:
    """A valid file whose tensors do not fit the network: a shape is turned, flattened or a name is another one."""
    header, data = _split(scene)
    for name in scene.chance.sample([key for key in header if key != "__metadata__"], 3):
        what = scene.chance.randrange(3)
        if what == 0:
            header[name]["shape"] = header[name]["shape"][::-1]
        elif what == 1:
            size = 1
            for side in header[name]["shape"]:
                size *= side
            header[name]["shape"] = [size]
        else:
            header[odd.words(scene.chance)[:200] + name] = header.pop(name)
    return _joined(header, data)


def _values(scene: Scene) -> bytes:
    """Weights of NaN, infinities or noise."""
    header, data = _split(scene)
    fill = scene.chance.choice((b"\xff", b"\x00", b"\x7f", b"\x80", None))
    size = len(data)
    return _joined(header, scene.chance.randbytes(size) if fill is None else fill * size)


def _metadata(scene: Scene) -> bytes:
    """One place in the facts has another value."""
    header, data = _split(scene)
    meta = dict(header["__metadata__"])
    key = scene.chance.choice(sorted(meta))
    try:
        content = json.loads(meta[key])
    except ValueError:
        content = meta[key]
    for _ in range(scene.chance.choice((1, 1, 2))):
        content = odd.edited(content, scene.chance)
    return _joined({**header, "__metadata__": {**meta, key: odd.as_json(content)}}, data)


def _counts(scene: Scene) -> bytes:
    """Facts that ask for a network of absurd size."""
    header, data = _split(scene)
    for key, value in dict(header["__metadata__"]).items():
        try:
            content = json.loads(value)
        except ValueError:
            continue
        header["__metadata__"][key] = odd.as_json(_with_number(content, scene))
    return _joined(header, data)


def _with_number(content: Any, scene: Scene) -> Any:
    """``content`` with one of its numbers another one."""
    places: list[tuple[Any, Any]] = []

    def collect(inner: Any) -> None:
        for key, value in inner.items() if isinstance(inner, dict) else enumerate(inner):
            if isinstance(value, dict | list):
                collect(value)
            elif isinstance(value, int | float):
                places.append((inner, key))

    if isinstance(content, dict | list):
        collect(content)
    if places:
        inner, key = scene.chance.choice(places)
        inner[key] = odd.number(scene.chance)
    return content


def _metadata_as_a_whole(scene: Scene) -> bytes:
    header, data = _split(scene)
    whole = scene.chance.choice((
        {}, None, [], "x", {"a": 5}, {"format": "pt"}, dict.fromkeys(header["__metadata__"], ""),
        dict.fromkeys(header["__metadata__"], "null"),
        dict.fromkeys(header["__metadata__"], "[" * 100000), dict.fromkeys(header["__metadata__"], "9" * 10000),
        dict.fromkeys(header["__metadata__"], '{"a": ' * 900 + "1" + "}" * 900),
        {f"k{number}": "x" for number in range(50_000)},
    ))  # fmt: skip
    return _joined({**header, "__metadata__": whole}, data)


def _header(scene: Scene) -> bytes:
    data = b"\0" * 64
    return _joined(scene.chance.choice((
        b"", b"{", b"{}", b"[]", b"null", b"5", b'{"a": 1}', b"\xff",
        b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},' * 2 + b"}",
        b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]},"b":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}',
        b'{"a":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}', b"[" * 100_000, b" " * 5_000_000 + b"{}",
        b'{"\\ud800":{"dtype":"F32","shape":[16],"data_offsets":[0,64]}}',
        json.dumps({f"t{number}": {"dtype": "F32", "shape": [0],
            "data_offsets": [0, 0]} for number in range(100_000)}).encode(),
    )), data)  # fmt: skip


VARIANTS: Variants = {
    "length": _file(_length),
    "tensor": _file(_tensor),
    "other-shape": _file(_tensor_of_other_shape),
    "values": _file(_values),
    "metadata": _file(_metadata),
    "counts": _file(_counts),
    "metadata-as-a-whole": _file(_metadata_as_a_whole),
    "header": _file(_header),
    "truncated": _file(lambda scene: odd.truncated(scene.base.weights.read_bytes(), scene.chance)),
    "mutated": _file(
        lambda scene: (
            odd.mutated(scene.base.weights.read_bytes()[:4000], scene.chance) + scene.base.weights.read_bytes()[4000:]
        )
    ),
}
