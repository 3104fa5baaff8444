"""CUDA of torch, CuPy and TensorRT beside each other and against the driver; the runtime and nvcc."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from backends.nvidia.facts import cuda_version, driver_cuda, driver_facts, library_major
from backends.system.host import Host
from backends.system.libraries import find_libraries
from backends.system.native import ask, remedy_for
from core.kinds.check import Finding, absent, broken, doubtful, fine

CUPY = r"cupy-cuda(\d\d)(?:x|\d)"
TENSORRT = r"tensorrt-(?:rtx-|lean-|dispatch-)?cu(\d\d)(?:-libs|-bindings)?"
USES = "CuPy, TensorRT and their libraries are to be made for one CUDA"


def majors(here: Host | None = None) -> Iterator[Finding]:
    """One major version of CUDA for all, not newer than the driver's."""
    here = here or Host()
    users = cuda_users(here)
    if not users:
        return
    shown = ", ".join(f"{name} for CUDA {version}" for name, version in users.items())
    numbers = {name: int(version.split(".")[0]) for name, version in users.items()}
    late = _too_new(numbers, here)
    if len(set(numbers.values())) > 1:
        yield doubtful("CUDA majors", f"they differ: {shown}", late.remedy if late else _one_major(numbers), **users)
    else:
        yield fine("CUDA majors", shown, **users)
    if late:
        yield late


def torch_build(here: Host | None = None) -> Iterator[Finding]:
    """Whether PyTorch, which trains, can use the GPU."""
    here = here or Host()
    package = here.packages.get("torch")
    if package is None or not driver_facts(here).there:
        return
    cuda = _torch_cuda(here)
    if cuda:
        yield fine("torch", f"{package.version}, built for CUDA {cuda}", version=package.version, cuda=cuda)
        return
    yield doubtful(
        "torch",
        f"{package.version} is built without CUDA: training runs on the CPU",
        "install PyTorch for CUDA as https://pytorch.org/get-started says",
        version=package.version,
    )


def runtime(here: Host | None = None) -> Iterator[Finding]:
    """The CUDA runtime, one file for each major version. Nothing here needs it: others hold one of their own."""
    here = here or Host()
    paths = by_major(find_libraries("libcudart.so*", here))
    if not paths:
        yield absent(
            "CUDA runtime",
            "libcudart is nowhere; CuPy and TensorRT hold one of their own, CuPy asks this one for its version only",
            "pip install nvidia-cuda-runtime (nvidia-cuda-runtime-cu12 for CUDA 12)",
        )
    for major, path in paths.items():
        answer = ask(path, function="cudaRuntimeGetVersion", arguments=1)
        if answer.error or answer.status:
            found = f"{path} cannot be used: {answer.error or f'CUDA error {answer.status}'}"
            remedy = f"pip install --force-reinstall {packaged('runtime', major)}"
            yield doubtful("CUDA runtime", found, remedy_for(answer.error, remedy))
        else:
            version = "{}.{}".format(*cuda_version(answer.values[0]))
            yield fine("CUDA runtime", f"{version} at {here.brief(path)}", version=version, path=str(path))


def nvcc(here: Host | None = None) -> Iterator[Finding]:
    """The compiler, which only compiling ahead of time needs."""
    here = here or Host()
    path = shutil.which(
        "nvcc", path=":".join([here.environment.get("PATH", ""), str(here.path("/usr/local/cuda/bin"))])
    )
    if path is None:
        yield absent(
            "nvcc", "not found; hookline does not need it", "install a CUDA toolkit to compile kernels ahead of time"
        )
        return
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, encoding="utf-8", errors="replace", timeout=10, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        yield doubtful("nvcc", f"{path} does not run: {error}", "reinstall the CUDA toolkit, or take it off PATH")
        return
    match = re.search(r"release ([\d.]+)", said)
    version = match.group(1) if match else "of unknown version"
    yield fine("nvcc", f"{version} at {path}", version=version, path=path)


def cuda_users(here: Host) -> dict[str, str]:
    """Name -> version of CUDA of each installed package that is made for one."""
    found = {}
    if torch := _torch_cuda(here):
        found["torch"] = torch
    if cupy := cupy_major(here):
        found["CuPy"] = str(cupy)
    for package in here.packages_like(TENSORRT):
        match = re.fullmatch(TENSORRT, package.name)
        assert match is not None
        found["TensorRT-RTX" if "-rtx-" in package.name else "TensorRT"] = match.group(1)
    return found


def cupy_major(here: Host) -> int:
    """Major version of CUDA that the installed CuPy is for; 0 where there is none, or it was built from source."""
    numbers = [int(match.group(1)) for name in here.packages if (match := re.fullmatch(CUPY, name))]
    return max(numbers, default=0)


def _torch_cuda(here: Host) -> str:
    """What ``torch.version.cuda`` will say, read from its file."""
    package = here.packages.get("torch")
    file = package.site / "torch" / "version.py" if package else None
    text = file.read_text(encoding="utf-8", errors="replace") if file and file.is_file() else ""
    match = re.search(r"^cuda\b[^=]*=\s*['\"]([\d.]+)", text, re.MULTILINE)
    return match.group(1) if match else ""


def _one_major(numbers: Mapping[str, int]) -> str:
    """TensorRT is the hardest to exchange, so the others follow it."""
    major = numbers.get("TensorRT") or numbers.get("TensorRT-RTX") or max(numbers.values())
    steps = []
    if (cupy := numbers.get("CuPy", major)) != major:
        steps.append(f"pip uninstall -y cupy-cuda{cupy}x && pip install 'cupy-cuda{major}x[ctk]'")
    if numbers.get("torch", major) != major:
        steps.append(f"install PyTorch for CUDA {major} as https://pytorch.org/get-started says")
    if not steps:
        steps.append(f"pip install tensorrt-cu{major} tensorrt-rtx-cu{major}, whichever is there for another")
    return f"{USES}: {'; '.join(steps)}"


def _too_new(numbers: Mapping[str, int], here: Host) -> Finding | None:
    facts = driver_facts(here)
    _, served = driver_cuda(facts) if facts.libraries else (None, None)
    late = [name for name, major in numbers.items() if served and major > served[0]]
    if served is None or not late:
        return None
    return broken(
        "CUDA of the driver",
        f"the driver serves CUDA up to {served[0]}.{served[1]}; {', '.join(late)} need {max(numbers.values())}",
        f"update the driver, or install cupy-cuda{served[0]}x and tensorrt-cu{served[0]} in place of those",
    )


def by_major(paths: Iterable[Path]) -> dict[int, Path]:
    """The first file of each major version; what a program gets by that name."""
    found: dict[int, Path] = {}
    for path in paths:
        found.setdefault(library_major(path), path)
    return found


def packaged(what: str, major: int) -> str:
    """NVIDIA's package of a library; since CUDA 13 the major version is not in its name."""
    return f"nvidia-cuda-{what}" if major >= 13 else f"nvidia-cuda-{what}-cu{major}"
