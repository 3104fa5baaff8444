"""Describe the machine of a TensorRT engine, and check that an engine fits the machine that opens it.

By default a plan fits the TensorRT release, the platform and the GPU model of its build; another card of the same
model fits too. ``runtimes.tensorrt.hardware`` and ``version_compatible`` extend this at build time; the settings of the
engine store both.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from backends.nvidia import gpu as nvidia_gpu
from backends.nvidia.nvml import Gpu
from backends.trt.library import Library
from backends.trt.options import Hardware
from core.artifacts import Engine
from core.errors import HooklineError
from core.model_facts import Int8Route

RELEASE, PLATFORM, MODEL, CAPABILITY = "tensorrt", "platform", "gpu", "capability"
WORDS = {RELEASE: "TensorRT", PLATFORM: "platform", MODEL: "GPU", CAPABILITY: "compute capability"}
NEXT_MAJOR = {10: 11}
"""Major release of version-compatible plans, and the next major release that opens them."""
AMPERE = (8, 0)


def this_machine(library: Library, gpu: Gpu) -> dict[str, str]:
    """Return the facts that decide whether an engine fits; the store key contains them.

    Cards of one model share engines. Each MIG profile counts as a model; the name states it.
    """
    unnamed = gpu.uuid.startswith("MIG-") and "MIG" not in gpu.name
    instance = f", MIG instance of {gpu.total >> 20} MiB" if unnamed else ""
    return {
        RELEASE: library.version,
        PLATFORM: f"{platform.system()} {platform.machine()}",
        MODEL: f"{gpu.name}{instance}",
        CAPABILITY: gpu.capability,
    }


def machine_facts(library: Library, gpu: Gpu, plugins: Sequence[str] = ()) -> dict[str, str]:
    """Return the machine entry of an engine's sidecar: :func:`this_machine`, and facts for diagnosis.

    Args:
        library: TensorRT.
        gpu: The GPU of the build.
        plugins: Names of the operators that must be registered before the plan is opened.
    """
    return {
        **this_machine(library, gpu),
        "uuid": gpu.uuid,
        "driver": gpu.driver,
        "cuda": cuda_of_package(),
        "system": platform.platform(terse=True),
        "plugins": ",".join(plugins),
    }


def cuda_of_package() -> str:
    """Return the CUDA major version of the installed TensorRT package; empty if it is unknown."""
    for major in ("13", "12"):
        for name in (f"tensorrt-cu{major}", f"tensorrt-cu{major}-bindings"):
            try:
                version(name)
            except PackageNotFoundError:
                continue
            return major
    return ""


def check_fits(engine: Engine, machine: Mapping[str, str]) -> None:
    """Refuse an engine that was built for another machine.

    Args:
        engine: Its settings hold the options ``hardware`` and ``version_compatible``.
        machine: This machine, from :func:`this_machine`.

    Raises:
        HooklineError: Names each difference, the rebuild command, and the options for engines that fit more machines.
    """
    wrong = [key for key, fits in _verdicts(engine, machine) if not fits]
    if not wrong:
        return
    differences = (
        f"{WORDS[key]} {engine.machine.get(key) or 'unknown'} (here {machine[key] or 'unknown'})" for key in wrong
    )
    wider = "".join(f"; {advice}" for advice in _wider(engine, machine, wrong))
    raise HooklineError(
        f"engine '{engine.path.name}' was built for another machine: {', '.join(differences)}",
        f"rebuild it here with {rebuild_command(engine)}{wider}",
    )


def fitting_gpu(engine: Engine, library: Library, device: str) -> Gpu:
    """Return the GPU to open an engine on: the one that ``device`` names; for ``auto`` the one with most free memory.

    ``auto`` considers only GPUs that the engine fits, because the machine may have GPUs of several models.

    Raises:
        HooklineError: The engine fits no GPU; names the differences to the one with most free memory.
        UnavailableError: There is no GPU.
    """
    chosen = nvidia_gpu.choose(device)
    refused = _refusal(engine, library, chosen)
    if refused is None:
        return chosen
    others = sorted(nvidia_gpu.gpus(), key=lambda gpu: gpu.free, reverse=True) if device in {"auto", "cuda"} else []
    for gpu in others:
        if _refusal(engine, library, gpu) is None:
            return gpu
    raise refused


def _refusal(engine: Engine, library: Library, gpu: Gpu) -> HooklineError | None:
    try:
        check_fits(engine, this_machine(library, gpu))
    except HooklineError as refused:
        return refused
    return None


def rebuild_command(engine: Engine) -> str:
    """Return the command line that rebuilds an engine."""
    arguments = [
        "+stage=build",
        "weights=<the same>",
        f"backend={engine.runtime}",
        f"precision={engine.precision.value}",
    ]
    route, _, method = engine.settings.get("int8", "").partition(" ")
    if route == Int8Route.calibrator:
        arguments += [f"runtimes.tensorrt.int8={route}", f"runtimes.tensorrt.method={method}"]
    return " ".join(arguments)


def _verdicts(engine: Engine, machine: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    built = engine.machine
    hardware = engine.settings.get("hardware", Hardware.this)
    wide = engine.settings.get("version_compatible") == "True"
    yield RELEASE, built.get(RELEASE) == machine[RELEASE] or (wide and _opens(machine[RELEASE], built.get(RELEASE, "")))
    yield PLATFORM, built.get(PLATFORM) == machine[PLATFORM]
    if hardware == Hardware.this:
        yield MODEL, built.get(MODEL) == machine[MODEL]
    if not machine[CAPABILITY]:
        return  # NVML does not report it on some boards; TensorRT checks it
    if hardware == Hardware.ampere_plus:
        yield CAPABILITY, numbers(machine[CAPABILITY]) >= AMPERE
    else:
        yield CAPABILITY, built.get(CAPABILITY) == machine[CAPABILITY]


def _wider(engine: Engine, machine: Mapping[str, str], wrong: Sequence[str]) -> Iterator[str]:
    """Yield the options with which the engine would have fitted."""
    built = engine.machine
    if MODEL in wrong and CAPABILITY not in wrong and machine[CAPABILITY]:
        yield f"runtimes.tensorrt.hardware=same_compute_capability fits all GPUs of {machine[CAPABILITY]}"
    if CAPABILITY in wrong and min(numbers(built.get(CAPABILITY, "")), numbers(machine[CAPABILITY])) >= AMPERE:
        yield "runtimes.tensorrt.hardware=ampere_plus fits GPUs of compute capability 8.0 and later"
    if RELEASE in wrong and _opens(machine[RELEASE], built.get(RELEASE, "")):
        yield "runtimes.tensorrt.version_compatible=true fits later releases too"


def _opens(release: str, plan: str) -> bool:
    """Return whether a release opens version-compatible plans of another: later releases do, within limits."""
    running, builder = numbers(release), numbers(plan)
    return bool(builder) and running >= builder and running[0] in {builder[0], NEXT_MAJOR.get(builder[0])}


def numbers(text: str) -> tuple[int, ...]:
    """Return (10, 16, 1, 11) for ``10.16.1.11``; empty for other text."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
