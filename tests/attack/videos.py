"""Video files: truncated, damaged, without frames, with absurd headers, or none at all."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants, damaged
from tests.support.media_tools import damage_packets, write_levels, write_textured

SUFFIXES = (".mp4", ".avi", ".mkv")


def _file(content: Callable[[Scene], tuple[bytes, str]]) -> Callable[[Scene], Case]:
    def make(scene: Scene) -> Case:
        data, suffix = content(scene)
        scene.write(f"in/x{suffix}", data)
        return _read(scene, f"in/x{suffix}")

    return make


def _read(scene: Scene, source: str) -> Case:
    source = scene.chance.choice((source, "in"))
    error = scene.chance.choice(("auto", "skip", "stop"))
    what = scene.chance.randrange(4)
    if what == 0:
        return Case(
            ("+stage=frames", f"frames.source={source}", "frames.every=1", f"frames.on_error={error}"), patience=20
        )
    if what == 1:
        return Case(
            (
                "+stage=calibrate",
                f"weights={scene.base.onnx}",
                "device=cpu",
                f"calibrate.source={source}",
                "calibrate.pictures=4",
            ),
            patience=20,
        )
    return Case(
        (
            "+stage=predict",
            f"weights={scene.base.engine}",
            "device=cpu",
            f"source={source}",
            f"predict.on_error={error}",
        ),
        patience=20,
    )


@lru_cache
def _made(folder: Path, suffix: str, frames: int = 6) -> bytes:
    path = folder / f"made{frames}{suffix}"
    content = write_levels(path, frames).read_bytes()
    path.unlink()
    return content


def _any(scene: Scene) -> tuple[bytes, str]:
    suffix = scene.chance.choice(SUFFIXES)
    return _made(scene.here.parent / "tmp", suffix), suffix


def _wrong_suffix(scene: Scene) -> tuple[bytes, str]:
    content, _ = _any(scene)
    return content, scene.chance.choice((".mp4", ".mov", ".webm", ".avi", ".mkv", ".MP4", ".m4v"))


def _headers(scene: Scene) -> tuple[bytes, str]:
    """Sizes, times and counts in the headers are absurd; the names of the fields tell which."""
    suffix = scene.chance.choice((".mp4", ".avi"))
    content = bytearray(_made(scene.here.parent / "tmp", suffix))
    marks = (
        (b"tkhd", b"mvhd", b"mdhd", b"stts", b"stsz", b"stco", b"stsc", b"avc1", b"mp4v", b"avcC")
        if suffix == ".mp4"
        else (b"avih", b"strh", b"strf", b"idx1", b"movi", b"LIST")
    )
    mark = scene.chance.choice(marks)
    place = content.find(mark)
    if place >= 0:
        place += scene.chance.choice((-4, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40))
        content[place : place + 4] = struct.pack(
            ">I", scene.chance.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 60_000, 0x00FF00FF))
        )
    return bytes(content), suffix


def _damaged(scene: Scene) -> Case:
    """Frames in the middle are damaged: the decoder conceals it."""
    (scene.here / "in").mkdir()
    path = write_textured(scene.here / "in" / "x.mp4", 8)
    damage_packets(path, scene.chance.sample(range(1, 8), scene.chance.choice((1, 3, 7))))
    return _read(scene, "in/x.mp4")


def _frames(scene: Scene) -> tuple[bytes, str]:
    suffix = scene.chance.choice(SUFFIXES)
    return _made(scene.here.parent / "tmp", suffix, scene.chance.choice((1, 2))), suffix


def _text(scene: Scene) -> tuple[bytes, str]:
    return scene.chance.choice((
        b"", b"\0" * 100, b"RIFF\xff\xff\xff\xffAVI LIST", b"\0\0\0\x18ftypmp42", b"\0\0\0\x01ftyp" + b"\xff" * 8,
        b"\x1aE\xdf\xa3" + b"\xff" * 50, b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", b"#EXTM3U\nhttp://127.0.0.1:9/x.ts\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n", b"ffconcat version 1.0\nfile x.mp4\n", b"<html>",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", b"G" * 188 * 50, b"FLV\x01\x05\0\0\0\x09",
        scene.chance.randbytes(5000), b"\0\0\0\x08moov" * 5000, b"\xff" * 5000,
        b"[playlist]\nFile1=/etc/passwd\n", b"GIF89a", b"%PDF", b"\0\0\0\0mdat", b"\0\0\0\x10moov\0\0\0\x08trak",
    )), scene.chance.choice((".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v"))  # fmt: skip


def _places(scene: Scene) -> Case:
    (scene.here / "in").mkdir()
    path, what = scene.here / "in" / "x.mp4", scene.chance.randrange(6)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.mkdir()
    elif what == 2:
        path.symlink_to("nowhere")
    elif what == 3:
        path.symlink_to(scene.chance.choice(("/dev/zero", "/dev/random", "/dev/stdin", "/dev/full")))
    elif what == 4:
        with path.open("wb") as file:
            file.truncate(1 << 30)  # more takes long to hash, which is not a fault
    else:
        path.symlink_to(path.name)
    return _read(scene, "in/x.mp4")


VARIANTS: Variants = {
    "truncated": _file(damaged(_any, odd.truncated)),
    "mutated": _file(damaged(_any, odd.mutated)),
    "wrong-suffix": _file(_wrong_suffix),
    "headers": _file(_headers),
    "damaged": _damaged,
    "frames": _file(_frames),
    "text": _file(_text),
    "places": _places,
}
