"""Describe the machine of an engine, and check that an engine fits this machine."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import onnxruntime as ort

from backends.ort.options import Optimisation
from core.artifacts import Engine
from core.errors import HooklineError, shown

CPU_FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "amx_int8", "asimddp", "i8mm", "sve")
"""Instruction sets that decide on the layouts and int8 kernels of ONNX Runtime."""


def this_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Return the machine facts that an engine depends on."""
    return {
        "onnxruntime": ort.__version__,
        "architecture": platform.machine(),
        "instructions": _instructions(cpuinfo),
    }


def check_machine(engine: Engine, machine: Mapping[str, str]) -> None:
    """Refuse an engine that was built for another kind of machine.

    A graph optimised for one CPU has blocked layouts, which fail or compute wrong values on a CPU with another vector
    width. Another version of ONNX Runtime may not have its fused operators.

    Raises:
        HooklineError: Names each difference and the rebuild command.
    """
    _check_optimisation(engine)
    differences = [
        f"{key} {engine.machine.get(key) or 'none'} (here {machine[key] or 'none'})"
        for key in _compared(engine)
        if engine.machine.get(key, "") != machine[key]
    ]
    if differences:
        raise HooklineError(
            f"engine '{engine.path.name}' was built for another machine: {', '.join(differences)}",
            f"rebuild it here with +stage=build precision={engine.precision.value}; with"
            " runtimes.onnxruntime.optimisation=extended it runs on other CPUs of the same architecture",
        )


def _check_optimisation(engine: Engine) -> None:
    possible = [item.value for item in Optimisation]
    if (found := engine.machine.get("optimisation", "all")) not in possible:
        raise HooklineError(
            f"the sidecar of engine '{engine.path.name}' has the optimisation {shown(found)}, which is not one of"
            f" {', '.join(possible)}",
            f"rebuild it here with +stage=build precision={engine.precision.value}",
        )


def _compared(engine: Engine) -> tuple[str, ...]:
    """Return the compared facts. Instruction sets count only if the graph has layouts for one CPU."""
    portable = engine.machine.get("optimisation") != Optimisation.all.value
    return ("onnxruntime", "architecture") if portable else ("onnxruntime", "architecture", "instructions")


def _instructions(cpuinfo: Path) -> str:
    """Return the :data:`CPU_FLAGS` of this CPU; without ``/proc/cpuinfo`` the name of the processor."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    present = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return " ".join(flag for flag in CPU_FLAGS if flag in present)
