from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.dataset.file_format import SUFFIXES, format_of, is_misnamed, layout_of


def encoded(mode: str, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (16, 12), 7 if mode in {"L", "P", "1"} else None).save(file, form, **options)
    return file.getvalue()


def gray_jpeg() -> bytes:
    return cv2.imencode(".jpg", np.zeros((12, 16), np.uint8))[1].tobytes()


def four_channels(transform: int) -> bytes:
    """A CMYK JPEG with the color transform of its Adobe segment changed."""
    content = encoded("CMYK", "JPEG")
    place = content.index(b"Adobe") + 11
    return content[:place] + bytes([transform]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("content", "form", "layout"),
    [
        (encoded("RGB", "JPEG"), "JPEG", ""),
        (gray_jpeg(), "JPEG", "grayscale"),
        (four_channels(0), "JPEG", "CMYK"),
        (four_channels(2), "JPEG", "YCCK"),
        (encoded("RGB", "PNG"), "PNG", ""),
        (encoded("L", "PNG"), "PNG", "grayscale"),
        (encoded("LA", "PNG"), "PNG", "grayscale with alpha"),
        (encoded("P", "PNG"), "PNG", "palette"),
        (encoded("RGBA", "PNG"), "PNG", "RGBA"),
        (encoded("RGB", "BMP"), "BMP", ""),
        (encoded("P", "BMP"), "BMP", "palette"),
        (encoded("RGB", "WEBP"), "WebP", ""),
        (encoded("RGBA", "WEBP", lossless=True), "WebP", "RGBA"),
        (encoded("RGB", "TIFF"), "TIFF", ""),
        (encoded("L", "TIFF"), "TIFF", "grayscale"),
        (encoded("P", "TIFF"), "TIFF", "palette"),
        (encoded("CMYK", "TIFF"), "TIFF", "CMYK"),
        (encoded("RGBA", "TIFF"), "TIFF", "RGBA"),
        (encoded("RGB", "PPM"), "Netpbm", ""),
        (encoded("L", "PPM"), "Netpbm", "grayscale"),
        (encoded("1", "PPM"), "Netpbm", "bilevel"),
        (encoded("P", "GIF"), "GIF", ""),
        (b"something else", "", ""),
        (b"", "", ""),
        (b"\xff\xd8\xff", "JPEG", ""),
        (b"II*\0" + struct.pack("<I", 9999), "TIFF", ""),
    ],
)
def test_format_and_layout(content: bytes, form: str, layout: str) -> None:
    assert (format_of(content), layout_of(content)) == (form, layout)


def test_suffixes() -> None:
    assert is_misnamed(Path("a.jpg"), "PNG")
    assert is_misnamed(Path("a.PNG"), "JPEG")
    assert not any(
        is_misnamed(Path(f"a{suffix.upper()}"), form) for form, found in SUFFIXES.items() for suffix in found
    )
    assert not is_misnamed(Path("a.jpg"), "")
    assert not is_misnamed(Path("a.xyz"), "PNG")
