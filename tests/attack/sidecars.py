"""Sidecars of models: JSON that was edited, with its digest made anew or left as it was, and JSON that is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.storage.sidecar import DIGEST, sidecar_digest
from tests.attack import odd
from tests.attack.case import Case, Scene, Variants


def _models(scene: Scene) -> tuple[Path, ...]:
    return scene.base.engine, scene.base.onnx


def _with_sidecar(change: Callable[[Scene, dict[str, Any]], str | bytes]) -> Callable[[Scene], Case]:
    """A model next to a sidecar that was changed; a stage opens it."""

    def make(scene: Scene) -> Case:
        model = scene.chance.choice(_models(scene))
        shutil.copy(model, scene.here / model.name)
        content = json.loads(Path(f"{model}.json").read_text())
        scene.write(f"{model.name}.json", change(scene, content))
        stage = scene.chance.choice(("load", "predict", "build"))
        more = (f"source={scene.base.images}",) if stage == "predict" else ()
        return Case((f"+stage={stage}", f"weights={model.name}", "device=cpu", *more))

    return make


def _signed(content: dict[str, Any]) -> str:
    """The text with a valid digest, as an attacker can write it."""
    try:
        content[DIGEST] = sidecar_digest(content)
    except (TypeError, ValueError, RecursionError):
        content[DIGEST] = "0" * 64
    return odd.as_json(content)


def _edited(scene: Scene, content: dict[str, Any]) -> str:
    return odd.as_json(odd.edited(content, scene.chance))


def _edited_and_signed(scene: Scene, content: dict[str, Any]) -> str:
    changed = odd.edited(content, scene.chance)
    return _signed(changed) if isinstance(changed, dict) else odd.as_json(changed)


def _facts(scene: Scene, content: dict[str, Any]) -> str:
    """Facts that are of the right type and that no model has."""
    chance = scene.chance
    facts, contract = content["facts"], content["contract"]
    changes: tuple[Callable[[], Any], ...] = (
        lambda: facts.update(names=[f"c{number}" for number in range(chance.choice((1, 3, 80, 300_000)))]),
        lambda: facts.update(names=[odd.words(chance), odd.words(chance)]),
        lambda: facts.update(strides=chance.choice(([1, 2, 3], [8], [8, 16, 65536], [8, 16, 32, 64], [3, 5, 7]))),
        lambda: facts.update(head={"anchors": chance.choice(([], [[1, 1]] * 3, [[1e300] * 6] * 3, [[1e-300] * 6] * 3,
            [[1] * 600] * 3, 5, {"x": 1}, [["a", None]] * 3))}),
        lambda: facts.update(head=chance.choice(({}, {"x": 1}, {"anchors": {"anchors": {"anchors": {}}}}))),
        lambda: facts.update(anchors=[[10, 13, 16, 30, 33, 23]] * 3),
        lambda: content.update(schema=chance.choice((0, 1, 2, 3, 10**9, -1, "2", None, 2.5))),
        lambda: facts.update(family=chance.choice(("", "nope", "yolov5", "../x"))),
        lambda: facts.update(variant=odd.words(chance)),
        lambda: contract.update(batch=chance.choice((0, 2, 65536, 10**9))),
        lambda: contract.update(height=chance.choice((1, 33, 65536)), width=chance.choice((1, 64, 65536))),
        lambda: contract.update(dynamic=chance.choice((["batch"], ["height", "width"], ["batch", "height", "width"],
            ["x"]))),
        lambda: contract.update(name=odd.words(chance)),
        lambda: contract.update(scale=chance.choice((1e300, 1e-300, 1e38, 5)), offset=chance.choice((0, -1e30, 1e300))),
        lambda: contract.update(padding=chance.choice(("centre", "top_left", "nope", 1))),
        lambda: content.update(schema=chance.choice((0, 1, 2, 3, 10**30, "2", None))),
        lambda: contract.update(pad_value=chance.choice((0, 255)), channels=chance.choice(("bgr", "rgb"))),
        lambda: content.update(layout=chance.choice(("heads", "classic", "decoded", "nope"))),
        lambda: content.update(precision=chance.choice(("fp32", "fp16", "int8"))),
        lambda: content.update(runtime=chance.choice(("tensorrt", "tensorrt_rtx", "nope", "", "onnxruntime"))),
        lambda: content.update(score_threshold=chance.choice((0, 1, 0.5))),
        lambda: content.update(notes=[odd.words(chance)] * chance.choice((1, 5000))),
        lambda: content.update(machine={odd.words(chance)[:50]: odd.words(chance)}),
        lambda: content.update(settings={odd.words(chance)[:50]: odd.words(chance)}),
        lambda: content.update(artifact=chance.choice(("Checkpoint", "OnnxModel", "QuantizedModel", "GraftedModel",
            "Engine", "Dataset", "Metrics", "Artifact", "x"))),
        lambda: content.update(path=chance.choice(("../x", "/etc/passwd", "x" * 5000, "a\0b"))),
        lambda: content.update(files={chance.choice(("../x", "/etc/passwd", "", "a", ".", "x" * 5000,
            "\0")): "0" * 64}),
        lambda: content.update(operators=[odd.words(chance)]),
    )  # fmt: skip
    for change in chance.sample(changes, chance.choice((1, 1, 2, 4))):
        change()
    return _signed(content)


def _other_kind(scene: Scene, content: dict[str, Any]) -> str:
    """The sidecar of another file."""
    other = scene.chance.choice((scene.base.engine, scene.base.onnx, scene.base.table))
    return Path(f"{other}.json").read_text()


def _no_json(scene: Scene, content: dict[str, Any]) -> bytes:
    good = odd.as_json(content).encode()
    return scene.chance.choice((
        b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", good.decode().encode("utf-16"), b"\xef\xbb\xbf" + good,
        good + good, good + b"x", b"[" * 500_000, b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 20_000 + b"}", b'{"artifact": NaN}', b'{"a": 1, "a": 2}', b'{"\\ud800": 1}',
        b"x" * 17_000_000, b'{"a": "' + b"x" * 15_000_000 + b'"}',
        b"[" + b"1," * 5_000_000 + b"1]", b"{" + b",".join(b'"k%d": 1' % number for number in range(500_000)) + b"}",
        b'{"a": 1e999}', b'{"a": -0}', b'{"sidecar_sha256": null}',
    ))  # fmt: skip


def _duplicates(scene: Scene, content: dict[str, Any]) -> str:
    """Many keys twice."""
    pairs = ", ".join(f'"k{number}": 1' for number in range(scene.chance.choice((10, 30_000))))
    return "{" + f"{pairs}, {pairs}" + "}"


VARIANTS: Variants = {
    "edited": _with_sidecar(_edited),
    "edited-and-signed": _with_sidecar(_edited_and_signed),
    "facts": _with_sidecar(_facts),
    "facts-again": _with_sidecar(_facts),
    "other-kind": _with_sidecar(_other_kind),
    "no-json": _with_sidecar(_no_json),
    "duplicates": _with_sidecar(_duplicates),
    "truncated": _with_sidecar(lambda scene, content: odd.truncated(odd.as_json(content).encode(), scene.chance)),
    "mutated": _with_sidecar(lambda scene, content: odd.mutated(odd.as_json(content).encode(), scene.chance)),
}
