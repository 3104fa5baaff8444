"""Small pictures and videos for tests, seeded."""

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
    """Random uint8 BGR picture."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write_pictures(folder: Path, names: Iterable[str], height: int = 48, width: int = 64) -> list[Path]:
    """One random picture a name, subfolders made where needed."""
    paths = [folder / name for name in names]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), make_picture(height, width, seed)):
            raise OSError(path)
    return paths


def half_a_jpeg(height: int = 48, width: int = 64) -> bytes:
    """The first half of a JPEG with an end mark: it decodes, and libjpeg reports a premature end."""
    content = bytes(cv2.imencode(".jpg", make_picture(height, width))[1])
    return content[: len(content) // 2] + b"\xff\xd9"


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
    """A flat grey picture: survives compression well enough to be told from others."""
    return np.full((height, width, 3), level, np.uint8)


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: int = 10, codec: str = "mpeg4") -> Path:
    """A video of the pictures; the container follows from the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                stream = container.add_stream(codec, rate=Fraction(fps))
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        if stream is not None:
            container.mux(stream.encode(None))
    return path


def write_levels(path: Path, count: int, fps: int = 10) -> Path:
    """A video whose frame ``i`` is grey of level ``16 + 8 * i``."""
    return write_video(path, (level_picture(min(16 + 8 * index, 255)) for index in range(count)), fps)


def level_of(picture: NDArray[np.uint8]) -> int:
    """Which frame of :func:`write_levels` a picture is."""
    return round((float(picture.mean()) - 16) / 8)


def write_textured(path: Path, count: int, codec: str = "mpeg4") -> Path:
    """A video of blurred noise that is another in each frame: its packets are large enough to be damaged."""
    pictures = (cv2.GaussianBlur(make_picture(96, 128, seed), (9, 9), 0) for seed in range(count))
    return write_video(path, pictures, codec=codec)


def damage_packets(path: Path, numbers: Iterable[int]) -> Path:
    """Overwrite the middle of these packets; the decoder conceals it and flags the frames."""
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for number in numbers:
        position, size = packets[number]
        begin = position + size // 3
        content[begin : begin + 60] = random.Random(number).randbytes(60)
    path.write_bytes(content)
    return path
