"""NVRTC, by which CuPy compiles kernels, and CUDA's headers, without which it compiles none.

Since release 14 CuPy looks for both by cuda-pathfinder: in Python packages, in conda, by the loader, and in the toolkit
of ``CUDA_PATH`` or ``CUDA_HOME``. It takes the first, whichever CUDA that is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backends.nvidia.cuda import by_major, cupy_major, packaged
from backends.nvidia.facts import library_major
from backends.system.host import Host
from backends.system.libraries import conda_folders, find_libraries, loader_folders, packaged_folders, toolkits
from backends.system.native import ask, remedy_for
from core.kinds.check import Finding, absent, broken, doubtful, fine

MAJORS = (13, 12)
"""Of the versions that cuda-pathfinder knows, in its order."""
PATHFINDER = 14
"""Release of CuPy that came to look by cuda-pathfinder."""
HEADER = "cuda_runtime.h"
"""By this cuda-pathfinder knows the folder of the headers."""


def nvrtc(here: Host | None = None) -> Iterator[Finding]:
    """The NVRTC that CuPy takes, whole and of CuPy's major version, and the headers."""
    here = here or Host()
    paths, wanted = by_major(find_libraries("libnvrtc.so*", here)), cupy_major(here)
    if not wanted:
        yield _asked_nvrtc(paths[max(paths)], here) if paths else _nowhere()
        return
    path = taken(here) if _release(here) >= PATHFINDER else paths.get(wanted)
    if path is None or library_major(path) < wanted:
        yield _none(wanted, paths, here)
        return
    if library_major(path) > wanted:
        found = f"CuPy is for CUDA {wanted} and takes {path}, which it finds first"
        yield doubtful("NVRTC", found, f"uninstall the package that holds it, or pip install {_package(path)} in place")
    yield _asked_nvrtc(path, here)
    yield from _headers(wanted, here)


def taken(here: Host) -> Path | None:
    """The NVRTC that cuda-pathfinder finds first."""
    names = [f"libnvrtc.so.{major}" for major in MAJORS]
    folders = [*packaged_folders(here), *conda_folders(here)]
    places = [folder / name for folder in folders for name in names]
    places += [folder / name for name in names for folder in loader_folders(here, name)]
    places += [root / folder / name for root in toolkits(here)[:1] for folder in ("lib64", "lib") for name in names]
    return next((path.resolve() for path in places if path.is_file()), None)


def headers(here: Host) -> Path | None:
    """The folder of CUDA's headers that cuda-pathfinder finds first."""
    conda = here.environment.get("CONDA_PREFIX")
    places = [
        *(folder for site in here.site for folder in sorted(site.glob("nvidia/*/include"))),
        *(sorted(Path(conda).glob("targets/*/include")) if conda else ()),
        *(root / "include" for root in [*toolkits(here)[:1], *_toolkits_of_the_loader(here)]),
    ]
    return next((folder for folder in places if (folder / HEADER).is_file()), None)


def _toolkits_of_the_loader(here: Host) -> Iterator[Path]:
    """Roots of the toolkits whose ``lib`` or ``targets/*/lib`` the loader searches: it finds the runtime there."""
    for folder in loader_folders(here, "libcudart.so.*"):
        if folder.name in {"lib", "lib64"} and any(folder.glob("libcudart.so.*")):
            root = folder.parent
            yield root.parent.parent if root.parent.name == "targets" else root


def _headers(wanted: int, here: Host) -> Iterator[Finding]:
    """CuPy gives the compiler their folder whatever a kernel includes, and refuses where there is none."""
    if headers(here):
        return
    toolkit = Path("/usr/local/cuda")
    there = here.path(f"{toolkit}/include/{HEADER}").is_file()
    remedy = f"export CUDA_PATH={toolkit}, which has them" if there else f"pip install 'cupy-cuda{wanted}x[ctk]'"
    if _release(here) >= PATHFINDER:
        yield broken("CUDA headers", f"CuPy finds no folder with {HEADER} and compiles no kernel without", remedy)
    else:
        yield doubtful("CUDA headers", f"no folder with {HEADER}: kernels that include any cannot be compiled", remedy)


def _nowhere() -> Finding:
    return absent("NVRTC", "libnvrtc is nowhere", "pip install 'cupy-cuda13x[ctk]' (cupy-cuda12x for CUDA 12)")


def _none(wanted: int, paths: dict[int, Path], here: Host) -> Finding:
    others = ", ".join(map(str, paths.values())) or "none"
    found = f"no libnvrtc.so.{wanted} for CuPy, which compiles its kernels with it (found: {others})"
    remedy = f"pip install 'cupy-cuda{wanted}x[ctk]'"
    if wanted in paths and taken(here) is None:
        found = f"{paths[wanted]} is where CuPy does not look: it compiles its kernels with it"
        remedy = f"export CUDA_PATH={paths[wanted].parent.parent}, or {remedy}"
    return broken("NVRTC", found, remedy)


def _asked_nvrtc(path: Path, here: Host) -> Finding:
    answer = ask(path, function="nvrtcVersion", arguments=2)
    reinstall = f"pip install --force-reinstall {packaged('nvrtc', library_major(path))}"
    if answer.error or answer.status:
        found = f"{path} cannot be used: {answer.error or f'status {answer.status}'}"
        return broken("NVRTC", found, remedy_for(answer.error, reinstall))
    version = "{}.{}".format(*answer.values)
    builtins = f"libnvrtc-builtins.so.{version}"
    if not find_libraries(f"{builtins}*", here):
        found = f"{version} at {here.brief(path)} without {builtins}, which every compilation loads"
        return broken("NVRTC", found, reinstall)
    return fine("NVRTC", f"{version} at {here.brief(path)}", version=version, path=str(path))


def _package(path: Path) -> str:
    return f"'cupy-cuda{library_major(path)}x[ctk]'"


def _release(here: Host) -> int:
    """Major number of the installed CuPy."""
    versions = [package.version for package in here.packages_like(r"cupy-cuda\d\d(x|\d)")]
    return max(int(version.split(".")[0]) for version in versions)
