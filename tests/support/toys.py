"""Toy stages and contexts for tests of plan, runner and store, without heavy imports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.artifacts import CalibrationTable, Checkpoint, Engine, Metrics, OnnxModel, QuantizedModel
from core.execution.console import Console
from core.kinds.context import RunContext
from core.kinds.lookup import Origin
from core.kinds.part import Availability, NoOptions
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.model_facts import InputContract, ModelFacts, Precision
from core.options.fields import shared
from core.plugins.registry import Registry

FACTS = ModelFacts("toy", "toy", ("cat", "dog"), (8, 16, 32))
CONTRACT = InputContract(1, 64, 64)
CALLS: list[str] = []


@dataclass
class Plain:
    """Options of a toy stage."""

    text: str = "x"


@dataclass
class Quantize:
    """Options of the toy quantizer."""

    precision: Precision = Precision.fp32
    backend: str = shared("backend", kind="runtimes")


def _write(context: RunContext, name: str, text: str) -> Path:
    CALLS.append(name)
    path = context.workdir / f"{name}.txt"
    path.write_text(text)
    return path


def weights(config: Plain, context: RunContext) -> Checkpoint:
    return Checkpoint(path=_write(context, "weights", config.text), facts=FACTS)


def train(config: Plain, context: RunContext, init: Checkpoint | None = None) -> Checkpoint:
    return Checkpoint(path=_write(context, "train", config.text), facts=FACTS)


def export(config: Plain, context: RunContext, checkpoint: Checkpoint) -> OnnxModel:
    text = checkpoint.path.read_text() + config.text
    return OnnxModel(path=_write(context, "export", text), facts=FACTS, contract=CONTRACT, layout="heads")


def sharpen(config: Plain, context: RunContext, model: OnnxModel) -> OnnxModel:
    path = _write(context, "sharpen", model.path.read_text() + "!")
    return OnnxModel(path=path, facts=FACTS, contract=CONTRACT, layout="heads", notes=("sharpened",))


def calibrate(config: Plain, context: RunContext, model: OnnxModel) -> CalibrationTable:
    return CalibrationTable(path=_write(context, "calibrate", model.path.read_text()), method="toy", pictures=1)


def quantize(
    config: Quantize, context: RunContext, model: OnnxModel, table: CalibrationTable | None = None
) -> QuantizedModel:
    text = model.path.read_text() + (table.path.read_text() if table else "")
    path = _write(context, "quantize", text)
    return QuantizedModel(path=path, facts=FACTS, contract=CONTRACT, layout="heads", runtime=config.backend)


def build(config: Plain, context: RunContext, model: QuantizedModel) -> Engine:
    return Engine(
        path=_write(context, "build", model.path.read_text()),
        facts=FACTS,
        contract=CONTRACT,
        layout="heads",
        precision=model.precision,
        runtime=model.runtime,
        score_threshold=0.0,
        machine={},
    )


def evaluate(config: Plain, context: RunContext, model: Engine | OnnxModel | Checkpoint) -> Metrics:
    return Metrics(path=_write(context, "evaluate", model.path.name), values={"map": 0.5})


def select_model(config: Plain) -> list[type[Any]]:
    return [{"heads": OnnxModel, "checkpoint": Checkpoint}.get(config.text, Engine)]


STAGES = (
    Stage(name="weights", summary="toy", run=weights),
    Stage(name="train", summary="toy", run=train, automatic=False),
    Stage(name="export", summary="toy", run=export),
    Stage(name="sharpen", summary="toy", run=sharpen, automatic=False),
    Stage(name="calibrate", summary="toy", run=calibrate),
    Stage(
        name="quantize",
        summary="toy",
        run=quantize,
        select=lambda config: [CalibrationTable] if config.precision is Precision.int8 else [],
    ),
    Stage(name="build", summary="toy", run=build),
    Stage(name="evaluate", summary="toy", run=evaluate, select=select_model, stored=False),
)


def registry(*stages: Stage) -> Registry:
    result = Registry()
    for stage in stages or STAGES:
        result.add("stages", stage, Origin("toys", "toys", "1"))
    for name, usable, precisions, rank in (
        ("cpu", True, {Precision.fp32, Precision.int8}, 1),
        ("gpu", False, set(Precision), 2),
    ):
        state = Availability(usable, "toy", "" if usable else "pip install toygpu")
        runtime = Runtime(
            name=name,
            summary="toy",
            load=lambda options: None,
            available=lambda state=state: state,
            device="cpu",
            precisions=frozenset(precisions),
            rank=rank,
        )
        result.add("runtimes", runtime, Origin("toys", "toys", "1"))
    return result


def configs(**changes: Any) -> dict[str, Any]:
    plain = {stage.name: Plain() for stage in STAGES}
    return plain | {"quantize": Quantize(backend="auto")} | changes


def context(folder: Path, parts: Registry | None = None) -> RunContext:
    return RunContext(
        workdir=folder,
        run_dir=folder,
        cache_dir=folder / "cache",
        seed=0,
        device="auto",
        registry=parts or registry(),
        options=lambda kind, name: NoOptions(),
        reporter=Console(),
    )
