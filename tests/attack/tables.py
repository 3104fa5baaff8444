"""Calibration caches of TensorRT, and calibration tables: as calibrate.cache, or given as weights."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from core.storage.digest import file_digest
from core.storage.sidecar import DIGEST, sidecar_digest
from tests.attack import odd
from tests.attack.case import Case, Scene, Variants

SCALES = (0.0, -0.0, -1.0, 1e-45, 3e38, float("inf"), float("-inf"), float("nan"), 1.0, 1e-6)


def _cache(content: Callable[[Scene], bytes | str]) -> Callable[[Scene], Case]:
    """A cache with this content, from which int8 ranges are taken."""

    def make(scene: Scene) -> Case:
        scene.write("x.cache", content(scene))
        stage = scene.chance.choice(("calibrate", "quantize"))
        trust = scene.chance.choice(("true", "true", "false"))
        more = ("calibrate.cache=x.cache", f"calibrate.trust_cache={trust}", "precision=int8", "backend=onnxruntime")
        return Case((f"+stage={stage}", f"weights={scene.base.onnx}", "device=cpu", *more))

    return make


def _good(scene: Scene) -> bytes:
    return (scene.base.root / "calibration.cache").read_bytes()


def _lines(scene: Scene) -> list[str]:
    return _good(scene).decode().splitlines()


def _header(scene: Scene) -> str:
    digest = file_digest(scene.base.onnx)
    header = scene.chance.choice((
        "", "TRT-8601-EntropyCalibration2", "TRT-100500-MinMaxCalibration", "{", "hookline-",
        f"hookline-x model={digest}", f"hookline-{'x' * 5000} model={digest}", f"hookline-\x1b[2J model={digest}",
        "hookline-x model=" + "0" * 64, "x" * 100_000, "\ufeffTRT-1", "TRT: 00000000", "\t", "TRT-\u202e",
        f" hookline-x model={digest}", f"hookline-x model={digest.upper()}",
    ))  # fmt: skip
    return "\n".join([header, *_lines(scene)[1:]])


def _scale(scene: Scene) -> str:
    lines = _lines(scene)
    for place in scene.chance.sample(range(1, len(lines)), scene.chance.choice((1, 3, len(lines) - 1))):
        name = lines[place].rpartition(": ")[0]
        lines[place] = f"{name}: {struct.pack('>f', scene.chance.choice(SCALES)).hex()}"
    return "\n".join(lines)


def _line(scene: Scene) -> str:
    lines = _lines(scene)
    lines[scene.chance.randrange(1, len(lines))] = scene.chance.choice((
        "x", ":", ": ", "a:00000000", "a: ", "a: zz", "a: 0", "a: 0000000", "a: 000000000", "a: 00 00 00 00",
        "a: 3F800000", "a: 0x3f800000", "a: -3f80000", "a: 3f800000 x", ": 3f800000", "a: b: 3f800000",
        "x" * 200_000 + ": 3f800000", "\x1b[2J: 3f800000", "a: ３f800000", "a:\t3f800000", "é: 3f800000",
        "a: 3f800000\r", "\0: 3f800000", "a" * 200_000, "a: " + "0" * 200_000, "\x85a: 3f800000",
    ))  # fmt: skip
    return "\n".join(lines)


def _many(scene: Scene) -> str:
    lines = _lines(scene)
    return "\n".join(scene.chance.choice((
        [*lines, *lines[1:]], [*lines, *(f"t{number}: 3f800000" for number in range(200_000))],
        [lines[0], *["\n"] * 100_000, *lines[1:]], lines[:1], lines[:2],
        [lines[0], *(f"t{number}: 3f800000" for number in range(50))],
    )))  # fmt: skip


def _bytes(scene: Scene) -> bytes:
    good = _good(scene)
    return scene.chance.choice((
        b"", b"\n", b"\xff", good + b"\xff", b"\0" * 5000, good.replace(b"\n", b"\r\n"), good.replace(b"\n", b"\r"),
        good.decode().encode("utf-16"), b"\xef\xbb\xbf" + good, b"x" * 16_000_001, b"\n" * 5_000_000,
        b"a: 3f800000\n" * 1_000_000,
    ))  # fmt: skip


def _not_a_file(scene: Scene) -> Case:
    made = scene.chance.choice(
        ("folder", "dangling", "/dev/zero", "/dev/null", "~nosuchuser", "x" * 300, "", "\udcff", "[a]", "a b", "null")
    )
    (scene.here / "folder").mkdir()
    (scene.here / "dangling").symlink_to("nowhere")
    return Case(
        (
            "+stage=calibrate",
            f"weights={scene.base.onnx}",
            "device=cpu",
            f"calibrate.cache={made}",
            "calibrate.trust_cache=true",
        )
    )


def _table(scene: Scene) -> Case:
    """A table as ``weights=``, and next to it a sidecar that fits."""
    content = odd.edited(json.loads(scene.base.table.read_text()), scene.chance)
    scene.write("x.json", odd.as_json(content))
    sidecar = json.loads(Path(f"{scene.base.table}.json").read_text())
    sidecar.update(sha256=file_digest(scene.here / "x.json"), files={})
    sidecar[DIGEST] = sidecar_digest(sidecar)
    scene.write("x.json.json", json.dumps(sidecar))
    return Case(("+stage=load", "weights=x.json"))


def _table_as_cache(scene: Scene) -> Case:
    shutil.copy(scene.base.table, scene.here / "x.cache")
    return Case(
        (
            "+stage=calibrate",
            f"weights={scene.base.onnx}",
            "device=cpu",
            "calibrate.cache=x.cache",
            "calibrate.trust_cache=true",
        )
    )


def _stored_table(scene: Scene) -> Case:
    """A table in the store of an earlier run was edited: its result must be made again or refused, never used."""
    scene.write("run.sh", "")
    edit = scene.chance.choice(("truncate -s 5", "rm", "chmod 0", "sh -c 'echo {} > $0'", "sh -c 'sed -i s/0/9/g $0'"))
    made = "../home/.cache/hookline/store/calibrate/*/*"
    first = f'"$@" >../first 2>&1 || cat ../first; for f in {made}; do {edit} "$f"; done; "$@"'
    same = ("+stage=quantize", f"weights={scene.base.onnx}", "device=cpu", "precision=int8", "backend=onnxruntime")
    return Case((*same, f"calibrate.source={scene.base.images}"), shell=first, fresh=True)


VARIANTS: Variants = {
    "header": _cache(_header),
    "scale": _cache(_scale),
    "line": _cache(_line),
    "many": _cache(_many),
    "bytes": _cache(_bytes),
    "truncated": _cache(lambda scene: odd.truncated(_good(scene), scene.chance)),
    "mutated": _cache(lambda scene: odd.mutated(_good(scene), scene.chance)),
    "not-a-file": _not_a_file,
    "table": _table,
    "table-as-cache": _table_as_cache,
    "stored": _stored_table,
}
