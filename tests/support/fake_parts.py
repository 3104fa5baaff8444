"""A runtime and a processor that return predefined boxes, for tests of stages."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artifacts import Engine, OnnxModel
from core.detections import Detections, Filter, Letterbox
from core.kinds.head import CLASSES, NUM, DecodedHead, Head
from core.kinds.part import Availability
from core.kinds.processor import Processor
from core.kinds.runtime import Runtime
from core.model_facts import DECODED, InputContract, ModelFacts, Precision
from tests.support import grid_family

USABLE = Availability(True, "always")


def detections(*rows: Sequence[float]) -> Detections:
    """Return detections from rows of x1, y1, x2, y2, score, class."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int32))


def fake_engine(
    folder: Path,
    name: str = "fake",
    *,
    names: Sequence[str] = ("person", "dog"),
    layout: str = DECODED,
    score_threshold: float = 0.0,
    dynamic: tuple[str, ...] = (),
) -> Engine:
    """Write an engine of :class:`FakeRuntime`; the file contains its name."""
    path = folder / f"{name}.engine"
    path.write_text(name, encoding="utf-8")
    return Engine(
        path=path,
        facts=ModelFacts("fake", "fake", tuple(names), (8, 16, 32)),
        contract=InputContract(1, 32, 32, dynamic),
        layout=layout,
        precision=Precision.fp32,
        runtime="fake",
        score_threshold=score_threshold,
        machine={},
    )


def _zeros(session: FakeSession, batch: int) -> dict[str, NDArray[Any]]:
    """Return outputs without detections."""
    head = DecodedHead(session.facts) if session.layout == DECODED else grid_family.GridHead(session.facts)
    return {
        name: np.zeros([batch, *(2 if isinstance(side, str) else side for side in shape[1:])], _type(name))
        for name, shape in head.outputs(session.contract).items()
    }


def _type(name: str) -> type[np.number]:
    return np.int32 if name in {NUM, CLASSES} else np.float32


@dataclass
class FakeSession:
    """A session that needs ``seconds`` per inference; its last output has the name of the engine file."""

    engine: OnnxModel | Engine
    seconds: float = 0.0
    calls: list[int] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.facts, self.contract, self.layout = self.engine.facts, self.engine.contract, self.engine.layout
        self.score_threshold: float = getattr(self.engine, "score_threshold", 0.0)

    def run(self, images: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        self.calls.append(len(images))
        self.shapes.append((images.shape[2], images.shape[3]))
        time.sleep(self.seconds)
        return {**_zeros(self, len(images)), self.engine.path.stem: images}

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *error: object) -> None:
        pass


@dataclass
class FakeRuntime:
    """A runtime that records its sessions; ``seconds`` per inference by the stem of the engine's file."""

    seconds: Mapping[str, float] = field(default_factory=dict)
    sessions: list[FakeSession] = field(default_factory=list)

    def open(self, model: OnnxModel | Engine, *, device: str) -> FakeSession:
        self.sessions.append(FakeSession(model, self.seconds.get(model.path.stem, 0.0)))
        return self.sessions[-1]


@dataclass
class FakeProcessor:
    """A processor that returns the boxes of ``found[name of the engine]`` image by image; records the filters."""

    found: Mapping[str, Sequence[Detections]]
    filters: list[Filter] = field(default_factory=list)
    given: dict[str, int] = field(default_factory=dict)
    prepared: list[tuple[InputContract, tuple[int, int] | None, bool]] = field(default_factory=list)

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        self.prepared.append((contract, fit, upscale))
        places = [Letterbox(1.0, 0, 0, picture.shape[0], picture.shape[1]) for picture in pictures]
        return np.zeros((len(pictures), 3, contract.height, contract.width), np.float32), places

    def detect(
        self,
        outputs: Mapping[str, NDArray[Any]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        name = list(outputs)[-1]
        start = self.given.get(name, 0)
        self.given[name] = start + len(letterboxes)
        self.filters.append(wanted)
        return list(self.found[name][start : start + len(letterboxes)])


def runtime_part(name: str, backend: object = None, **changes: Any) -> Runtime:
    """Return a runtime that can be used on every machine, with ``changes`` of its fields."""
    given: dict[str, Any] = {
        "summary": "for tests",
        "load": lambda: backend,
        "available": lambda: USABLE,
        "device": "cpu",
        "precisions": frozenset(Precision),
    }
    return Runtime(name=name, **{**given, **changes})


def fake_parts(
    found: Mapping[str, Sequence[Detections]] | Sequence[Detections], seconds: Mapping[str, float] | None = None
) -> tuple[dict[str, Any], FakeRuntime, FakeProcessor]:
    """Return ``parts`` for :func:`tests.support.stage_tools.make_context`, with their runtime and processor."""
    by_name = found if isinstance(found, Mapping) else {"fake": found}
    runtime, processor = FakeRuntime(seconds or {}), FakeProcessor(by_name)
    parts = {
        "runtimes": [runtime_part("fake", runtime)],
        "models": [grid_family.family(name="fake", layouts=("heads", "classic"))],
        "processors": [
            Processor(name="fake", summary="for tests", load=lambda: processor, available=lambda: USABLE, device="cpu")
        ],
    }
    return parts, runtime, processor
