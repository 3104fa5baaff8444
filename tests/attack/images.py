"""Image files: truncated, damaged, under another name, or with a header that claims more pixels than memory holds."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants, damaged
from tests.support.dataset_tools import write_dataset
from tests.support.guarding import PNG

SUFFIXES = {
    "PNG": ".png",
    "JPEG": ".jpg",
    "BMP": ".bmp",
    "TIFF": ".tiff",
    "WEBP": ".webp",
    "GIF": ".gif",
    "PPM": ".ppm",
}
SIDES = (0, 1, 65_535, 60_000, 1 << 20, (1 << 31) - 1, (1 << 32) - 1)


def _among(content: Callable[[Scene], tuple[bytes, str]]) -> Callable[[Scene], Case]:
    """An image with this content and suffix next to a good one."""

    def make(scene: Scene) -> Case:
        data, suffix = content(scene)
        if scene.chance.random() < 0.3:
            write_dataset(scene.here, {"train": {"good": [(0, 0.5, 0.5, 0.2, 0.2)]}}, names=("class0", "class1"))
            with (scene.here / "data.yaml").open("a") as file:
                file.write("val: images/train\n")
            scene.write(f"images/train/x{suffix}", data)
            stage = scene.chance.choice(
                (
                    ("+stage=dataset",),
                    ("+stage=dataset", "dataset.bad=skip"),
                    ("+stage=evaluate", f"weights={scene.base.engine}", "device=cpu"),
                )
            )
            return Case((*stage, "data=data.yaml"))
        scene.write(f"in/x{suffix}", data)
        scene.write("in/good.png", PNG)
        return _read(scene)

    return make


def _read(scene: Scene) -> Case:
    source = scene.chance.choice(("in", "in", "in/x*"))
    error = scene.chance.choice(("auto", "skip", "stop"))
    if scene.chance.random() < 0.2:
        return Case(
            (
                "+stage=calibrate",
                f"weights={scene.base.onnx}",
                "device=cpu",
                f"calibrate.source={source}",
                f"calibrate.on_error={error}",
            )
        )
    return Case(
        (
            "+stage=predict",
            f"weights={scene.base.engine}",
            "device=cpu",
            f"source={source}",
            f"predict.on_error={error}",
        )
    )


@lru_cache
def _encoded(kind: str, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> bytes:
    target = io.BytesIO()
    Image.effect_noise(size, 60).convert(mode).save(target, kind)
    return target.getvalue()


def _any(scene: Scene) -> tuple[bytes, str]:
    kind = scene.chance.choice(list(SUFFIXES))
    return _encoded(kind), SUFFIXES[kind]


def _wrong_suffix(scene: Scene) -> tuple[bytes, str]:
    content, _ = _any(scene)
    return content, scene.chance.choice((".png", ".jpg", ".JPEG", ".bmp", ".webp", ".tif"))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _png_bomb(scene: Scene) -> tuple[bytes, str]:
    """A header of any size over a few rows, or over all of them where zeros pack well."""
    width, height = scene.chance.choice(SIDES), scene.chance.choice(SIDES)
    depth, colour = scene.chance.choice(((8, 2), (1, 0), (16, 6), (8, 0), (8, 3), (3, 7)))
    if scene.chance.random() < 0.3:
        width = height = 30_000
        depth, colour = 1, 0
        data = zlib.compress(b"\0" * ((width // 8 + 1) * height), 9)
    else:
        data = zlib.compress(b"\0" * 5000)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, scene.chance.choice((0, 1)))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b""), ".png"


def _header_bomb(scene: Scene) -> tuple[bytes, str]:
    """Another format whose header claims 60000 x 60000."""
    side = scene.chance.choice((60_000, 65_500, 20_000))
    kind = scene.chance.choice(("BMP", "TIFF", "WEBP", "GIF", "PPM", "JPEG"))
    content = bytearray(_encoded(kind))
    if kind == "BMP":
        content[18:26] = struct.pack("<ii", side, scene.chance.choice((side, -side)))
    elif kind == "PPM":
        content = bytearray(f"P6\n{side} {side}\n255\n".encode() + b"\0" * 5000)
    elif kind == "GIF":
        content[6:10] = struct.pack("<HH", side, side)
    elif kind == "WEBP":
        place = content.find(b"VP8 ")
        content[place + 14 : place + 18] = struct.pack("<HH", 16383, 16383)
    elif kind == "JPEG":
        place = content.find(b"\xff\xc0")
        content[place + 5 : place + 9] = struct.pack(">HH", side, side)
    else:
        content = bytearray(content.replace(struct.pack("<HHII", 256, 4, 1, 40), struct.pack("<HHII", 256, 4, 1, side)))
        content = bytearray(content.replace(struct.pack("<HHII", 257, 4, 1, 30), struct.pack("<HHII", 257, 4, 1, side)))
        content = bytearray(
            content.replace(struct.pack("<HHIHH", 256, 3, 1, 40, 0), struct.pack("<HHII", 256, 4, 1, side))
        )
        content = bytearray(
            content.replace(struct.pack("<HHIHH", 257, 3, 1, 30, 0), struct.pack("<HHII", 257, 4, 1, side))
        )
    return bytes(content), SUFFIXES[kind]


def _sizes(scene: Scene) -> tuple[bytes, str]:
    """Good images of extreme shapes."""
    size = scene.chance.choice(((1, 1), (1, 60_000), (60_000, 1), (2, 3), (65_500, 2)))
    kind = scene.chance.choice(("PNG", "BMP"))
    return _encoded(kind, "RGB", size), SUFFIXES[kind]


def _modes(scene: Scene) -> tuple[bytes, str]:
    kind, mode = scene.chance.choice(
        (
            ("PNG", "1"),
            ("PNG", "L"),
            ("PNG", "LA"),
            ("PNG", "P"),
            ("PNG", "RGBA"),
            ("PNG", "I"),
            ("TIFF", "F"),
            ("TIFF", "I"),
            ("TIFF", "CMYK"),
            ("TIFF", "LAB"),
            ("JPEG", "CMYK"),
            ("JPEG", "L"),
            ("WEBP", "RGBA"),
            ("TIFF", "1"),
            ("TIFF", "I;16"),
        )
    )
    try:
        return _encoded(kind, mode), SUFFIXES[kind]
    except (ValueError, OSError):
        return _encoded(kind, "L"), SUFFIXES[kind]


def _metadata(scene: Scene) -> tuple[bytes, str]:
    """A JPEG whose EXIF or other segments are odd."""
    content = _encoded("JPEG")
    exif = b"Exif\0\0" + scene.chance.choice((
        b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff" + b"\xff" * 200,
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\x7f\x08\0\0\0\x08\0\0\0", scene.chance.randbytes(500),
    ))  # fmt: skip
    length = scene.chance.choice((len(exif) + 2, 0, 1, 2, 0xFFFF))
    segment = b"\xff" + scene.chance.choice((b"\xe1", b"\xe0", b"\xe2", b"\xfe")) + struct.pack(">H", length) + exif
    return content[:2] + segment * scene.chance.choice((1, 200)) + content[2:], ".jpg"


def _text(scene: Scene) -> tuple[bytes, str]:
    return scene.chance.choice((
        b"", b"\0", b"<svg/>", b"GIF89a", b"RIFF\xff\xff\xff\xffWEBP", b"BM" + b"\xff" * 60, b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8", b"\xff\xd8\xff\xd9", b"II*\0" + b"\xff" * 50, b"P6\n99999999999 99999999999\n255\n",
        b"P5 -1 -1 255\n", b"\0\0\x01\0", b"#?RADIANCE\n\n-Y 60000 +X 60000\n", b"\x76\x2f\x31\x01" + b"\0" * 300,
        b"version https://git-lfs.github.com/spec/v1\n", b"%PDF-1.4", b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 100,
        scene.chance.randbytes(3000), b"Rar!",
    )), scene.chance.choice((".png", ".jpg", ".tif", ".webp", ".bmp"))  # fmt: skip


def _places(scene: Scene) -> Case:
    """Names of images that are no regular files."""
    scene.write("in/good.png", PNG)
    path, what = scene.here / "in" / "x.png", scene.chance.randrange(7)
    if what == 0:
        os.mkfifo(path)
    elif what == 1:
        path.mkdir()
    elif what == 2:
        path.symlink_to("nowhere")
    elif what == 3:
        path.symlink_to(path.name)
    elif what == 4:
        path.symlink_to(scene.chance.choice(("/dev/zero", "/dev/stdin", "/dev/random", "/dev/full", "/dev/null")))
    elif what == 5:
        with path.open("wb") as file:
            file.truncate(20 << 30)
    else:
        path.symlink_to("/proc/self/mem")
    return _read(scene)


VARIANTS: Variants = {
    "truncated": _among(damaged(_any, odd.truncated)),
    "mutated": _among(damaged(_any, odd.mutated)),
    "wrong-suffix": _among(_wrong_suffix),
    "png-bomb": _among(_png_bomb),
    "header-bomb": _among(_header_bomb),
    "sizes": _among(_sizes),
    "modes": _among(_modes),
    "metadata": _among(_metadata),
    "text": _among(_text),
    "places": _places,
}
