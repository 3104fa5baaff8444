"""What an engine of TensorRT was built on, and whether it fits where it is opened, by NVIDIA's rules for plans.

By default a plan is for the release, the platform and the model of GPU that built it; another card of the same model
does as well. ``runtimes.tensorrt.hardware`` and ``version_compatible`` widen that at build time, and stand in the
settings of the engine.
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
ACROSS = {10: 11}
"""Major releases whose version-compatible plans another major release takes."""
AMPERE = (8, 0)


def this_machine(library: Library, gpu: Gpu) -> dict[str, str]:
    """What decides whether an engine fits; all that the key of the store takes from the machine.

    Cards of one model share engines. Instances of MIG are a model of their own for each profile, which the name tells.
    """
    untold = gpu.uuid.startswith("MIG-") and "MIG" not in gpu.name
    instance = f", instance of MIG of {gpu.total >> 20} MiB" if untold else ""
    return {
        RELEASE: library.version,
        PLATFORM: f"{platform.system()} {platform.machine()}",
        MODEL: f"{gpu.name}{instance}",
        CAPABILITY: gpu.capability,
    }


def machine_facts(library: Library, gpu: Gpu, plugins: Sequence[str] = ()) -> dict[str, str]:
    """What the sidecar of an engine says of the machine: :func:`this_machine`, and what helps to find faults.

    Args:
        library: TensorRT.
        gpu: On which the engine was built.
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
    """Major version of CUDA that the installed package of TensorRT is for; empty where no package tells."""
    for major in ("13", "12"):
        for name in (f"tensorrt-cu{major}", f"tensorrt-cu{major}-bindings"):
            try:
                version(name)
            except PackageNotFoundError:
                continue
            return major
    return ""


def check_fits(engine: Engine, here: Mapping[str, str]) -> None:
    """Refuse an engine that was built for another machine.

    Args:
        engine: By its sidecar; ``settings`` holds the options ``hardware`` and ``version_compatible``.
        here: As :func:`this_machine` gives it.

    Raises:
        HooklineError: Names each difference, how to rebuild, and what makes engines that fit more machines.
    """
    wrong = [key for key, fits in _verdicts(engine, here) if not fits]
    if not wrong:
        return
    differences = (
        f"{WORDS[key]} {engine.machine.get(key) or 'unknown'} (here {here[key] or 'unknown'})" for key in wrong
    )
    wider = "".join(f"; {advice}" for advice in _wider(engine, here, wrong))
    raise HooklineError(
        f"engine '{engine.path.name}' was built for another machine: {', '.join(differences)}",
        f"rebuild it here with {rebuild_command(engine)}{wider}",
    )


def fitting_gpu(engine: Engine, library: Library, device: str) -> Gpu:
    """The GPU to open an engine on: the one that ``device`` chooses, or for ``auto`` the freest that it fits.

    On machines with GPUs of several models the freest of all may be another one now than when the engine was built.

    Raises:
        HooklineError: It fits none; of several GPUs the differences to the freest are told.
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
    """The words that build the engine again."""
    words = ["+stage=build", "weights=<the same>", f"backend={engine.runtime}", f"precision={engine.precision.value}"]
    route, _, method = engine.settings.get("int8", "").partition(" ")
    if route == Int8Route.calibrator:
        words += [f"runtimes.tensorrt.int8={route}", f"runtimes.tensorrt.method={method}"]
    return " ".join(words)


def _verdicts(engine: Engine, here: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    there = engine.machine
    hardware = engine.settings.get("hardware", Hardware.this)
    wide = engine.settings.get("version_compatible") == "True"
    yield RELEASE, there.get(RELEASE) == here[RELEASE] or (wide and _takes(here[RELEASE], there.get(RELEASE, "")))
    yield PLATFORM, there.get(PLATFORM) == here[PLATFORM]
    if hardware == Hardware.this:
        yield MODEL, there.get(MODEL) == here[MODEL]
    if not here[CAPABILITY]:
        return  # NVML does not tell it, as on some boards; TensorRT will
    if hardware == Hardware.ampere_plus:
        yield CAPABILITY, numbers(here[CAPABILITY]) >= AMPERE
    else:
        yield CAPABILITY, there.get(CAPABILITY) == here[CAPABILITY]


def _wider(engine: Engine, here: Mapping[str, str], wrong: Sequence[str]) -> Iterator[str]:
    """Options with which the engine would have fitted."""
    there = engine.machine
    if MODEL in wrong and CAPABILITY not in wrong and here[CAPABILITY]:
        yield f"runtimes.tensorrt.hardware=same_compute_capability fits every GPU of {here[CAPABILITY]}"
    if CAPABILITY in wrong and min(numbers(there.get(CAPABILITY, "")), numbers(here[CAPABILITY])) >= AMPERE:
        yield "runtimes.tensorrt.hardware=ampere_plus fits GPUs of 8.0 and later"
    if RELEASE in wrong and _takes(here[RELEASE], there.get(RELEASE, "")):
        yield "runtimes.tensorrt.version_compatible=true fits later releases too"


def _takes(release: str, plan: str) -> bool:
    """Whether a release opens the version-compatible plans of another: later ones do, within bounds."""
    running, built = numbers(release), numbers(plan)
    return bool(built) and running >= built and running[0] in {built[0], ACROSS.get(built[0])}


def numbers(text: str) -> tuple[int, ...]:
    """``10.16.1.11`` -> (10, 16, 1, 11); empty where it is no such thing."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()
