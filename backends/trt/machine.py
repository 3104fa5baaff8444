"""What an engine of TensorRT was built with and for, and whether that fits where it is opened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version

from backends.trt.devices import Gpu
from backends.trt.library import Library
from backends.trt.options import Hardware
from core.artifacts import Engine
from core.errors import HooklineError

AMPERE = (8, 0)


def this_machine(library: Library, gpu: Gpu) -> dict[str, str]:
    """What an engine built here depends on. GPUs of one kind share engines, so it names no single one."""
    return {
        "tensorrt": library.version,
        "cuda": cuda_of_package(),
        "driver": gpu.driver,
        "gpu": gpu.name,
        "capability": gpu.capability,
    }


def check_fits(engine: Engine, here: Mapping[str, str]) -> None:
    """Refuse an engine that this TensorRT or GPU cannot run, or would run badly.

    Args:
        engine: From its sidecar.
        here: :func:`this_machine`.

    Raises:
        HooklineError: Names each difference and how to rebuild.
    """
    differences = [
        f"{title} {engine.machine.get(key) or 'unknown'} (here {here.get(key) or 'unknown'})"
        for key, title in _compared(engine, here)
    ]
    if differences:
        raise HooklineError(
            f"engine '{engine.path.name}' was built for another machine: {', '.join(differences)}",
            f"rebuild it here with +stage=build backend={engine.runtime} precision={engine.precision.value}",
        )


def _compared(engine: Engine, here: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Keys in which the machines differ so that it matters, and their titles. The driver does not."""
    built, now = engine.machine.get("tensorrt", ""), here.get("tensorrt", "")
    later = engine.settings.get("version_compatible") == "True" and _numbers(now) >= _numbers(built)
    if built != now and not later:
        yield "tensorrt", "TensorRT"
    hardware = engine.settings.get("hardware", Hardware.this.value)
    same_card = engine.machine.get("capability", "") == here.get("capability", "")
    if hardware == Hardware.ampere_plus.value:
        if _numbers(here.get("capability", "")) < AMPERE:
            yield "capability", "compute capability"
    elif not same_card:
        yield "capability", "compute capability"
    if hardware == Hardware.this.value and engine.machine.get("gpu", "") != here.get("gpu", ""):
        yield "gpu", "GPU"


def cuda_of_package() -> str:
    """Major version of CUDA that the installed package of TensorRT is for; empty where no package tells."""
    for major in ("13", "12", "11"):
        for name in (f"tensorrt-cu{major}", f"tensorrt-cu{major}-bindings"):
            try:
                version(name)
            except PackageNotFoundError:
                continue
            return major
    return ""


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())
