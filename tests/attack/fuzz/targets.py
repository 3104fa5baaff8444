"""What is fuzzed: each target reads bytes; only a ``HooklineError`` or the parser's own error may end it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

SHM = Path("/dev/shm")
LONGEST_MESSAGE = 1200


@dataclass(frozen=True)
class Target:
    """One parser.

    Attributes:
        run: Gives it bytes; any exception that comes out is a finding.
        seeds: Inputs to start from.
        modules: Those whose coverage guides the fuzzer.
        words: Texts that it inserts in addition to bytes.
    """

    run: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    modules: tuple[str, ...]
    words: tuple[bytes, ...]


def _file(content: bytes, suffix: str) -> Path:
    """A file with this content, in memory, the same for every call of this process."""
    folder = SHM if SHM.is_dir() else Path(tempfile.gettempdir())
    path = folder / f"fuzz-{os.getpid()}{suffix}"
    path.write_bytes(content)
    return path


def _refused(error: Exception) -> None:
    """A refusal has a message of bounded length."""
    if len(str(error)) > LONGEST_MESSAGE:
        raise AssertionError(f"a message of {len(str(error)):,} characters") from error


def pickles(content: bytes) -> None:
    """The pickle reader: the bytes are the pickle in a good archive, or the whole file where they begin as one."""
    from backends.yolov5.errors import CheckpointError
    from backends.yolov5.unpickle import read_pickle
    from tests.attack.opcodes import zipped

    path = _file(content if content.startswith(b"PK") else zipped(content), ".pt")
    try:
        read_pickle(path)
    except CheckpointError as error:
        _refused(error)


def labels(content: bytes) -> None:
    """The label reader; what it accepts has to be in range."""
    from core.errors import HooklineError
    from core.labels import check_labels

    try:
        found, bad = check_labels(_file(content, ".txt"), 3)
    except HooklineError as error:
        _refused(error)
        return
    assert all(0 <= number < 3 for number in found.classes.tolist())
    assert all(0 <= side <= 1 for box in found.boxes.tolist() for side in box)
    assert all(len(row.message) <= LONGEST_MESSAGE * 10 for row in bad)


def cache(content: bytes) -> None:
    """The calibration cache; what it accepts is written and read back as it was."""
    from core.calibration import read_tensorrt_cache, write_tensorrt_cache
    from core.errors import HooklineError

    try:
        found = read_tensorrt_cache(content)
    except HooklineError as error:
        _refused(error)
        return
    written = write_tensorrt_cache(found.scales, method="x", model="", header=found.header)
    again = read_tensorrt_cache(written.encode())
    assert again.scales == found.scales
    assert not found.header or again.header == found.header


def metadata(content: bytes) -> None:
    """The metadata of an ONNX file: that of hookline, and class names as other exporters write them."""
    from core.errors import HooklineError
    from core.storage.metadata import KEY, from_properties, parse_names, to_properties

    text = content.decode("utf-8", "replace")
    try:
        names = parse_names(text)
        assert names
        assert all(isinstance(name, str) for name in names)
    except ValueError as error:
        _refused(error)
    try:
        found = from_properties({KEY: text})
    except HooklineError as error:
        _refused(error)
        return
    assert found is not None
    assert from_properties(to_properties(found)) == found


def _pickle_seeds() -> list[bytes]:
    import pickle

    from tests.attack import opcodes as op

    parts = [
        op.tensor(),
        op.laughs(3),
        op.call(op.name("collections", "OrderedDict")),
        op.plain({"a": [1, (2.5, None)]}),
    ]
    stand_in = (
        op.name("models.yolo", "Model") + op.EMPTY_TUPLE + b"\x81" + op.mapping({"names": op.plain(["a"])}) + op.BUILD
    )
    made = [op.HEAD + op.mapping({"model": part}) + op.STOP for part in (*parts, stand_in)]
    made += [pickle.dumps({"a": {1, 2}, "b": [2**70, b"x", 0.5], "c": "é"}, protocol) for protocol in range(6)]
    return [*made, op.checkpoint(op.tensor())]


def _label_seeds() -> list[bytes]:
    return [
        b"0 0.5 0.5 0.2 0.2\n1 0.25 0.25 0.1 0.1\n",
        b"0 0.5 0.5 1e-9 1\n\n2 1 1 1 1\n",
        b"0 0.1 0.2 0.3 0.4 0.5 0.6\nx\n",
        b"\xef\xbb\xbf1 nan 2 -1 inf\n",
    ]


def _cache_seeds() -> list[bytes]:
    return [
        b"TRT-8601-EntropyCalibration2\nimages: 3c010a14\na: b: 3f800000\n",
        b"hookline-minmax model=" + b"0" * 64 + b"\nx: 00000000\ny: 3c010a14\n",
    ]


def _metadata_seeds() -> list[bytes]:
    import json

    from core.model_facts import InputContract, ModelFacts
    from core.storage.metadata import KEY, ModelMetadata, to_properties

    facts = ModelFacts("yolov5", "yolov5n", ("a", "b"), (8, 16, 32), {"anchors": [[10.0, 13.0, 16.0, 30.0]] * 3})
    ours = to_properties(ModelMetadata(facts, InputContract(1, 64, 64, dynamic=("batch",)), "heads"))[KEY]
    return [
        ours.encode(),
        b"{0: 'a', 1: 'b'}",
        json.dumps(["a", "b"]).encode(),
        b'{"0": "a", "1": "b"}',
        b"('a', \"b\",)",
    ]


_NAMES = (
    b"cmodels.yolo\nModel\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch\nFloatStorage\n",
    b"cos\nsystem\n",
)
_PICKLE = tuple(bytes([code]) for code in range(0x80, 0x99)) + tuple(
    b"()0NRbc]}.aeulosqrtjghpPQXJKMLIFGSTUVB2i:"[n : n + 1] for n in range(40)
)
_NUMBERS = (b"nan", b"-inf", b"1e999", b"9" * 5000, b"0x1", b"-1", b"0.5", b"1_0")

TARGETS: Mapping[str, Target] = {
    "pickles": Target(
        pickles,
        _pickle_seeds,
        ("backends.yolov5.unpickle", "backends.yolov5.archive", "pickletools", "zipfile"),
        (*_NAMES, *_PICKLE),
    ),
    "labels": Target(
        labels,
        _label_seeds,
        ("core.labels",),
        (*_NUMBERS, b"\n", b"\xc2\x85", b"\xe2\x80\xa8", b" 0.5 0.5 0.5 0.5\n"),
    ),
    "cache": Target(
        cache,
        _cache_seeds,
        ("core.calibration",),
        (b": ", b": 3f800000\n", b": 7f800000\n", b": ffc00000\n", b" model=", b"hookline-", b"\r\n", b"\xc2\x85"),
    ),
    "metadata": Target(
        metadata,
        _metadata_seeds,
        ("core.storage.metadata", "core.storage.serial", "core.storage.validation"),
        (
            *_NUMBERS,
            b"null",
            b"true",
            b"[",
            b"{",
            b"\\ud800",
            b"Infinity",
            b"**",
            b"None",
            b"['a']",
            b'"names": ',
            b'"strides": ',
        ),
    ),
}
