"""Read and set the target cards: ``runtimes.tensorrt_rtx.compute_capabilities=[sm86,sm89,sm120]``."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType

from backends.nvidia.gpu import choose
from backends.nvidia.nvml import Gpu
from backends.trt.builder_types import IBuilderConfig
from backends.trt_rtx.options import CURRENT, only_current
from core.errors import HooklineError, UnavailableError, unknown

_NOT_NAMED = {"NONE", "CURRENT"}


def read_targets(names: Sequence[str], trt: ModuleType, device: str = "auto") -> tuple[str, ...]:
    """Return the requested compute capabilities without duplicates, as ``sm86``.

    Args:
        names: ``sm86``, ``8.6`` or ``86``; or only ``current``, for the GPU of this machine.
        trt: The module ``tensorrt_rtx``, which lists the possible ones.
        device: The GPU of ``current``.

    Raises:
        HooklineError: This release does not support a name, ``current`` is one of several, or has no GPU.
    """
    known = [name.lower() for name in trt.ComputeCapability.__members__ if name not in _NOT_NAMED]
    if only_current(names):
        return (_of_gpu(_gpu_here(device), known),)
    targets = tuple(dict.fromkeys(_target(str(name)) for name in names))
    if CURRENT in targets:
        raise HooklineError(
            "runtimes.tensorrt_rtx.compute_capabilities contains 'current' and other cards",
            "name all cards, or set [current] only",
        )
    for given, target in zip(names, map(_target, map(str, names)), strict=True):
        if target not in known:
            raise unknown("compute capability", given, [CURRENT, *known])
    return targets


def set_targets(trt: ModuleType, config: IBuilderConfig, targets: Sequence[str]) -> None:
    """Set the target cards of a build; an empty list leaves the choice to TensorRT-RTX.

    Args:
        trt: The module ``tensorrt_rtx``.
        config: The ``IBuilderConfig`` of the build.
        targets: From :func:`read_targets`.

    Raises:
        HooklineError: TensorRT-RTX refuses them.
    """
    if not targets:
        return
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        if not config.set_compute_capability(trt.ComputeCapability.__members__[target.upper()], index):
            raise HooklineError(
                f"TensorRT-RTX refuses the compute capabilities {', '.join(targets)}", "name fewer cards"
            )


def card_here(device: str) -> str:
    """Return the compute capability of the GPU that ``device`` names; empty if there is none."""
    try:
        return target_of(choose(device))
    except HooklineError:
        return ""


def target_of(gpu: Gpu) -> str:
    """Return ``sm89`` for a GPU of compute capability 8.9."""
    return _target(gpu.capability)


def _gpu_here(device: str) -> Gpu:
    try:
        return choose(device)
    except UnavailableError as problem:
        raise UnavailableError(
            f"runtimes.tensorrt_rtx.compute_capabilities=[current]: {problem.message}",
            "name the cards instead, e.g. [sm86,sm89,sm120]",
        ) from problem


def _of_gpu(gpu: Gpu, known: Sequence[str]) -> str:
    if (target := target_of(gpu)) not in known:
        raise HooklineError(
            f"TensorRT-RTX does not support the {gpu.name} here, of compute capability {gpu.capability}",
            f"possible: {', '.join(known)}; or set backend=tensorrt",
        )
    return target


def _target(name: str) -> str:
    """Return ``sm86`` for ``8.6``, ``86``, ``sm_86`` and ``SM86``."""
    short = name.strip().lower().removeprefix("sm").removeprefix("_").replace(".", "")
    return f"sm{short}" if short.isdigit() else name.strip().lower()
