"""The machine as ONNX Runtime sees it, and its checks."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import onnxruntime as ort

from backends.ort.options import Optimisation
from backends.system.host import Host, with_versions
from backends.system.probing import remedy_for, run_probe
from core.artifacts import Engine
from core.errors import HooklineError, shown
from core.kinds.check import Finding, absent, broken, fine

_IMPORT = "import onnxruntime as ort, json; print(json.dumps([ort.__version__, ort.get_available_providers()]))"


def onnxruntime(here: Host | None = None) -> Iterator[Finding]:
    """One ONNX Runtime, which can be imported, and its execution providers."""
    here = here or Host()
    packages = here.packages_like(r"onnxruntime(-gpu|-directml|-openvino|-rocm|-training|-silicon|-qnn)?")
    if not packages:
        yield absent("ONNX Runtime", "not installed", "pip install onnxruntime")
        return
    if len(packages) > 1:
        names = " ".join(package.name for package in packages)
        found = f"{len(packages)} packages write the same folder onnxruntime: {with_versions(packages)}"
        yield broken("ONNX Runtime", found, f"pip uninstall -y {names} && pip install onnxruntime")
        return
    said, error = run_probe(_IMPORT)
    if error:
        remedy = remedy_for(error, f"pip install --force-reinstall {packages[0].name}")
        yield broken("ONNX Runtime", f"{with_versions(packages)} cannot be imported: {error}", remedy)
        return
    version, providers = said
    shown = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    if "CPUExecutionProvider" not in providers:
        found = f"{version} has no CPU provider, only {shown}"
        yield broken("ONNX Runtime", found, f"pip install --force-reinstall {packages[0].name}")
    else:
        yield fine(
            "ONNX Runtime", f"{version}, providers {shown} (hookline takes CPU)", version=version, providers=shown
        )


CPU_FLAGS = ("avx2", "fma", "avx_vnni", "avx512f", "avx512bw", "avx512_vnni", "amx_int8", "asimddp", "i8mm", "sve")
"""Instruction sets by which ONNX Runtime chooses layouts and int8 kernels."""


def this_machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Facts that an engine depends on."""
    return {
        "onnxruntime": ort.__version__,
        "architecture": platform.machine(),
        "instructions": _instructions(cpuinfo),
    }


def check_machine(engine: Engine, here: Mapping[str, str]) -> None:
    """Refuse an engine of another kind of machine.

    A graph optimised for one CPU holds blocked layouts that compute wrong values, or none, on a CPU
    with another vector width, and another version of ONNX Runtime may not have its fused operators.

    Raises:
        HooklineError: Names each difference and how to rebuild.
    """
    _check_optimisation(engine)
    differences = [
        f"{key} {engine.machine.get(key) or 'none'} (here {here[key] or 'none'})"
        for key in _compared(engine)
        if engine.machine.get(key, "") != here[key]
    ]
    if differences:
        raise HooklineError(
            f"engine '{engine.path.name}' was built for another machine: {', '.join(differences)}",
            f"rebuild it here with +stage=build precision={engine.precision.value}; built with"
            " runtimes.onnxruntime.optimisation=extended it runs on other CPUs of the architecture",
        )


def _check_optimisation(engine: Engine) -> None:
    possible = [item.value for item in Optimisation]
    if (found := engine.machine.get("optimisation", "all")) not in possible:
        raise HooklineError(
            f"the sidecar of engine '{engine.path.name}' says {shown(found)}, not one of {', '.join(possible)}",
            f"rebuild it here with +stage=build precision={engine.precision.value}",
        )


def _compared(engine: Engine) -> tuple[str, ...]:
    """Only layouts that were chosen for a CPU tie an engine to its instruction sets."""
    portable = engine.machine.get("optimisation") != Optimisation.all.value
    return ("onnxruntime", "architecture") if portable else ("onnxruntime", "architecture", "instructions")


def _instructions(cpuinfo: Path) -> str:
    """The flags of :data:`CPU_FLAGS` that this CPU has; the processor's name where there is no ``/proc/cpuinfo``."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    present = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    return " ".join(flag for flag in CPU_FLAGS if flag in present)
