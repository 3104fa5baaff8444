"""Odd values, texts and bytes that every kind of input draws from."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.support.hostile_names import text

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 255, 256, 65536, 65537, 2**31, 2**63, 2**64, -(2**63), 10**30, 10**400, 0.0, -0.0, 0.5, -0.5, 1e-300,
    1e300,
    1e308, float("inf"), float("-inf"), float("nan"), 1e-45, 3.5,
)  # fmt: skip
PLAIN: tuple[Any, ...] = (
    None,
    True,
    False,
    "",
    "a",
    "0",
    "1e9999",
    [],
    {},
    [[]],
    [{}],
    {"a": []},
    [None],
    "\0",
    "\ud800",
)


def number(chance: random.Random) -> Any:
    """Return a number that few programs expect."""
    return chance.choice(NUMBERS)


def value(chance: random.Random, depth: int = 2) -> Any:
    """Return a value of any JSON type, NaN and infinities among the numbers."""
    what = chance.randrange(8)
    if what < 3:
        return number(chance)
    if what < 5:
        return chance.choice(PLAIN)
    if what == 5:
        return words(chance)
    if not depth:
        return chance.choice(("x" * 5000, list(range(2000)), nested(200)))
    if what == 6:
        return [value(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    return {words(chance)[:20]: value(chance, depth - 1) for _ in range(chance.randint(0, 4))}


def words(chance: random.Random) -> str:
    """Return a text: a hostile name, a long one, or one of signs."""
    what = chance.randrange(6)
    if what == 0:
        return "x" * chance.choice((300, 5000, 200_000))
    if what == 1:
        return "".join(chr(chance.choice((0x1B, 0x202E, 0x7F, 0x85, 0x2028, 0x1F600, 0xFFFF, 10))) for _ in range(9))
    return text(chance)


def nested(depth: int, opening: str = "[", closing: str = "]") -> Any:
    """Return lists in lists."""
    found: Any = 0
    for _ in range(depth):
        found = [found] if opening == "[" else {"a": found}
    return found


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return ``content`` with a few random faults: bytes changed, ranges cut out, doubled or moved."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        begin = chance.randrange(len(data))
        end = min(len(data), begin + chance.choice((1, 1, 4, 16, 300)))
        what = chance.randrange(5)
        if what == 0:
            data[begin:end] = chance.randbytes(end - begin)
        elif what == 1:
            del data[begin:end]
        elif what == 2:
            data[begin:begin] = data[begin:end] * chance.choice((1, 3, 50))
        elif what == 3:
            data[begin] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        else:
            data[begin:end] = chance.choice((b"\xff" * 8, b"\0" * 8, b"2147483648", b"-1", b"1e999", b"nan", b"\n"))
    return bytes(data)


def truncated(content: bytes, chance: random.Random) -> bytes:
    """Return the beginning of ``content``."""
    return content[
        : chance.choice((0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1, chance.randrange(len(content))))
    ]


def edited(content: Any, chance: random.Random) -> Any:
    """Return a JSON value in which one place, anywhere inside, has another value."""
    if isinstance(content, dict) and content and chance.random() < 0.9:
        key = chance.choice(sorted(content))
        if chance.random() < 0.05:
            return {name: item for name, item in content.items() if name != key}
        if chance.random() < 0.05:
            return {**content, words(chance)[:300]: value(chance)}
        return {**content, key: edited(content[key], chance)}
    if isinstance(content, list) and content and chance.random() < 0.8:
        place = chance.randrange(len(content))
        if chance.random() < 0.1:
            return content * chance.choice((0, 2, 1000))
        return [*content[:place], edited(content[place], chance), *content[place + 1 :]]
    return value(chance)


def as_json(content: Any) -> str:
    """Return JSON, with NaN, infinities and lone surrogates as Python writes them."""
    return json.dumps(content)
