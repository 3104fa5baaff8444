"""CuPy: one package, which can be imported."""

from __future__ import annotations

from collections.abc import Iterator

from backends.nvidia.cuda import cuda_users
from backends.nvidia.running import told_for
from backends.system.host import Host, listed
from backends.system.native import ask_python, remedy_for
from core.kinds.check import Finding, Target, absent, broken, fine

_IMPORT = "import cupy, json; print(json.dumps([cupy.__version__, cupy.__file__]))"


def cupy(asked: Target, here: Host | None = None) -> Iterator[Finding]:
    """One CuPy package for CUDA, which can be imported."""
    here = here or Host()
    packages = here.packages_like(r"cupy(-cuda\d+x?|-rocm[-\d]+)?")
    wanted = f"cupy-cuda{_major(here)}x"
    if not packages:
        found = "not installed; kernels and processor=cupy need it"
        yield told_for(asked, absent("CuPy", found, f"pip install '{wanted}[ctk]'"))
    elif len(packages) > 1:
        names = " ".join(package.name for package in packages)
        found = f"{len(packages)} packages write the same folder cupy: {listed(packages)}"
        yield broken("CuPy", found, f"pip uninstall -y {names} && pip install '{wanted}[ctk]'")
    elif "rocm" in packages[0].name:
        remedy = f"pip uninstall -y {packages[0].name} && pip install '{wanted}[ctk]'"
        yield broken("CuPy", f"{listed(packages)} is made for AMD", remedy)
    else:
        said, error = ask_python(_IMPORT)
        if error:
            name = packages[0].name
            remedy = f"pip install --force-reinstall '{name}[ctk]'" if "-cuda" in name else "build CuPy again"
            found = f"{listed(packages)} cannot be imported: {error}"
            yield told_for(asked, broken("CuPy", found, remedy_for(error, remedy)))
        else:
            yield fine(
                "CuPy", f"{listed(packages)} at {here.brief(said[1])}", version=said[0], package=packages[0].name
            )


def _major(here: Host) -> str:
    """The CUDA that the rest is made for."""
    users = {name: version for name, version in cuda_users(here).items() if name != "CuPy"}
    return (users.get("TensorRT") or users.get("TensorRT-RTX") or users.get("torch") or "13").split(".")[0]
