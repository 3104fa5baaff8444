"""Alpha channels, more than 8 bits per channel, and that nothing changes for other images."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.media.picture import DecodedImage, UnreadableError, decode_checked
from core.media.pixel_format import PLAIN, pixel_format
from core.media.pixel_notes import PixelNotes
from core.media.pixels import upright
from core.media.reader import read_images
from core.media.tolerance import Tolerance
from tests.support.media_tools import oriented_tiff

HEIGHT, WIDTH = 40, 50
CHANCE = np.random.default_rng(0)
COLOURS = CHANCE.integers(0, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)  # blue, green, red, alpha
COLOURS[0, :3, 3] = (0, 128, 255)
RAMP = (np.arange(HEIGHT * WIDTH, dtype=np.uint16) % 600).reshape(HEIGHT, WIDTH)


def encoded(suffix: str, image: NDArray[Any], *options: int) -> bytes:
    done, content = cv2.imencode(suffix, image, options)
    assert done
    return content.tobytes()


def saved(kind: str, image: NDArray[Any], mode: str = "", **options: Any) -> bytes:
    """Encode BGRA, BGR or gray with Pillow, which writes more kinds of alpha."""
    order = {4: [2, 1, 0, 3], 3: [2, 1, 0]}.get(image.shape[2] if image.ndim == 3 else 1)
    file, made = io.BytesIO(), Image.fromarray(image[..., order] if order else image)
    (made.convert(mode) if mode else made).save(file, kind, **options)
    return file.getvalue()


def tiff(image: NDArray[Any], extra: int | None = None) -> bytes:
    """An uncompressed TIFF of any type; ``extra``: meaning of the channel after the colours."""
    height, width = image.shape[:2]
    channels = image.shape[2] if image.ndim == 3 else 1
    data, bits = image.tobytes(), 8 * image.dtype.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[image.dtype.kind]
    tags: dict[int, list[int]] = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [2 if channels >= 3 else 1], 273: [8],
        277: [channels], 278: [height], 279: [len(data)], 339: [kind] * channels,
    }  # fmt: skip
    if extra is not None:
        tags[338] = [extra]
    start = 8 + len(data)
    table, arrays = struct.pack("<H", len(tags)), b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *values)
        if len(values) > 1:
            place = start + 2 + 12 * len(tags) + 4 + len(arrays)
            arrays, packed = arrays + packed, struct.pack("<I", place)
        table += struct.pack("<HHI", tag, 4, len(values)) + packed
    return b"II*\0" + struct.pack("<I", start) + data + table + bytes(4) + arrays


def over_gray(image: NDArray[Any]) -> NDArray[Any]:
    alpha = image[..., 3:].astype(np.float64) / 255
    return np.floor(image[..., :3] * alpha + 114 * (1 - alpha) + 0.5)


def close(found: NDArray[Any], expected: NDArray[Any], by: int = 1) -> None:
    assert found.dtype == np.uint8
    assert found.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(found.astype(int) - expected).max() <= by


# --- 8 bits ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif", "gif", "pgm", "ppm", "jp2", "avif", "pam"])
def test_images_of_eight_bits_are_those_of_opencv(suffix: str, channels: int) -> None:
    image = COLOURS[..., 0] if channels == 1 else COLOURS[..., :3]
    if (channels, suffix) in {(1, "webp"), (1, "gif"), (1, "ppm"), (3, "pgm"), (1, "avif")}:
        pytest.skip("the format has other channels")
    content = encoded(f".{suffix}", np.ascontiguousarray(image))
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    decoded = decode_checked(content)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert (decoded.depth, decoded.alpha) == (None, "")


@pytest.mark.parametrize(
    "content",
    [saved("PNG", COLOURS[..., :3], "P"), saved("PNG", COLOURS[..., 0], "1"), saved("TIFF", COLOURS[..., :3], "CMYK"),
     saved("TIFF", COLOURS[..., 0], "1"), saved("TIFF", COLOURS[..., :3], "P"), saved("BMP", COLOURS)],
    ids=["palette", "one bit", "CMYK", "one bit tiff", "palette tiff", "bmp of 32 bits"],
)  # fmt: skip
def test_rare_kinds_of_eight_bits_are_those_of_opencv(content: bytes) -> None:
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    decoded = decode_checked(content)
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert (decoded.depth, decoded.alpha) == (None, "")


def test_a_jpeg_takes_the_direct_way() -> None:
    assert pixel_format(encoded(".jpg", COLOURS[..., :3])) is PLAIN


# --- alpha -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "image"),
    [
        (encoded(".png", COLOURS), COLOURS),
        (encoded(".webp", COLOURS, cv2.IMWRITE_WEBP_QUALITY, 101), None),
        (saved("WEBP", COLOURS, lossless=True, exact=True), COLOURS),
        (encoded(".tif", COLOURS), COLOURS),
        (saved("TIFF", COLOURS), COLOURS),
        (tiff(COLOURS[..., [2, 1, 0, 3]], 2), COLOURS),
        (saved("PNG", COLOURS, "LA"), None),
        (tiff(COLOURS[..., [2, 1, 0, 3]].astype(np.uint16) * 257, 2), COLOURS),
        (encoded(".png", COLOURS.astype(np.uint16) * 257), COLOURS),
        (tiff(COLOURS[..., [2, 1, 0, 3]].astype(np.float32) / 255, 2), COLOURS),
    ],
    ids=["png", "webp", "exact webp", "tiff of OpenCV", "tiff of Pillow", "tiff", "gray png", "tiff16", "png16",
         "float tiff"],
)  # fmt: skip
def test_alpha_is_composited_on_the_gray_of_the_letterbox(content: bytes, image: NDArray[Any] | None) -> None:
    decoded = decode_checked(content)
    if image is None:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    close(decoded.pixels, over_gray(image))
    assert decoded.alpha == "composited"
    assert decoded.pixels[0, 0].tolist() == [114, 114, 114]
    assert decoded.pixels[0, 2].tolist() == image[0, 2, :3].tolist()  # opaque


def test_colours_that_are_multiplied_by_alpha_are_not_multiplied_again() -> None:
    image = COLOURS[..., [2, 1, 0, 3]].astype(np.float64)
    image[..., :3] *= image[..., 3:] / 255
    for kind in (np.uint8, np.uint16):
        factor = 257 if kind is np.uint16 else 1
        close(decode_checked(tiff(np.round(image * factor).astype(kind), 1)).pixels, over_gray(COLOURS))


def test_transparent_values_of_png_and_gif() -> None:
    palette = Image.fromarray(COLOURS[..., 2::-1]).quantize(16)
    index = palette.getpixel((5, 5))
    where = np.asarray(palette) == index
    for kind in ("PNG", "GIF"):
        file = io.BytesIO()
        palette.save(file, kind, transparency=index)
        decoded = decode_checked(file.getvalue())
        assert (decoded.pixels[where] == 114).all()
        assert decoded.alpha == "composited"
        expected = cv2.imdecode(np.frombuffer(file.getvalue(), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(decoded.pixels[~where], expected[~where])
    gray = COLOURS[..., 0]
    decoded = decode_checked(saved("PNG", gray, transparency=int(gray[3, 4])))
    np.testing.assert_array_equal(decoded.pixels[..., 0], np.where(gray == gray[3, 4], 114, gray))
    bits = saved("PNG", gray, "1", transparency=1)
    assert set(np.unique(decode_checked(bits).pixels)) == {0, 114}
    colour = decode_checked(saved("PNG", COLOURS[..., :3], transparency=tuple(map(int, COLOURS[3, 4, 2::-1]))))
    assert (colour.pixels[3, 4].tolist(), colour.alpha) == ([114] * 3, "composited")


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_an_opaque_alpha_channel_changes_nothing(suffix: str) -> None:
    image = COLOURS.copy()
    image[..., 3] = 255
    content = encoded(suffix, image, *((cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()))
    decoded = decode_checked(content)
    np.testing.assert_array_equal(decoded.pixels, image[..., :3])
    assert decoded.alpha == ""


def test_alpha_that_opencv_does_not_decode_is_reported() -> None:
    for content in (saved("TIFF", COLOURS, "LA"), saved("JPEG2000", COLOURS, "LA")):
        decoded = decode_checked(content)
        assert (decoded.alpha, decoded.pixels.shape) == ("left out", (HEIGHT, WIDTH, 3))


def with_exif(content: bytes, value: int) -> bytes:
    exif = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    if content.startswith(b"RIFF"):
        canvas = struct.pack("<BBH", 0x18, 0, 0) + struct.pack("<I", WIDTH - 1)[:3] + struct.pack("<I", HEIGHT - 1)[:3]
        chunks = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + content[12:] + b"EXIF" + struct.pack("<I", len(exif))
        return b"RIFF" + struct.pack("<I", len(chunks + exif)) + chunks + exif
    chunk = b"eXIf" + exif
    return content[:33] + struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk)) + content[33:]


@pytest.mark.parametrize("value", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_the_orientation_is_applied_as_opencv_does(suffix: str, value: int) -> None:
    image = COLOURS.copy()
    image[..., 3] = 255
    options = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()

    def made(given: NDArray[Any]) -> bytes:
        if suffix == ".tif":
            return oriented_tiff(given, value)
        return with_exif(encoded(suffix, given, *options), value)

    expected = decode_checked(made(np.ascontiguousarray(image[..., :3]))).pixels
    np.testing.assert_array_equal(expected, upright(image[..., :3], value))
    np.testing.assert_array_equal(decode_checked(made(image)).pixels, expected)


# --- more than 8 bits ------------------------------------------------------------------------------------------------

GRAY = {"png": 1, "tif": 1, "pgm": 1, "jp2": 1}


@pytest.mark.parametrize("suffix", GRAY)
@pytest.mark.parametrize(("highest", "white"), [(255, 255), (256, 1023), (4080, 4095), (4096, 16383), (65535, 65535)])
def test_auto_takes_the_smallest_bit_depth_that_holds_the_values(suffix: str, highest: int, white: int) -> None:
    image = (RAMP * (highest / RAMP.max())).round().astype(np.uint16)
    decoded = decode_checked(encoded(f".{suffix}", image))
    assert decoded.depth is not None
    assert (decoded.depth.white, decoded.depth.floating) == (white, False)
    assert (decoded.depth.low, decoded.depth.high, decoded.depth.largest) == (0, highest, 65535)
    close(decoded.pixels, np.floor(image[..., None] * 255.0 / white + 0.5), by=0)


def test_full_and_a_number() -> None:
    content = encoded(".png", RAMP * 100)
    close(decode_checked(content, depth="full").pixels, RAMP[..., None] * 100.0 // 256)  # OpenCV cuts the lower byte
    decoded = decode_checked(content, depth=10_000)
    close(decoded.pixels, np.minimum(RAMP[..., None] * 255.0 / 100, 255))
    assert decoded.depth is not None
    assert str(decoded.depth) == (
        "16 bits per channel, values 0 to 59900 of 65535; 10000 becomes 255, values outside of 0 to it are clipped"
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("factor", "white"), [(1, 1), (1.5, 1), (200, 255), (4080, 4095), (70_000, 2**24 - 1)])
def test_floats(dtype: Any, factor: float, white: float) -> None:
    image = (RAMP / RAMP.max() * factor).astype(dtype)
    for content in (encoded(".tif", image), *([encoded(".pfm", image)] if dtype is np.float32 else [])):
        decoded = decode_checked(content)
        assert decoded.depth is not None
        assert (decoded.depth.white, decoded.depth.floating) == (white, True)
        close(decoded.pixels, np.minimum(image[..., None] * (255 / white), 255))
    full = decode_checked(encoded(".tif", image), depth="full")
    close(full.pixels, np.minimum(image[..., None] * 255, 255))


def test_values_that_are_no_colour() -> None:
    """NaN and negative values become 0, infinity 255; none of them counts for the scale."""
    image = np.full((HEIGHT, WIDTH), 0.5, np.float32)
    image[0, :5] = (np.nan, np.inf, -np.inf, -3, 1)
    decoded = decode_checked(encoded(".tif", image))
    assert decoded.pixels[0, :6, 0].tolist() == [0, 255, 0, 0, 255, 128]
    assert decoded.depth is not None
    assert str(decoded.depth) == (
        "32-bit floating-point channels, values -3 to 1, and NaN or infinity; "
        "1 becomes 255, values outside of 0 to it are clipped"
    )
    for value in (np.nan, np.inf, 0, -1):
        assert decode_checked(encoded(".tif", np.full_like(image, value))).depth is not None
    huge = np.full((HEIGHT, WIDTH), 1e300)
    assert (decode_checked(tiff(huge), depth=4095).pixels == 255).all()


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint32])
def test_other_integers(dtype: Any) -> None:
    image = RAMP.astype(dtype)
    image[0, 0] = -5 if np.issubdtype(dtype, np.signedinteger) else 0
    decoded = decode_checked(tiff(image))
    assert decoded.depth is not None
    assert (decoded.depth.white, decoded.depth.largest) == (1023, np.iinfo(dtype).max)
    close(decoded.pixels, np.floor(np.maximum(image, 0)[..., None] * 255.0 / 1023 + 0.5))


def test_a_range_that_the_file_states_counts_and_not_the_values() -> None:
    header = b"P5\n%d %d\n4095\n" % (WIDTH, HEIGHT)
    decoded = decode_checked(header + (RAMP // 4).astype(">u2").tobytes())
    assert decoded.depth is not None
    assert (decoded.depth.white, decoded.depth.largest) == (4095, 4095)
    bright = encoded(".hdr", np.full((HEIGHT, WIDTH, 3), 8, np.float32))
    assert (decode_checked(bright).pixels == 255).all()  # as OpenCV converts it


def test_avif_of_ten_bits() -> None:
    image = np.dstack([RAMP] * 3).astype(np.uint16)
    try:
        content = encoded(".avif", image, cv2.IMWRITE_AVIF_DEPTH, 10)
    except (cv2.error, AssertionError):
        pytest.skip("this OpenCV does not write AVIF")
    decoded = decode_checked(content)
    assert decoded.depth is not None
    assert decoded.depth.white == 1023
    close(decoded.pixels, image / 1023 * 255, by=12)


def test_colours_of_sixteen_bits_keep_their_order() -> None:
    image = COLOURS[..., :3].astype(np.uint16) * 257
    for suffix in (".png", ".tif", ".ppm"):
        close(decode_checked(encoded(suffix, image)).pixels, COLOURS[..., :3])


def test_sixteen_bits_of_which_opencv_decodes_eight_are_damage() -> None:
    decoded = decode_checked(tiff(COLOURS[..., :2].astype(np.uint16) * 257, 2))
    assert decoded.damage == "OpenCV decodes only 8 of its 16 bits per channel"


def test_the_limit_of_pixels_is_also_one_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    content = tiff(np.zeros((HEIGHT, WIDTH, 4)), 2)
    assert decode_checked(content, 4 * HEIGHT * WIDTH).pixels.shape == (HEIGHT, WIDTH, 3)
    monkeypatch.setattr("core.media.picture._decode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UnreadableError, match=r"it has 50 x 40 = 2,000 pixels of 32 bytes, more than 8 x max_pixels; "):
        decode_checked(content, 4 * HEIGHT * WIDTH - 1)


# --- what is reported ------------------------------------------------------------------------------------------------


def notes_of(*images: DecodedImage) -> PixelNotes:
    notes = PixelNotes()
    for image in images:
        notes.add(image.alpha, image.depth)
    return notes


def test_a_run_reports_each_kind_once(tmp_path: Path) -> None:
    contents = [encoded(".png", COLOURS), encoded(".png", RAMP), encoded(".png", RAMP * 8), encoded(".png", RAMP * 7)]
    contents.append(encoded(".jpg", COLOURS[..., :3]))
    images = []
    for number, content in enumerate(contents):
        images.append((number, f"{number}", tmp_path / f"{number}"))
        images[-1][2].write_bytes(content)
    warned: list[str] = []
    tolerance = Tolerance(len(images), warned.append, title="calibration: ")
    assert len(list(read_images(images, tolerance))) == len(images)
    tolerance.conclude()
    assert warned == [
        "calibration: 1 image has an alpha channel: composited on gray 114",
        (
            "calibration: 3 images have more than 8 bits per channel: 1023 becomes 255 in 1, 16383 becomes 255 in 2 "
            "(image.depth=auto); image.depth=16383 scales all alike"
        ),
    ]


@pytest.mark.parametrize(
    ("depth", "line"),
    [("full", "65535 becomes 255 (image.depth=full); 1 almost black (no value reaches 1/16 of it)"),
     (100, "100 becomes 255 (image.depth=100); values outside of 0 to it are clipped in 1")],
)  # fmt: skip
def test_what_an_option_does_is_reported(depth: str | float, line: str) -> None:
    (found,) = notes_of(decode_checked(encoded(".png", RAMP), depth=depth)).lines(depth)
    assert found == f"1 image has more than 8 bits per channel: {line}"


@pytest.mark.parametrize("make", [lambda: encoded(".png", COLOURS), lambda: encoded(".tif", RAMP),
                                  lambda: tiff(COLOURS, 2), lambda: encoded(".webp", COLOURS)])  # fmt: skip
def test_a_damaged_header_gives_an_image_or_one_line(make: Callable[[], bytes]) -> None:
    content, chance = make(), np.random.default_rng(1)
    table = struct.unpack_from("<I", content, 4)[0] if content.startswith(b"II") else 0
    for _ in range(300):
        changed = bytearray(content)
        for place in chance.integers(table, min(table + 150, len(content)), 2):
            changed[place] = chance.choice([0, 1, 2, 3, 4, 16, 32, 64, 255])
        try:
            image = decode_checked(bytes(changed), 10_000).pixels
        except UnreadableError:
            continue
        assert (image.dtype, image.shape[2:]) == (np.uint8, (3,))


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (["calibration: {0} (image.depth=4095)"], ""),
        (["calibrated on 3 images", "{0} (image.depth=16383) and more"], "image.depth=16383"),
        (["data set: {0} (image.depth=auto)", "{0} (image.depth=4095)"], "image.depth=auto"),
        ([], ""),
    ],
)
def test_another_rule_than_that_of_the_model_is_reported(given: list[str], line: str) -> None:
    image = decode_checked(encoded(".png", RAMP), depth=4095)
    (own,) = notes_of(image).lines(4095)
    known = [note.format(own.removesuffix(" (image.depth=4095)")) for note in given]
    _, *others = notes_of(image).lines(4095, known)
    assert [other.split(" with ")[1].split(",")[0] for other in others] == ([line] if line else [])
    assert list(notes_of(decode_checked(encoded(".jpg", COLOURS[..., :3]))).lines(4095, known)) == []
