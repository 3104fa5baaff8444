"""Check the packages and libraries of TensorRT and TensorRT-RTX, which are laid out alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from backends.nvidia.nvml import query_nvml
from backends.system.host import Host, with_versions
from backends.system.probing import remedy_for, run_probe
from core.errors import UnavailableError, counted
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
        install: Package to install, for CUDA 13.
        library: Name of the core library without ``lib`` and ``.so``.
    """

    title: str
    module: str
    packages: str
    install: str
    library: str


TENSORRT = Product(
    title="TensorRT",
    module="tensorrt",
    packages=r"tensorrt(-cu\d\d)?(-bindings|-libs)?",
    install="tensorrt-cu13",
    library="nvinfer",
)
FOR_OLD_BINDINGS = (
    "use TensorRT 10.16 or later, or a new virtual environment: pip install -e '.[cuda12]' 'numpy<2' (cuda for CUDA 13)"
)
"""In an existing environment pip keeps packages that need NumPy 2."""


def tensorrt(host: Host | None = None) -> Iterator[Finding]:
    """Check TensorRT, its builder resource for each GPU, and NumPy."""
    host = host or Host()
    yield from examine_library(TENSORRT, host, _capabilities())
    yield from check_numpy(host)


def _capabilities() -> list[str]:
    """Return the compute capabilities of the GPUs; one empty text where they are unknown."""
    try:
        return sorted({gpu.capability for gpu in query_nvml() if gpu.capability}) or [""]
    except UnavailableError:
        return [""]


def check_numpy(host: Host) -> Iterator[Finding]:
    """Check NumPy against TensorRT 10.

    Bindings before 10.16 misread arrays of NumPy 2. ``tensorrt.plugin`` turns arrays of one element into numbers, which
    NumPy 2.4 refuses.
    """
    packages, numpy = host.packages_like(TENSORRT.packages), host.packages.get("numpy")
    if not packages or numpy is None or not packages[0].version.startswith("10."):
        return
    found = f"{numpy.version} with TensorRT {packages[0].version}"
    if _release(numpy) >= (2, 0) and _release(packages[0]) < (10, 16):
        yield broken("NumPy", f"{found}: these bindings misread its arrays", FOR_OLD_BINDINGS)
    elif _release(numpy) >= (2, 4):
        found = f"{found}: plugins of tensorrt.plugin with scalar attributes fail (YoloLayer_TRT has arrays)"
        yield doubtful("NumPy", found, "pip install 'numpy<2.4', or TensorRT 11")


def _release(package: Distribution) -> tuple[int, ...]:
    return tuple(int(number) for number in package.version.split(".")[:2] if number.isdecimal())


def examine_library(product: Product, host: Host, capabilities: Sequence[str] = ()) -> Iterator[Finding]:
    """Check that the packages are of one release, import the module, and check the builder resources for GPUs."""
    packages = host.packages_like(product.packages)
    shown = with_versions(packages)
    if not packages:
        remedy = (
            f"pip install {product.install} (cu12 for CUDA 12); apt and Jetson: python -m venv --system-site-packages"
        )
        yield absent(product.title, "not installed", remedy)
        return
    cuda = sorted({match.group() for package in packages if (match := re.search(r"cu\d\d", package.name))})
    if len(cuda) > 1 or len({tuple(package.version.split(".")[:3]) for package in packages}) > 1:
        why = f"packages for {' and '.join(cuda)} share a folder" if len(cuda) > 1 else "packages of different releases"
        names = " ".join(package.name for package in packages)
        yield broken(product.title, f"{why}: {shown}", f"pip uninstall -y {names} && pip install {product.install}")
        return
    again = "pip install --force-reinstall " + (product.install.replace("cu13", cuda[0]) if cuda else product.install)
    answer, error = run_probe(_IMPORT, product.module, product.library)
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
    yield from (examine_resources(Path(core).parent, capability, again) for capability in capabilities)


def examine_resources(folder: Path, capability: str, reinstall: str) -> Finding:
    """Check the libraries that TensorRT needs to build for a GPU, e.g. of capability ``8.9``."""
    subject, files = "builder resource", sorted(folder.glob("libnvinfer_builder_resource*.so*"))
    if not files:
        found = f"no libnvinfer_builder_resource*.so in {folder}: engines can be opened but not built"
        return broken(subject, found, reinstall)
    names = sorted({match.group(1) for path in files if (match := re.search(r"_(sm\d+|ptx)\.so", path.name))})
    found = f"{counted(len(files), 'file')} in {folder}" + (f" ({', '.join(names)})" if names else "")
    own = {"8.7": "sm86"}.get(capability, f"sm{capability.replace('.', '')}")  # Orin uses the file of its family
    if not names or not capability or own in names:
        return fine(subject, found, path=str(folder))
    same_family = any(name[2:-1] == capability.partition(".")[0] for name in names)
    found, remedy = f"{found}: none for compute capability {capability}", "install a newer TensorRT if a build fails"
    return (doubtful if "ptx" in names or same_family else broken)(subject, found, remedy)
