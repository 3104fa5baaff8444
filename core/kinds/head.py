"""The head of a model: its outputs, and how boxes are decoded from them.

The model family implements the head. Export, sessions, processors, evaluate and compare use a :class:`Head` and contain
no formula of any network. :func:`core.kinds.model.head_of` binds the head of a family to one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from core.model_facts import DECODED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.detections import Candidates, Filter
    from core.model_facts import InputContract, ModelFacts

NUM, BOXES = "DecodeNumDetection", "DecodeDetectionBoxes"
"""Outputs of a grafted model, see :class:`DecodedHead`."""
SCORES, CLASSES = "DecodeDetectionScores", "DecodeDetectionClasses"
"""Outputs of a grafted model, see :class:`DecodedHead`."""

Shape = tuple[int | str, ...]
"""``tuple[int | str, ...]``: shape of a tensor; a string is the name of a dynamic axis."""


@dataclass(frozen=True)
class DeviceDecode:
    """The operator that decodes a head on a GPU, with its inputs and attributes.

    A graft that appends this operator uses the same data.

    Attributes:
        name: Name of the operator, e.g. ``YoloLayer_TRT``. A processor without a kernel of this name decodes on the
            host.
        inputs: Names of the network outputs, in the order of the inputs of the kernel.
        attributes: Attributes of the operator, without the score threshold.
    """

    name: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, int | float | tuple[float, ...]] = field(default_factory=dict)


class Head(Protocol):
    """The outputs of one model, and how boxes are decoded from them. Properties may be plain attributes.

    Attributes:
        facts: Facts of the model.
        layout: Layout of the outputs, one of ``ModelFamily.layouts``.
        device_decode: How a kernel does :meth:`candidates` on a GPU; None if only the host can.
    """

    @property
    def facts(self) -> ModelFacts:
        """Facts of the model."""
        ...

    @property
    def layout(self) -> str:
        """Layout of the outputs, one of ``ModelFamily.layouts``."""
        ...

    @property
    def device_decode(self) -> DeviceDecode | None:
        """How a kernel does :meth:`candidates` on a GPU; None if only the host can."""
        ...

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the shape of each output by name, in the order of the outputs, for the input ``contract``."""
        ...

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return the boxes of one image of a batch before NMS.

        Apply ``conf``, ``score_threshold`` and ``multi_label`` of the filter; the processor applies the rest.

        Args:
            outputs: Outputs of a session by name: float32 or float16, in any memory layout. The output of a model with
                one output may have any name.
            index: Index of the image in the batch.
            wanted: Which boxes to keep.
        """
        ...


@runtime_checkable
class PixelHead(Head, Protocol):
    """A head with pixel coordinates and scores in the same output; optional.

    Export compares coordinates and scores with different tolerances.
    """

    def pixels(self) -> slice:
        """Return the slice of the last axis of the output that holds pixel coordinates."""
        ...


@dataclass(frozen=True)
class DecodedHead:
    """The head of a grafted model: the four outputs that every graft produces for every family.

    ``DecodeNumDetection`` int32 [B, 1], ``DecodeDetectionBoxes`` float32 [B, N, 4] (x1, y1, x2, y2 in pixels of the
    network input), ``DecodeDetectionScores`` float32 [B, N], ``DecodeDetectionClasses`` int32 [B, N]. Rows with a score
    above zero are valid, at any position.

    Attributes:
        facts: Facts of the model.
        layout: Always :data:`DECODED`.
        device_decode: Always None: the graph has decoded the boxes.
    """

    facts: ModelFacts
    layout: str = DECODED
    device_decode: DeviceDecode | None = None

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the four shapes; the graft determines the number of rows."""
        batch = batch_axis(contract)
        return {NUM: (batch, 1), BOXES: (batch, "rows", 4), SCORES: (batch, "rows"), CLASSES: (batch, "rows")}

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return the valid rows with a score of at least ``wanted.conf``.

        ``multi_label`` has no effect, since each row has one class.
        """
        import numpy as np

        from core.detections import Candidates

        scores = outputs[SCORES][index]
        valid = np.flatnonzero((scores > 0) & (scores >= wanted.conf))
        return Candidates(
            boxes=outputs[BOXES][index][valid].astype(np.float32, copy=False),
            scores=scores[valid].astype(np.float32, copy=False),
            classes=outputs[CLASSES][index][valid].astype(np.int32),
        )


def batch_axis(contract: InputContract) -> int | str:
    """Return the first axis of an output: the batch size, or ``"batch"`` if it is dynamic.

    Args:
        contract: Input of the model.
    """
    return "batch" if "batch" in contract.dynamic else contract.batch
