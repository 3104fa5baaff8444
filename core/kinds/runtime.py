"""Runtimes: build engines, open models, record activations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from core.artifacts import Engine, OnnxModel
from core.errors import HooklineError
from core.kinds.building import BuildJob, CalibrationInput
from core.kinds.part import DevicePart
from core.kinds.quantizer import QdqStyle
from core.kinds.session import Session
from core.model_facts import Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# --- runtimes ---------------------------------------------------------------------------------


class ActivationRecorder(Protocol):
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

    def __enter__(self) -> ActivationRecorder: ...

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
class RecordingRuntime(RuntimeBackend, Protocol):
    """The heavy half of a runtime that records activations (``Runtime.records_activations``); optional."""

    def record_activations(self, model: OnnxModel) -> ActivationRecorder:
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
        records_activations: The heavy half is a :class:`RecordingRuntime`; calibrate takes one, as for ``opens_onnx``.
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
