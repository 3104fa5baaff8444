"""Runtimes: the descriptor, and the protocols that build engines, open models and record activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.kinds.part import DevicePart
from core.kinds.quantizer import QdqStyle
from core.kinds.session import Session
from core.model_facts import CalibrationInput, Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.building import BuildJob


class ActivationRecorder(Protocol):
    """A float32 model that exposes its activations, for calibration.

    Attributes:
        tensors: Names of the tensors that ``run`` yields: the input, and every float32 tensor of the ONNX graph that
            depends on it, outputs included. Use the names of the graph: a quantizer looks up ranges by them.
    """

    tensors: Sequence[str]

    def run(self, images: NDArray[np.float32]) -> Iterable[tuple[str, NDArray[np.float32]]]:
        """Run inference on one batch and yield each tensor of ``tensors`` with its name.

        Args:
            images: float32 [B, 3, H, W] as in the contract of the model; a static batch is always full.
        """
        ...

    def __enter__(self) -> ActivationRecorder: ...

    def __exit__(self, *error: object) -> None: ...


class RuntimeBackend(Protocol):
    """The implementation of a runtime."""

    def machine(self, device: str = "auto") -> Mapping[str, str]:
        """Return the facts of this machine that an engine for ``device`` depends on: versions, processor or GPU.

        They are part of the store key of ``build``, except those in ``Runtime.portable``. Write them into
        ``Engine.machine``, with further facts if you like, and compare them in ``open``. The stage build refuses an
        engine whose ``machine`` lacks one of these facts or has another value for it.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. For ``auto``, choose the device that ``build`` uses, and
                the same one for the whole process.
        """
        ...

    def build(self, job: BuildJob) -> Engine:
        """Build an engine into the file ``job.target`` and run it ``job.warmup`` times.

        Args:
            job: What to build.

        Returns:
            The engine, with ``path=job.target``; :class:`Engine` describes the other fields.

        Raises:
            HooklineError: The model, the sizes or the options cannot be built on this machine.
        """
        ...

    def open(self, model: OnnxModel | Engine, *, device: str) -> Session:
        """Open an engine or, with ``Runtime.opens_onnx``, an ONNX model.

        The options passed to ``load`` are those of the current run. They may differ from those that the engine was
        built with, and ``check_build`` is not called. If the difference matters, compare them with ``engine.settings``.

        Args:
            model: The engine or model. Call :func:`check_engine_file` before you read the file of an engine.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            HooklineError: The engine does not fit this machine. State the difference and how to rebuild the engine.
        """
        ...


@runtime_checkable
class RecordingRuntime(RuntimeBackend, Protocol):
    """The implementation of a runtime that records activations (``Runtime.records_activations``); optional."""

    def record_activations(self, model: OnnxModel) -> ActivationRecorder:
        """Open an exported float32 model so that all float activations can be observed.

        Args:
            model: The model, as exported.
        """
        ...


def _never_calibrates() -> CalibrationInput:
    return CalibrationInput.none


def _no_build_problems() -> tuple[HooklineError, ...]:
    return ()


def _nothing_portable() -> frozenset[str]:
    return frozenset()


@dataclass(frozen=True, kw_only=True)
class Runtime(DevicePart[RuntimeBackend]):
    """An inference runtime: it builds engines and opens them as sessions.

    Attributes:
        precisions: Precisions that it can build.
        qdq: Its rules for Q/DQ pairs; required for int8 unless it quantises models itself.
        fixed_sizes: It supports no operators with data-dependent output sizes, such as NonZero, or cannot capture them
            in a CUDA graph. Grafts then keep one row per cell and fill rows without a box with zeros.
        opens_onnx: ``open`` accepts ONNX models: exported, quantised and grafted ones. The runtime that opens them is
            that of ``backend=``, or else the available one with the highest rank.
        records_activations: The implementation is a :class:`RecordingRuntime`. The stage calibrate chooses one in the
            same way.
        operators: Non-standard ONNX operators that it implements, e.g. ``YoloLayer_TRT``.
        functions: It runs model-local ONNX functions.
        engine_suffix: File suffix of its engines, and of ``BuildJob.target``, e.g. ``.engine``.
        other_suffixes: Further file suffixes of its engines. A file with one of them and without a sidecar is reported
            as an engine with a missing sidecar.
        shapes: It supports ``build.batch`` and ``build.imgsz``, numbers or ranges. Otherwise the plan refuses them.
        calibrates: ``calibrates(options)`` returns the ``CalibrationInput`` that it needs to quantise a float32 model
            itself for ``precision=int8``: ``none``, ``images`` or ``table``. With ``images`` or ``table``, the stage
            quantize leaves the model unchanged, and ``BuildJob.calibration`` is set.
        check_build: ``check_build(options, request)`` yields problems with a ``BuildRequest`` that are known before
            anything runs.
        portable: ``portable(options)`` returns the names of the facts of ``machine`` that its engines do not depend on.
            An engine is reused where only these facts differ.
        builds_anywhere: Only opening an engine needs the device; building does not.
    """

    kind: ClassVar[str] = "runtimes"
    precisions: frozenset[Precision]
    qdq: QdqStyle | None = None
    fixed_sizes: bool = False
    opens_onnx: bool = False
    records_activations: bool = False
    operators: frozenset[str] = frozenset()
    functions: bool = False
    engine_suffix: str = ".engine"
    other_suffixes: frozenset[str] = frozenset()
    shapes: bool = False
    calibrates: Callable[..., CalibrationInput] = _never_calibrates
    check_build: Callable[..., Iterable[HooklineError]] = _no_build_problems
    portable: Callable[..., frozenset[str]] = _nothing_portable
    builds_anywhere: bool = False
