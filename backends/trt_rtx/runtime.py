"""The heavy half of the runtime ``tensorrt_rtx``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from backends.trt_rtx.engine import build_engine
from backends.trt_rtx.opening import open_engine, this_release
from backends.trt_rtx.targets import card_here
from core.artifacts import Engine, GraftedModel, OnnxModel
from core.context import RunContext
from core.errors import HooklineError
from core.parts import Session

if TYPE_CHECKING:
    from core.calibration_pictures import CalibrationFeed


class TensorRtRtx:
    """Builds for RTX cards on any machine, and opens engines on the cards."""

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """The release, which an engine is for alone, and the card here, for engines that are for ``[current]``."""
        return {**this_release(), "card": card_here(device)}

    def build(
        self,
        model: GraftedModel,
        config: Any,
        target: Path,
        context: RunContext,
        calibration: CalibrationFeed | None = None,  # noqa: ARG002
    ) -> Engine:
        """Build the engine ahead of time for the cards of ``build.compute_capabilities``."""
        return build_engine(model, config, target, context)

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine on this machine's GPU, where it is compiled for the card.

        Raises:
            HooklineError: It is no engine of this release, or there is no GPU.
        """
        return open_engine(model, device)

    def tap(self, model: OnnxModel) -> NoReturn:
        """Refused: activations are observed with ONNX Runtime."""
        raise HooklineError(
            f"tensorrt_rtx cannot show the activations of '{model.path.name}'", "set calibrate.runtime=onnxruntime"
        )
