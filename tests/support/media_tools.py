"""Small seeded images and videos."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray


def make_picture(height: int = 48, width: int = 64, seed: int = 0) -> NDArray[np.uint8]:
    """Return a random uint8 BGR image."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_pictures(folder: Path, names: Iterable[str], height: int = 48, width: int = 64) -> list[Path]:
    """Write one random image per name; make missing subfolders."""
    paths = [folder / name for name in names]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), make_picture(height, width, seed)):
            raise OSError(path)
    return paths


def half_a_jpeg(height: int = 48, width: int = 64) -> bytes:
    """Return the first half of a JPEG with an end marker: it decodes, and libjpeg reports a premature end."""
    content = bytes(cv2.imencode(".jpg", make_picture(height, width))[1])
    return content[: len(content) // 2] + b"\xff\xd9"


def oriented_jpeg(content: bytes, orientation: int) -> bytes:
    """Return a JPEG file with an EXIF orientation."""
    exif = b"Exif\0\0MM" + struct.pack(">HIHHHIHHI", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]


def oriented_tiff(image: NDArray[np.uint8], orientation: int) -> bytes:
    """A TIFF with this orientation, its directory after the pixels."""
    content = bytes(cv2.imencode(".tif", image)[1])
    (start,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, start)
    entries = [content[start + 2 + 12 * index :][:12] for index in range(count)]
    kept = [entry for entry in entries if entry[:2] != struct.pack("<H", 0x0112)]
    tags = sorted([*kept, struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)], key=lambda entry: entry[1::-1])
    table = struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + table


def level_picture(level: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Return a uniform grey image, which can be distinguished from others after compression."""
    return np.full((height, width, 3), level, np.uint8)


def write_video(path: Path, images: Iterable[NDArray[np.uint8]], fps: int = 10, codec: str = "mpeg4") -> Path:
    """Write a video of the images; the suffix selects the container."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = None
        for image in images:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def write_levels(path: Path, count: int, fps: int = 10) -> Path:
    """Write a video with frame ``i`` in grey of level ``16 + 8 * i``."""
    return write_video(path, (level_picture(min(16 + 8 * index, 255)) for index in range(count)), fps)


def level_of(image: NDArray[np.uint8]) -> int:
    """Return the frame number of an image from :func:`write_levels`."""
    return round((float(image.mean()) - 16) / 8)


def write_textured(path: Path, count: int, codec: str = "mpeg4") -> Path:
    """Write a video with different blurred noise per frame; its packets are large enough to be damaged."""
    images = (cv2.GaussianBlur(make_picture(96, 128, seed), (9, 9), 0) for seed in range(count))
    return write_video(path, images, codec=codec)


def damage_packets(path: Path, numbers: Iterable[int]) -> Path:
    """Overwrite the middle of packets; the decoder conceals the damage and flags the frames."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number in numbers:
        position, size = packets[number]
        begin = position + size // 3
        content[begin : begin + 60] = random.Random(number).randbytes(60)
    path.write_bytes(content)
    return path
