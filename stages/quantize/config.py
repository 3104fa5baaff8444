"""Options of the stage ``quantize``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.model_facts import CalibrationInput, Precision
from core.options.fields import shared

if TYPE_CHECKING:
    from core.kinds.context import RunContext


@dataclass
class QuantizeConfig:
    """Options of the stage.

    Attributes:
        precision: ``fp32`` keeps the model, ``fp16`` keeps float32 inputs and outputs, ``int8`` needs a calibration. If
            the runtime quantises the model itself (``runtimes.tensorrt.int8=calibrator``), the model stays float32.
        backend: The runtime that sets the quantisation rules.
        quantizer: The quantizer that converts the model.
    """

    precision: Precision = shared("precision", otherwise=Precision.fp32)
    backend: str = shared("backend", kind="runtimes", usable=False, fingerprinted=True)
    quantizer: str = shared("quantizer", kind="quantizers")

    def stage_precision(self, context: RunContext) -> Precision:
        """Return the precision of the output of this stage."""
        from core.selection.choosing import own_calibration

        later = own_calibration(self.backend, self.precision, context, needed=False) is not CalibrationInput.none
        return Precision.fp32 if later else self.precision
