"""Write pickles opcode by opcode that ``pickle.dumps`` would never write, and the zip files that contain them."""

from __future__ import annotations

import io
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping

HEAD, STOP = b"\x80\x02", b"."
EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, MARK, TUPLE, REDUCE, BUILD = b")", b"]", b"}", b"(", b"t", b"R", b"b"
SETITEMS, APPENDS, NONE = b"u", b"e", b"N"


def name(module: str, attribute: str) -> bytes:
    """The object of a name (GLOBAL)."""
    return b"c" + f"{module}\n{attribute}\n".encode()


def text(content: str) -> bytes:
    """A text (BINUNICODE)."""
    encoded = content.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def plain(content: object) -> bytes:
    """A value as ``pickle.dumps`` writes it, without its head and stop."""
    return pickle.dumps(content, 2)[2:-1]


def call(function: bytes, *arguments: bytes) -> bytes:
    """A call of what ``function`` gives."""
    return function + MARK + b"".join(arguments) + TUPLE + REDUCE


def mapping(items: Mapping[str, bytes]) -> bytes:
    """A dict whose values are opcodes."""
    return EMPTY_DICT + MARK + b"".join(text(key) + item for key, item in items.items()) + SETITEMS


def put(index: int) -> bytes:
    """Remember the top of the stack (LONG_BINPUT)."""
    return b"r" + struct.pack("<I", index)


def get(index: int) -> bytes:
    """Push what was remembered (LONG_BINGET)."""
    return b"j" + struct.pack("<I", index)


def storage(key: str = "0", elements: int = 4, kind: str = "FloatStorage") -> bytes:
    """The storage ``data/<key>`` of the file."""
    parts = (text("storage"), name("torch", kind), text(key), text("cpu"), plain(elements))
    return MARK + b"".join(parts) + TUPLE + b"Q"


def tensor(
    size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,), offset: int = 0, store: bytes | None = None
) -> bytes:
    """A tensor as PyTorch writes it."""
    parts = (store or storage(), plain(offset), plain(size), plain(stride), plain(False))
    return call(name("torch._utils", "_rebuild_tensor_v2"), *parts, call(name("collections", "OrderedDict")))


def laughs(levels: int, width: int = 10) -> bytes:
    """A list of references to a list of references ...: ``width ** levels`` items in a few bytes."""
    made = plain(["ha"]) + put(1000)
    for level in range(levels):
        made += b"0" + EMPTY_LIST + MARK + get(1000 + level) * width + APPENDS + put(1001 + level)
    return made


def zipped(
    content: bytes, members: Mapping[str, bytes] | None = None, *, packed: bool = False, top: str = "archive"
) -> bytes:
    """A file like a checkpoint, with ``content`` as its pickle and four floats as its storage ``0``."""
    target = io.BytesIO()
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as file,
    ):
        warnings.simplefilter("ignore")  # two entries of one name are meant
        file.writestr(f"{top}/data.pkl", content)
        for member, data in {"data/0": b"\0" * 16, "version": b"3\n", **(members or {})}.items():
            file.writestr(f"{top}/{member}", data)
    return target.getvalue()


def checkpoint(model: bytes, **members: bytes) -> bytes:
    """A file whose ``model`` is what the opcodes give."""
    return zipped(HEAD + mapping({"epoch": plain(-1), "model": model, "ema": NONE}) + STOP, members)
