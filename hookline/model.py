"""From a file to boxes: ``model = hookline.open("best.pt")``, ``found = model(image)``."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from core.artifacts import AnyModel, Artifact
from core.data.classes import class_ids
from core.detections import Detections, Filter
from core.errors import HooklineError, PlanError, shown, with_article
from core.execution.in_process import make_in_process
from core.kinds.lookup import AUTO
from core.kinds.processor import ProcessorBackend, for_session
from core.kinds.session import Session
from core.model_facts import InputContract
from core.options.fields import shared
from core.options.ranges import Range, out_of_range
from core.planning.opening import missed_boxes, open_model, opener, opening_problems
from core.planning.resolve import resolve_parts
from core.plugins.results import ends_refused, failures_named
from hookline.options import arguments, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.context import RunContext

    Image = NDArray[np.uint8]

_MANY = Range(1, whole=True)
"""Possible values of ``max_det``."""
_FRACTION = Range(0, 1)
"""Possible values of ``conf`` and ``iou``."""
Classes = str | int | Sequence[str | int] | None
Weights = str | os.PathLike[str] | AnyModel
"""A file, an official name, or a model that a run gave."""


@dataclass(frozen=True)
class NamedDetections(Detections):
    """Boxes found in one image, best score first.

    Attributes:
        boxes: float32 [n, 4], x1, y1, x2, y2 in pixels of the image, clipped to it.
        scores: float32 [n], 0..1.
        classes: int32 [n], indices into ``names``.
        names: Class names of the model.
    """

    names: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        """The class name of each box."""
        return [self.names[index] for index in self.classes]


class Model:
    """An opened model: call it with an image. Close it, or use it in a ``with`` block.

    Calls from several threads run one after the other.

    Attributes:
        names: Class names.
        contract: What the network takes: batch, height, width, and how images are prepared.
    """

    names: tuple[str, ...]
    contract: InputContract

    def __init__(
        self, name: str, session: Session, processor: ProcessorBackend, plugins: _Plugins, held: ExitStack
    ) -> None:
        self._name, self._plugins, self._held = name, plugins, held
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
        conf: float = 0.25,
        iou: float = 0.45,
        max_det: int = 300,
        classes: Classes = None,
    ) -> NamedDetections | list[NamedDetections]:
        """Find boxes.

        Args:
            images: One image, or a list of images of any sizes: uint8 [height, width, 3] with channels B, G, R, as
                OpenCV and :func:`hookline.read_image` give them. For R, G, B, pass ``image[..., ::-1]``.
            conf: Minimum score of a box, 0..1.
            iou: Boxes of one class that overlap a better one by more than this are dropped, 0..1.
            max_det: Maximum number of boxes per image.
            classes: Only these classes, names or numbers; None: all.

        Returns:
            Boxes of the image; of a list, a list of the same length.

        Raises:
            HooklineError: An argument is out of range, an image has another form, or the model is closed.
        """
        alone = isinstance(images, str) or not isinstance(images, Sequence)
        pictures = [_image(item) for item in ((images,) if alone else images)]
        wanted = self._filter(conf, iou, max_det, classes)
        step = self.contract.batch
        with self._lock, self._plugins.named():
            found = [
                item
                for start in range(0, len(pictures), step)
                for item in self._detect(pictures[start : start + step], wanted)
            ]
        return found[0] if alone else found

    def close(self) -> None:
        """Free what the model holds. A closed model cannot be called."""
        with self._lock, self._plugins.named():
            self._session = None
            self._held.close()

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
        given = {"conf": conf, "iou": iou, "max_det": max_det}
        for name, value in given.items():
            possible = _MANY if name == "max_det" else _FRACTION
            if plain(value) not in possible:
                raise out_of_range(name, plain(value), possible)
        if self._session is not None and (
            missed := missed_boxes(self._session, conf, f"'{self._name}'", "build it with")
        ):
            self._plugins.context.warn(missed)
        return Filter(conf=conf, iou=iou, max_det=max_det, classes=class_ids(_classes(classes), self.names))


def open(  # noqa: A001  as gzip.open and PIL.Image.open
    weights: Weights,
    *overrides: str,
    device: str | None = None,
    imgsz: int | Sequence[int] | None = None,
    backend: str | None = None,
    processor: str | None = None,
    store: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> Model:
    """Open a model for images in memory.

    Args:
        weights: A checkpoint (.pt, .safetensors), an ONNX file or an engine; the name of an official release; or a
            model that :func:`hookline.build` or :func:`hookline.run` gave.
        overrides: More options as on the command line, e.g. ``"runtimes.onnxruntime.threads=2"``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        imgsz: Input size of a checkpoint, or of a model whose size is dynamic; None: that of the model, else 640.
        backend: The runtime; an engine has its own.
        processor: Pre- and post-processing; None: the best for the device.
        store: Where a converted checkpoint is kept; None: the store of the user.
        quiet: Print nothing.

    Returns:
        The model; it is ready to be called.

    Raises:
        HooklineError: There is no such file, it cannot be read, or it cannot run on the device.
    """
    words: dict[str, object] = {"weights": weights.path if isinstance(weights, Artifact) else weights, "device": device}
    words |= {"imgsz": imgsz, "backend": backend, "processor": processor, "store": store}
    made, request, context = make_in_process(["+stage=load", *arguments(words), *overrides], quiet=quiet)
    model = made[-1]
    if not isinstance(model, AnyModel):
        raise HooklineError(
            f"'{model.path}' is {with_article(type(model).__name__)}, not a model", "give weights or an engine"
        )
    name = model.path.name
    runtime = opener(type(model), getattr(model, "runtime", ""), context)
    problems = list(opening_problems(type(model), runtime, context, f"'{name}'"))
    if request.words.backend not in {AUTO, runtime}:
        problems.append(_other_backend(model, runtime, request.words.backend))
    chosen = resolve_parts(_Processing(request.words.processor), context, problems, [], runtime=runtime)
    if problems:
        raise PlanError(problems)
    parts = (("runtimes", runtime), ("models", model.facts.family), ("processors", chosen.processor))
    plugins = _Plugins(f"'{name}'", context, tuple(part for part in parts if part[1]))
    with plugins.named(), ExitStack() as stack:
        backend_of_processor = context.processor(chosen.processor)
        session = stack.enter_context(open_model(model, context, imgsz=request.words.imgsz))
        return Model(name, session, for_session(backend_of_processor, session), plugins, stack.pop_all())


def read_image(path: str | os.PathLike[str]) -> Image:
    """Read an image file as the stages do: uint8 [height, width, 3] with channels B, G, R, turned as its EXIF says.

    Args:
        path: A file of a format that OpenCV reads.

    Raises:
        HooklineError: It is missing, damaged, or too large.
    """
    from core.files.paths import user_path
    from core.media.picture import UnreadableError, read_picture

    try:
        return read_picture(user_path(path))
    except UnreadableError as error:
        raise HooklineError(f"'{os.fspath(path)}' cannot be read: {error}") from error


def _classes(given: Classes) -> object:
    """Return ``classes=`` without NumPy: what another call found is an array."""
    value = plain(given)
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def _other_backend(model: AnyModel, runtime: str, asked: str) -> HooklineError:
    """Return the error for a runtime that does not open this kind of model."""
    opens = f"{runtime} opens it" if runtime else "its model family opens it"
    return HooklineError(
        f"backend={asked} cannot open '{model.path.name}': {opens}",
        f"build an engine first: hookline.build(..., backend='{asked}')",
    )


@dataclass(frozen=True)
class _Plugins:
    """The plugins whose code an opened model calls.

    Attributes:
        what: The model, in messages.
        context: Has the registry, and gets warnings.
        parts: Kind and name of the parts that the model uses, first the one that computes.
    """

    what: str
    context: RunContext
    parts: tuple[tuple[str, str], ...]

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name the plugin whose code fails in the block, as a run does."""
        registry = self.context.registry
        with (
            failures_named(self.what, self.context, lambda: self.parts),
            ends_refused(self.what, registry.origin(*self.parts[0]), registry),
        ):
            yield


@dataclass(frozen=True)
class _Processing:
    """Names the processor, so that ``auto`` is resolved as in a plan."""

    processor: str = shared("processor", kind="processors")


def _image(given: object) -> Image:
    """Return an image as processors take it.

    Raises:
        HooklineError: It is no array, or one of another type or shape.
    """
    import numpy as np

    if not isinstance(given, np.ndarray):
        hint = "hookline.read_image(path) reads a file" if isinstance(given, str | os.PathLike) else "give an array"
        raise HooklineError(f"an image is a NumPy array, not {shown(given)}", hint)
    if given.dtype != np.uint8 or given.ndim != 3 or given.shape[2] != 3 or not given.size:
        raise HooklineError(
            f"an image is uint8 [height, width, 3], not {given.dtype} {list(given.shape)}",
            "give the pixels as OpenCV reads them: channels B, G, R, values 0..255",
        )
    return np.ascontiguousarray(given)
