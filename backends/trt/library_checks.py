"""Check the packages and libraries of TensorRT and TensorRT-RTX, which are laid out alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from backends.system.host import Host, with_versions
from backends.system.probing import remedy_for, run_probe
from core.errors import counted
from core.kinds.check import Finding, absent, broken, doubtful, fine

_IMPORT = """
import ctypes, importlib, json, sys
module = importlib.import_module(sys.argv[1])
paths = sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line})
core = next((path for path in paths if f"/lib{sys.argv[2]}.so" in path), "")
print(json.dumps([module.__version__, core, ctypes.CDLL(core).getInferLibVersion() if core else 0]))
"""
"""Import a module, and find the library that it loaded and the release of that."""


@dataclass(frozen=True)
class Product:
    """TensorRT or TensorRT-RTX.

    Attributes:
        title: Name as NVIDIA writes it.
        module: Python module.
        packages: Regular expression of its distributions.
        install: Package to install, for the newest CUDA.
        library: Name of the core library without ``lib`` and ``.so``.
        older: Note about older versions of CUDA behind the command.
    """

    title: str
    module: str
    packages: str
    install: str
    library: str
    older: str = ""

    def command(self, packages: Sequence[Distribution] = (), options: str = "") -> str:
        """Return how to install it, for the CUDA version of ``packages``."""
        versions = _cuda_versions(packages)
        name = re.sub(r"cu\d\d", versions[0], self.install) if len(versions) == 1 else self.install
        return f"pip install {options}{name}"


def examine_library(product: Product, host: Host, capabilities: Sequence[str] = ()) -> Iterator[Finding]:
    """Check that the packages are of one release, and import the module.

    Args:
        product: TensorRT or TensorRT-RTX.
        host: The host.
        capabilities: Compute capabilities for which TensorRT needs a builder resource; ``""`` where they are unknown.
    """
    packages = host.packages_like(product.packages)
    shown = with_versions(packages)
    if not packages:
        remedy = f"{product.command()}{product.older}; for a Python package of the system (Jetson, apt):"
        yield absent(product.title, "not installed", f"{remedy} python -m venv --system-site-packages")
        return
    cuda = _cuda_versions(packages)
    if len(cuda) > 1 or len({tuple(package.version.split(".")[:3]) for package in packages}) > 1:
        why = f"packages for {' and '.join(cuda)} share a folder" if len(cuda) > 1 else "packages of different releases"
        names = " ".join(package.name for package in packages)
        yield broken(product.title, f"{why}: {shown}", f"pip uninstall -y {names} && {product.command()}")
        return
    answer, error = run_probe(_IMPORT, product.module, product.library)
    again = product.command(packages, "--force-reinstall ")
    if error:
        remedy = remedy_for(error, f"{again} (a library of another package: install that, or set LD_LIBRARY_PATH)")
        yield broken(product.title, f"{shown} cannot be imported: {error}", remedy)
        return
    version, core, number = answer
    release = f"{number // 10000}.{number % 10000 // 100}.{number % 100}"
    if core and release != ".".join(version.split(".")[:3]):
        remedy = f"remove the folder of the other release from LD_LIBRARY_PATH, or {again}"
        yield broken(product.title, f"{core} is release {release}, the Python package {version}", remedy)
        return
    yield fine(product.title, f"{version}: {core}", version=version, path=str(Path(core).parent))
    for capability in capabilities:
        yield examine_resources(product, packages, Path(core).parent, capability)


def examine_resources(product: Product, packages: Sequence[Distribution], folder: Path, capability: str) -> Finding:
    """Check the libraries that have the kernels for building for a GPU, e.g. of capability ``8.9``."""
    subject, files = "builder resource", sorted(folder.glob("libnvinfer_builder_resource*.so*"))
    if not files:
        found = f"no libnvinfer_builder_resource*.so in {folder}: engines can be opened but not built"
        return broken(subject, found, product.command(packages, "--force-reinstall "))
    names = sorted({match.group(1) for path in files if (match := re.search(r"_(sm\d+|ptx)\.so", path.name))})
    found = f"{counted(len(files), 'file')} in {folder}" + (f" ({', '.join(names)})" if names else "")
    own = {"8.7": "sm86"}.get(capability, f"sm{capability.replace('.', '')}")  # Orin uses the file of its family
    if not names or not capability or own in names:
        return fine(subject, found, path=str(folder))
    found = f"{found}: none for compute capability {capability} only"
    remedy = f"if a build fails, install a newer {product.title}: {product.command(packages, '-U ')}"
    same_family = any(name[2:-1] == capability.partition(".")[0] for name in names)
    return (doubtful if "ptx" in names or same_family else broken)(subject, found, remedy)


def _cuda_versions(packages: Sequence[Distribution]) -> list[str]:
    return sorted({match.group() for package in packages if (match := re.search(r"cu\d\d", package.name))})
