"""An opened model for images in memory: ``found = model(image)``."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from core.containment.failures import ends_refused, failures_named
from core.data.classes import class_ids
from core.detections import DEFAULT_CONF, DEFAULT_IOU, Detections, Filter
from core.errors import HooklineError, shown
from core.inference.open_model import warning_of_missed_boxes
from core.kinds.processor import ProcessorBackend
from core.kinds.session import Session
from core.model_facts import InputContract
from core.options.ranges import Range
from hookline.options import COUNT, check_range, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.context import RunContext

    Image = NDArray[np.uint8]

_FRACTION = Range(0, 1)
"""Valid values of ``conf`` and ``iou``."""
Classes = str | int | Sequence[str | int] | None


@dataclass(frozen=True)
class NamedDetections(Detections):
    """Boxes in one image, highest score first.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the image, clipped to it.
        scores: float32 [n], 0 to 1.
        classes: int32 [n], indices into ``names``.
        names: Class names of the model.
    """

    names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The class name of each box."""
        return [self.names[index] for index in self.classes]


@dataclass(frozen=True)
class PluginFailures:
    """The plugins that an opened model calls.

    Attributes:
        model: Name of the model in messages.
        context: Provides the registry, and prints warnings.
        parts: Kind and name of the parts that the model uses; the part that computes comes first.
    """

    model: str
    context: RunContext
    parts: tuple[tuple[str, str], ...]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name the plugin in the errors of the block, as in a run."""
        registry = self.context.registry
        with (
            failures_named(self.model, self.context, lambda: self.parts),
            ends_refused(self.model, registry.origin(*self.parts[0]), registry),
        ):
            yield


class Model:
    """An opened model. Call it with an image or a list of images; close it, or use it in a ``with`` block.

    Calls from several threads run one after another.

    Attributes:
        names: Class names.
        contract: Input of the network: batch, height, width, and preprocessing.
    """

    names: tuple[str, ...]
    contract: InputContract

    def __init__(
        self, name: str, session: Session, processor: ProcessorBackend, plugins: PluginFailures, resources: ExitStack
    ) -> None:
        self._name, self._plugins, self._resources = name, plugins, resources
        self._session: Session | None = session
        self._processor = processor
        self._lock = threading.Lock()
        self._head = plugins.context.head(session.facts, session.layout)
        self.names, self.contract = session.facts.names, session.contract

    @overload
    def __call__(
        self,
        images: Image,
        *,
        conf: float = ...,
        iou: float = ...,
        max_det: int = ...,
        classes: Classes = ...,
    ) -> NamedDetections: ...

    @overload
    def __call__(
        self,
        images: Sequence[Image],
        *,
        conf: float = ...,
        iou: float = ...,
        max_det: int = ...,
        classes: Classes = ...,
    ) -> list[NamedDetections]: ...

    def __call__(
        self,
        images: Image | Sequence[Image],
        *,
        conf: float = DEFAULT_CONF,
        iou: float = DEFAULT_IOU,
        max_det: int = 300,
        classes: Classes = None,
    ) -> NamedDetections | list[NamedDetections]:
        """Detect objects.

        Args:
            images: One image, or a list of images of any sizes: uint8 [height, width, 3] with channels B, G, R, as
                returned by OpenCV and :func:`hookline.read_image`. Convert R, G, B with ``image[..., ::-1]``.
            conf: Confidence threshold: minimum score of a box, 0 to 1.
            iou: IoU threshold of NMS: a box that overlaps a better box of its class by more is dropped, 0 to 1.
            max_det: Maximum number of boxes per image.
            classes: Detect only these classes, by name or index; None for all.

        Returns:
            The boxes of the image; for a list, one entry per image.

        Raises:
            HooklineError: An argument is out of range, an image has the wrong type or shape, or the model is closed.
        """
        single = isinstance(images, str) or not isinstance(images, Sequence)
        arrays = [_checked_image(item) for item in ((images,) if single else images)]
        wanted = self._filter(conf, iou, max_det, classes)
        step = self.contract.batch
        with self._lock, self._plugins.named():
            found = [
                item
                for start in range(0, len(arrays), step)
                for item in self._detect(arrays[start : start + step], wanted)
            ]
        return found[0] if single else found

    def close(self) -> None:
        """Free all resources. A closed model cannot be called."""
        with self._lock, self._plugins.named():
            self._session = None
            self._resources.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self._session else ", closed"
        return f"<hookline.Model '{self._name}', {len(self.names)} classes{state}>"

    def _detect(self, images: list[Image], wanted: Filter) -> list[NamedDetections]:
        session = self._session
        if session is None:
            raise HooklineError(f"the model '{self._name}' is closed", "open it again")
        prepared, letterboxes = self._processor.prepare(images, session.contract)
        outputs = session.run(prepared)
        found = self._processor.detect(outputs, self._head, letterboxes, wanted)
        return [NamedDetections(item.boxes, item.scores, item.classes, self.names) for item in found]

    def _filter(self, conf: float, iou: float, max_det: int, classes: Classes) -> Filter:
        check_range("conf", conf, _FRACTION)
        check_range("iou", iou, _FRACTION)
        check_range("max_det", max_det, COUNT)
        if self._session is not None and (
            missed := warning_of_missed_boxes(self._session, conf, f"'{self._name}'", "build it with")
        ):
            self._plugins.context.warn(missed)
        return Filter(conf=conf, iou=iou, max_det=max_det, classes=class_ids(_without_numpy(classes), self.names))


def _without_numpy(classes: Classes) -> object:
    """Return ``classes`` with Python numbers: class ids from detections are NumPy arrays."""
    value = plain(classes)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _checked_image(given: object) -> Image:
    """Return an image as a contiguous array.

    Raises:
        HooklineError: It is not an array, or has the wrong type or shape.
    """
    import numpy as np

    if not isinstance(given, np.ndarray):
        hint = "hookline.read_image(path) reads a file" if isinstance(given, str | os.PathLike) else "give an array"
        raise HooklineError(f"an image must be a NumPy array, not {shown(given)}", hint)
    if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or not given.size:
        raise HooklineError(
            f"an image must be uint8 [height, width, 3], not {given.dtype} {list(given.shape)}",
            "give the pixels as OpenCV reads them: channels B, G, R, values 0..255",
        )
    return np.ascontiguousarray(given)
