"""The head of a model: which outputs it gives, and how boxes are found in them.

The model family owns this knowledge. Export, sessions, processors, evaluate and compare ask a :class:`Head` and know no
formula of any network. :func:`head_of` binds the head of a family to one model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from core.detections import Candidates, Filter
from core.model_facts import DECODED, InputContract, ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NUM, BOXES = "DecodeNumDetection", "DecodeDetectionBoxes"
"""Outputs of a grafted model, see :class:`DecodedHead`."""
SCORES, CLASSES = "DecodeDetectionScores", "DecodeDetectionClasses"
"""Outputs of a grafted model, see :class:`DecodedHead`."""

Shape = tuple[int | str, ...]
"""``tuple[int | str, ...]``: sizes of the axes of a tensor; a name stands for an axis of any size."""


@dataclass(frozen=True)
class DeviceDecode:
    """What a kernel needs to find the candidates of a head in the memory of a GPU.

    A graft that appends the operator of this name takes the same data.

    Attributes:
        name: Of the operator, e.g. ``YoloLayer_TRT``. A processor that has no kernel of this name decodes on the host.
        inputs: Names of the outputs of the network, in the order in which the kernel takes them.
        attributes: Of the operator, without the score threshold.
    """

    name: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, int | float | tuple[float, ...]] = field(default_factory=dict)


class Head(Protocol):
    """The outputs of one model, and how boxes are found in them. Plain attributes will do for the properties.

    Attributes:
        facts: Of the model.
        layout: Which of its family's layouts it has.
        device_decode: What a kernel needs that does :meth:`candidates` on a GPU; None: only the host can.
    """

    @property
    def facts(self) -> ModelFacts:
        """Return the facts of the model."""
        ...

    @property
    def layout(self) -> str:
        """Return which of its family's layouts the model has."""
        ...

    @property
    def device_decode(self) -> DeviceDecode | None:
        """Return the data of a kernel that does :meth:`candidates` on a GPU; None: only the host can."""
        ...

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the shape of each output by name, in order, for the input of ``contract``."""
        ...

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return the boxes of one image of a batch before the NMS.

        Obeys ``conf``, ``score_threshold`` and ``multi_label`` of the filter; the processor does the rest.

        Args:
            outputs: By name, as a session gives them: float32 or float16, in any order of memory. A model of a single
                output may call it by another name.
            index: Which image of the batch.
            wanted: Which boxes to keep.
        """
        ...


@runtime_checkable
class PixelHead(Head, Protocol):
    """A head that gives coordinates in pixels next to scores, in one output; optional.

    The export compares the two with tolerances of their own.
    """

    def pixels(self) -> slice:
        """Return which values along the last axis of the output are in pixels."""
        ...


@dataclass(frozen=True)
class DecodedHead:
    """The head of every grafted model: the four outputs that all grafts give, whatever their family.

    ``DecodeNumDetection`` int32 [B, 1], ``DecodeDetectionBoxes`` float32 [B, N, 4] (x1, y1, x2, y2 in pixels of the
    network input), ``DecodeDetectionScores`` float32 [B, N], ``DecodeDetectionClasses`` int32 [B, N]. Rows with a score
    above zero are valid, wherever they stand.

    Attributes:
        facts: Of the model.
        layout: Always :data:`DECODED`.
        device_decode: Always None: the graph has decoded already.
    """

    facts: ModelFacts
    layout: str = DECODED
    device_decode: DeviceDecode | None = None

    def outputs(self, contract: InputContract) -> Mapping[str, Shape]:
        """Return the four shapes; the number of rows is that of the graft."""
        batch = batch_axis(contract)
        return {NUM: (batch, 1), BOXES: (batch, "rows", 4), SCORES: (batch, "rows"), CLASSES: (batch, "rows")}

    def candidates(self, outputs: Mapping[str, NDArray[np.number]], index: int, wanted: Filter) -> Candidates:
        """Return the valid rows whose score reaches ``wanted.conf``; ``multi_label`` has no effect on one class."""
        import numpy as np

        scores = outputs[SCORES][index]
        valid = np.flatnonzero((scores > 0) & (scores >= wanted.conf))
        return Candidates(
            boxes=outputs[BOXES][index][valid].astype(np.float32, copy=False),
            scores=scores[valid].astype(np.float32, copy=False),
            classes=outputs[CLASSES][index][valid].astype(np.int32),
        )


def batch_axis(contract: InputContract) -> int | str:
    """Return the first axis of an output: the batch, or its name where it is dynamic.

    Args:
        contract: Input of the model.
    """
    return "batch" if "batch" in contract.dynamic else contract.batch
