"""Packages and shared libraries of TensorRT, and of TensorRT-RTX, which are laid out alike."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.system.host import Host, Package, listed
from backends.system.libraries import find_libraries, version_of
from backends.system.native import ask, ask_python, remedy_for
from core.errors import counted
from core.kinds.check import Finding, absent, broken, doubtful, fine

_ANEW = "--force-reinstall "


@dataclass(frozen=True)
class Product:
    """TensorRT or a variant of it.

    Attributes:
        title: As NVIDIA writes it.
        module: The Python module.
        packages: Regular expression of its distributions.
        install: Package to install, for the newest CUDA.
        folder: Where its packages keep the libraries, below a site folder.
        libraries: Names of the libraries without ``lib`` and ``.so``; the first is the core.
        resources: Name of the libraries that only building needs, without ``lib``; empty where it has none.
        older: What to say of older versions of CUDA behind the command.
    """

    title: str
    module: str
    packages: str
    install: str
    folder: str
    libraries: tuple[str, ...]
    resources: str = ""
    older: str = ""

    def command(self, packages: Sequence[Package] = (), options: str = "") -> str:
        """How to install it, for the CUDA of what is installed."""
        cudas = {match.group() for package in packages if (match := re.search(r"cu\d\d", package.name))}
        name = re.sub(r"cu\d\d", cudas.pop(), self.install) if len(cudas) == 1 else self.install
        return f"pip install {options}{name}"

    def installed(self, here: Host) -> list[Package]:
        """Its distributions."""
        return here.packages_like(self.packages)

    def files(self, name: str, here: Host) -> list[Path]:
        """The files of one of its libraries; those of the Python package come first, as they do when it is imported."""
        return find_libraries(f"lib{name}.so*", here)


def examine_library(product: Product, here: Host) -> Iterator[Finding]:
    """Packages that belong together, libraries that can be loaded, a module that can be imported."""
    packages = product.installed(here)
    found = {name: files[0] for name in product.libraries if (files := product.files(name, here))}
    if not packages:
        yield _no_package(product, found)
        return
    if problem := _clash(product, packages):
        yield problem
        return
    missing = [name for name in product.libraries if name not in found]
    if missing:
        yield _missing(product, packages, missing)
        return
    failed = list(_libraries(product, packages, found))
    yield from failed
    if not failed:
        yield _imported(product, packages, found, here)


def examine_resources(product: Product, here: Host, capability: str = "") -> Iterator[Finding]:
    """The libraries that hold the kernels for building.

    Args:
        product: TensorRT.
        here: The machine.
        capability: Of the GPU, e.g. ``8.9``; empty where it is not known.
    """
    core = product.files(product.libraries[0], here)
    if not core or not product.resources:
        return
    subject, folder = "builder resource", core[0].parent
    files = sorted(folder.glob(f"lib{product.resources}*.so*"))
    if not files:
        yield broken(
            subject,
            f"no lib{product.resources}*.so next to {core[0]}: engines can be opened but not built",
            f"install the whole of {product.title}: {product.command(product.installed(here), _ANEW)}",
        )
        return
    names = sorted({match.group(1) for path in files if (match := re.search(r"_(sm\d+|ptx)\.so", path.name))})
    shown = f"{counted(len(files), 'file')} at {here.brief(folder)}" + (f" ({', '.join(names)})" if names else "")
    if not names or not capability or _own(capability) in names:
        yield fine(subject, shown, path=str(folder))
        return
    found = f"{shown}: none for compute capability {capability}"
    remedy = f"install a {product.title} that knows this GPU: {product.command(options='-U ')}"
    if "ptx" in names or any(_is_kin(name, capability) for name in names):
        yield doubtful(subject, f"{found} alone; others may serve it", f"where a build fails for it, {remedy}")
    else:
        yield broken(subject, found, remedy)


def _own(capability: str) -> str:
    """The name of a GPU's own file; on Orin the builder loads that of its family."""
    return {"8.7": "sm86"}.get(capability, f"sm{capability.replace('.', '')}")


def _is_kin(name: str, capability: str) -> bool:
    """Whether a file is for the same major number: ``sm120`` for 12.1."""
    return name[2:-1] == capability.partition(".")[0]


def _no_package(product: Product, found: dict[str, Path]) -> Finding:
    if not found:
        return absent(product.title, "not installed", product.command() + product.older)
    path = next(iter(found.values()))
    remedy = f"{product.command()}; for a system's own Python package: python -m venv --system-site-packages"
    return absent(product.title, f"{path} is there, its Python package is not", remedy, path=str(path))


def _clash(product: Product, packages: Sequence[Package]) -> Finding | None:
    """Parts of two releases, or for two versions of CUDA, in one folder."""
    cudas = sorted({match.group() for package in packages if (match := re.search(r"cu\d\d", package.name))})
    uninstall = f"pip uninstall -y {' '.join(package.name for package in packages)} && {product.command()}"
    if len(cudas) > 1:
        found = f"packages for {' and '.join(cudas)} share one folder: {listed(list(packages))}"
        return broken(product.title, found, uninstall)
    if len({tuple(package.version.split(".")[:3]) for package in packages}) > 1:
        found = f"packages of different releases: {listed(list(packages))}"
        return broken(product.title, found, uninstall)
    return None


def _missing(product: Product, packages: Sequence[Package], missing: Sequence[str]) -> Finding:
    names = ", ".join(f"lib{name}.so" for name in missing)
    found = f"{listed(list(packages))} without {names}: not in {product.folder}, LD_LIBRARY_PATH or the loader's cache"
    return broken(product.title, found, product.command(packages, _ANEW))


def _libraries(product: Product, packages: Sequence[Package], found: dict[str, Path]) -> Iterator[Finding]:
    """What is wrong with the shared libraries."""
    core = found[product.libraries[0]]
    for name, path in found.items():
        before = () if path == core else (core,)
        answer = ask(*before, path, function="getInferLibVersion" if path == core else "")
        if answer.error:
            found_text = f"{path} cannot be loaded: {answer.error}"
            yield broken(f"lib{name}", found_text, _load_remedy(answer.error, product, packages))
        elif path == core and not _agree(answer.values[0], packages[0].version):
            version = ".".join(map(str, _numbers(answer.values[0])))
            found_text = f"{path} is release {version}, the Python package {packages[0].version}"
            remedy = (
                f"take the folder of the other release out of LD_LIBRARY_PATH, or {product.command(packages, _ANEW)}"
            )
            yield broken(f"lib{name}", found_text, remedy)
        elif (numbers := version_of(path)) and numbers[0] != (version_of(core) or numbers)[0]:
            found_text = f"{path} and {core} are of different releases"
            yield broken(f"lib{name}", found_text, product.command(packages, _ANEW))


def _imported(product: Product, packages: Sequence[Package], found: dict[str, Path], here: Host) -> Finding:
    said, error = ask_python(f"import {product.module} as m, json; print(json.dumps([m.__version__, m.__file__]))")
    if error:
        shown = f"{listed(list(packages))} cannot be imported: {error}"
        return broken(product.title, shown, remedy_for(error, product.command(packages, _ANEW)))
    core = found[product.libraries[0]]
    others = ", ".join(found[name].name for name in product.libraries[1:])
    return fine(product.title, f"{said[0]}: {here.brief(core)}, with {others}", version=said[0], path=str(core.parent))


def _load_remedy(error: str, product: Product, packages: Sequence[Package]) -> str:
    if "executable stack" in error:
        return f"this C library refuses old releases: {product.title} 10.8 or newer"
    if match := re.search(r"^(lib[\w.+-]+\.so[.\d]*): cannot open", error):
        return f"install what holds {match.group(1)}, or add its folder to LD_LIBRARY_PATH"
    return remedy_for(error, product.command(packages, _ANEW))


def _numbers(version: int) -> tuple[int, int, int]:
    """101601 -> (10, 16, 1); before release 10 the major version stood at the thousands."""
    unit = 10000 if version >= 10000 else 1000
    return version // unit, version % unit // 100, version % 100


def _agree(version: int, package: str) -> bool:
    """Whether library and Python package are of one release; Python packages may have a fourth number."""
    return package.split(".")[:3] == [str(number) for number in _numbers(version)]
