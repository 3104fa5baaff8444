"""The heavy half of the runtime ``tensorrt``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from backends.graphsurgeon.quantize import quantize
from backends.trt.plugin import probe
from backends.trt.style import STYLE
from core.artifacts import CalibrationTable, Engine, GraftedModel, OnnxModel, Precision
from core.context import RunContext
from core.errors import UnavailableError


class TensorRtRules:
    """Quantises by TensorRT's rules, which needs no TensorRT; refuses the rest with the reason."""

    def quantize(self, model: OnnxModel, table: CalibrationTable | None, target: Path, *, precision: Precision) -> None:
        """Write ``model`` in ``precision``: symmetric Q/DQ, or float16 between float32 inputs and outputs."""
        quantize(model, table, target, precision=precision, style=STYLE)

    def machine(self, device: str = "auto") -> Mapping[str, str]:  # noqa: ARG002
        """Refused."""
        _refuse()

    def build(
        self,
        model: GraftedModel,  # noqa: ARG002
        config: Any,  # noqa: ARG002
        target: Path,  # noqa: ARG002
        context: RunContext,  # noqa: ARG002
        calibration: Any = None,  # noqa: ARG002
    ) -> Engine:
        """Refused."""
        _refuse()

    def open(self, model: OnnxModel | Engine, *, device: str) -> NoReturn:  # noqa: ARG002
        """Refused."""
        _refuse()

    def tap(self, model: OnnxModel) -> NoReturn:  # noqa: ARG002
        """Refused."""
        _refuse()


def _refuse() -> NoReturn:
    state = probe()
    raise UnavailableError(f"tensorrt cannot be used here: {state.reason}", state.hint)
