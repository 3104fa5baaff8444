from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from core.media.native_output import PADDING, damage_in, from_decoder
from core.media.picture import UnreadableError, decode_checked, read_checked
from core.media.reader import read_frames
from core.media.source import list_source
from core.media.tolerance import Tolerance
from tests.support.media_tools import make_picture

IMAGE = cv2.GaussianBlur(make_picture(120, 160), (9, 9), 0)
SILENT_TIFF = int(cv2.__version__.split(".")[0]) < 5
"""OpenCV 4 does not report the errors of libtiff."""
END = {".jpg": b"\xff\xd9", ".png": b"\0\0\0\0IEND\xaeB`\x82"}
OPTIONS = {".webp": [cv2.IMWRITE_WEBP_QUALITY, 101]}


def encoded(suffix: str) -> bytes:
    return bytes(cv2.imencode(suffix, IMAGE, OPTIONS.get(suffix, []))[1])


def halved(suffix: str) -> bytes:
    """The first half, with the mark of an end."""
    content = encoded(suffix)
    return content[: len(content) // 2] + END.get(suffix, b"")


def zeroed(suffix: str) -> bytes:
    content = bytearray(encoded(suffix))
    begin, count = len(content) // 2, len(content) // 5
    content[begin : begin + count] = bytes(count)
    return bytes(content)


def tiff(content: bytes) -> bytes:
    """A TIFF with one deflated strip of the bytes ``content``."""
    entries = [(256, 3, 16), (257, 3, 16), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (278, 3, 16)]
    entries += [(279, 4, len(content)), (33000, 3, 1)]  # the last is a tag of nobody
    offset = 8 + len(content) + len(content) % 2
    table = b"".join(
        struct.pack("<HHI", tag, kind, 1) + (struct.pack("<HH", value, 0) if kind == 3 else struct.pack("<I", value))
        for tag, kind, value in entries
    )
    padded = content + bytes(len(content) % 2)
    return b"II*\0" + struct.pack("<I", offset) + padded + struct.pack("<H", len(entries)) + table + bytes(4)


OPENCV_EXCEPTION = (
    "[ERROR:0@0.4] global loadsave.cpp:1390 imdecode_ imdecode_(''): can't read data: OpenCV(5.0.0) "
    "/io/bitstrm.cpp:59: error: (-2:Unspecified error) Unexpected end of input stream in function 'readBlock'"
)
STRIP = zlib.compress(bytes(range(256)))


def test_good_images_are_not_damaged() -> None:
    for suffix in (".jpg", ".png", ".webp", ".tif", ".bmp", ".ppm"):
        assert decode_checked(encoded(suffix)).damage == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (halved(".jpg"), "Corrupt JPEG data: premature end of data segment"),
        (zeroed(".jpg"), "Corrupt JPEG data: premature end of data segment"),
        pytest.param(
            *(tiff(STRIP[:-4] + b"abcd"), "ZIPDecode: Decoding error"),
            marks=pytest.mark.skipif(SILENT_TIFF, reason="OpenCV 4 does not report it"),
        ),
    ],
    ids=["half a JPEG", "zeros in a JPEG", "strip of a TIFF"],
)
def test_damaged_images_that_decode_are_flagged(content: bytes, reason: str) -> None:
    decoded = decode_checked(content)
    picture, damage = decoded.pixels, decoded.damage
    assert picture.dtype == np.uint8
    assert damage.startswith(reason)


@pytest.mark.parametrize("content", [halved(".png"), zeroed(".png"), halved(".webp"), halved(".tif"), halved(".bmp")])
def test_undecodable_images_are_unreadable_with_the_decoders_reason(content: bytes, capfd) -> None:
    with pytest.raises(UnreadableError, match="not an image, or damaged"):
        decode_checked(content)
    assert capfd.readouterr().err == ""


def test_a_wrong_checksum_in_a_png_is_named() -> None:
    content = bytearray(encoded(".png"))
    content[-14] ^= 0xFF  # the checksum of the last IDAT
    with pytest.raises(UnreadableError, match="IDAT: CRC error"):
        decode_checked(bytes(content))


def test_an_unknown_tag_is_not_damage(capfd) -> None:
    assert decode_checked(tiff(STRIP)).damage == ""
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_random_damage_never_reaches_the_terminal_and_never_is_another_error(suffix: str, capfd) -> None:
    content, damaged = encoded(suffix), 0
    for seed in range(60):
        draw, broken = random.Random(seed), bytearray(content)
        for _ in range(draw.randint(1, 8)):
            broken[draw.randrange(len(broken))] ^= draw.randrange(1, 256)
        try:
            damaged += bool(decode_checked(bytes(broken)).damage)
        except UnreadableError:
            damaged += 1
    assert capfd.readouterr().err == ""
    assert damaged >= {".jpg": 35, ".png": 60, ".webp": 1, ".tif": 1 if SILENT_TIFF else 25}[suffix]


def test_threads_attribute_damage_exactly() -> None:
    good, bad = encoded(".jpg"), halved(".jpg")
    expected = [index % 3 == 0 for index in range(150)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda is_bad: decode_checked(bad if is_bad else good).damage != "", expected))
    assert found == expected


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_loader_attribute_damage_too(tmp_path: Path, repo_root: Path, method: str) -> None:
    for index in range(12):
        (tmp_path / f"{index}.jpg").write_bytes(halved(".jpg") if index % 4 == 0 else encoded(".jpg"))
    script = tmp_path / "load.py"
    script.write_text(f"""
import sys
from pathlib import Path
from torch.utils.data import DataLoader
from core.media.picture import read_checked

class Pictures:
    def __len__(self): return 12
    def __getitem__(self, index): return bool(read_checked(Path(sys.argv[1]) / f"{{index}}.jpg").damage)

if __name__ == "__main__":
    loader = DataLoader(Pictures(), batch_size=None, num_workers=2, multiprocessing_context="{method}")
    print([index for index, bad in enumerate(loader) if bad])
""")
    done = subprocess.run(
        [sys.executable, script, tmp_path], cwd=repo_root, capture_output=True, check=True, timeout=120,
        env={"PYTHONPATH": str(repo_root), "PATH": ""},
    )  # fmt: skip
    assert done.stdout.decode().strip() == "[0, 4, 8]"
    assert done.stderr.decode() == ""


def test_frames_are_flagged_counted_and_named_once(tmp_path: Path) -> None:
    for name, content in (("a", encoded(".jpg")), ("b", halved(".jpg"))):
        (tmp_path / f"{name}.jpg").write_bytes(content)
    heard: list[str] = []
    tolerance = Tolerance(2, heard.append)
    frames = list(read_frames(list_source(str(tmp_path)), tolerance))
    assert [bool(frame.damaged) for frame in frames] == [False, True]
    assert tolerance.damaged == {"b.jpg": frames[1].damaged}
    assert heard == [f"'b.jpg' is damaged: {frames[1].damaged}"]
    assert read_checked(tmp_path / "b.jpg").damage == frames[1].damaged


@pytest.mark.parametrize(
    "line",
    [
        "libpng warning: iCCP: known incorrect sRGB profile",
        "libpng warning: tEXt: CRC error",
        "Invalid SOS parameters for sequential JPEG",
        f"Corrupt JPEG data: {PADDING} extraneous bytes before marker 0xd9",
        "[ WARN:0@0.4] global grfmt_tiff.cpp:123 TIFF_Warning TIFFReadDirectory: Unknown field with tag 33550 (0x830e)",
        "[ INFO:0@0.4] global plugin_loader.cpp:67 getPluginCandidates found",
        "Warning: unknown JFIF revision number 2.01",
    ],
)
def test_benign_remarks_are_swallowed_but_no_damage(line: str) -> None:
    assert from_decoder(line)
    assert damage_in([line]) == ""


@pytest.mark.parametrize(
    ("line", "damage"),
    [
        ("libpng warning: IDAT: incorrect data check", "libpng warning: IDAT: incorrect data check"),
        ("Corrupt JPEG data: 8 extraneous bytes before marker 0xd9", "Corrupt JPEG data: 8 extraneous bytes"),
        ("Corrupt JPEG data: bad Huffman code", "Corrupt JPEG data: bad Huffman code"),
        ("[ WARN:0@9.1] global grfmt_tiff.cpp:123 TIFF_Warning JPEGLib: Premature end of JPEG file", "Premature end"),
        (
            OPENCV_EXCEPTION,
            "Unexpected end of input stream",
        ),
    ],
)
def test_damage_is_named_in_the_words_of_the_library(line: str, damage: str) -> None:
    assert from_decoder(line)
    assert damage_in(["libpng warning: iCCP: odd", line]).startswith(damage)


@pytest.mark.parametrize("line", ["UserWarning: something", "Traceback (most recent call last):", "  File 'x.py'"])
def test_lines_of_others_are_recognised(line: str) -> None:
    assert not from_decoder(line)
