from __future__ import annotations

import io
import struct
import sys
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from core.media import optional_formats
from core.media.optional_formats import is_heif, missing_part
from core.media.picture import UnreadableError, decode_checked
from tests.support.media_tools import make_picture


def header(*brands: bytes, height: int = 4, width: int = 6) -> bytes:
    """The start of an ISO base media file with an image of this size."""
    content = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", len(content) + 4) + content + struct.pack(">I4sIII", 20, b"ispe", 0, width, height)


@pytest.mark.parametrize(
    ("brands", "heif"),
    [
        ((b"heic", b"mif1", b"heic"), True),
        ((b"mif1", b"heic"), True),
        ((b"avif", b"mif1", b"miaf"), False),
        ((b"mif1", b"avif"), False),
        ((b"isom", b"avc1", b"mp41"), False),
    ],
)
def test_heic_is_recognized_by_its_brands(brands: tuple[bytes, ...], heif: bool) -> None:
    assert is_heif(header(*brands)) is heif


def test_heic_without_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableError, match="it is HEIC; install pillow-heif to read HEIC images: pip install"):
        decode_checked(header(b"heic", b"mif1"))


def package(monkeypatch: pytest.MonkeyPatch, result: Any) -> list[Any]:
    """Install a stand-in for pillow-heif that returns or raises ``result``."""
    opened: list[Any] = []

    def open_heif(file: io.BytesIO, **options: object) -> Any:
        opened.append((file.getvalue(), options))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setitem(sys.modules, "pillow_heif", SimpleNamespace(open_heif=open_heif))
    return opened


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (make_picture(4, 6), make_picture(4, 6)),
        (np.dstack([make_picture(4, 6), np.full((4, 6), 9, np.uint8)]), make_picture(4, 6)),
        (np.full((4, 6), 7, np.uint8), np.full((4, 6, 3), 7, np.uint8)),
        (np.full((4, 6), 7 << 8, np.uint16), np.full((4, 6, 3), 7, np.uint8)),
    ],
)
def test_heic_is_decoded_as_bgr(monkeypatch: pytest.MonkeyPatch, image: Any, expected: Any) -> None:
    opened = package(monkeypatch, image)
    found = decode_checked(header(b"heic", b"mif1"))
    decoded, damage = found.pixels, found.damage
    assert (decoded == expected).all()
    assert (decoded.dtype, decoded.shape, damage) == (np.uint8, (4, 6, 3), "")
    assert opened[0][1]["bgr_mode"]


@pytest.mark.parametrize(
    ("result", "message"),
    [(ValueError("no\nmeta box"), r"pillow-heif cannot decode it \(no meta box\)"), ([], "finds no image in it")],
)
def test_damaged_heic(monkeypatch: pytest.MonkeyPatch, result: Any, message: str) -> None:
    package(monkeypatch, result)
    with pytest.raises(UnreadableError, match=message):
        decode_checked(header(b"heic"))


def test_the_size_of_heic_is_checked_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = package(monkeypatch, make_picture(4, 6))
    with pytest.raises(UnreadableError, match="60000 x 4 = 240,000 pixels"):
        decode_checked(header(b"heic", width=60000), 1000)
    with pytest.raises(UnreadableError, match="not an image, or damaged"):
        decode_checked(header(b"heic")[:24])
    assert not opened


def test_real_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    from PIL import Image

    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32], image[:24, 32:] = (200, 30, 10), (10, 20, 220)  # red, blue
    file = io.BytesIO()
    heif.from_pillow(Image.fromarray(image)).save(file, quality=95)
    found = decode_checked(file.getvalue())
    decoded, damage = found.pixels, found.damage
    assert damage == ""
    assert np.abs(decoded[:, :, ::-1].astype(int) - image).mean() < 4
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableError, match="it is HEIC"):
        decode_checked(file.getvalue())


@pytest.mark.parametrize(("suffix", "name"), [("avif", "AVIF"), ("jp2", "JPEG 2000"), ("gif", "GIF")])
def test_a_format_that_the_installed_opencv_lacks_is_named(
    suffix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not cv2.haveImageWriter(f".{suffix}"):
        pytest.skip(f"this OpenCV does not write {suffix}")
    content = cv2.imencode(f".{suffix}", make_picture())[1].tobytes()
    assert missing_part(content) == ""
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    with pytest.raises(UnreadableError, match="not an image, or damaged"):
        decode_checked(content)
    monkeypatch.setattr(optional_formats.cv2, "haveImageWriter", lambda _: False)
    with pytest.raises(UnreadableError, match=f"the installed OpenCV {cv2.__version__} was built without {name}"):
        decode_checked(content)
