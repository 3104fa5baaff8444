"""Check the packages and shared libraries of TensorRT and TensorRT-RTX, which have the same layout."""

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

_REINSTALL = "--force-reinstall "


@dataclass(frozen=True)
class Product:
    """TensorRT or TensorRT-RTX.

    Attributes:
        title: The product name.
        module: The Python module.
        packages: Regular expression of the distribution names.
        install: The distribution to install, for the latest CUDA.
        folder: Folder of the libraries in site-packages.
        libraries: Names of the libraries without ``lib`` and ``.so``; the first is the core library.
        resources: Name of the libraries that only builds need, without ``lib``; empty if there are none.
        older: Text after the install command, about older versions of CUDA.
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
        """Return the install command, for the CUDA version of the installed packages."""
        cudas = {match.group() for package in packages if (match := re.search(r"cu\d\d", package.name))}
        name = re.sub(r"cu\d\d", cudas.pop(), self.install) if len(cudas) == 1 else self.install
        return f"pip install {options}{name}"

    def installed(self, host: Host) -> list[Package]:
        """Return the installed distributions."""
        return host.packages_like(self.packages)

    def files(self, name: str, host: Host) -> list[Path]:
        """Return the files of a library; those of the Python package come first, in the order in which it is loaded."""
        return find_libraries(f"lib{name}.so*", host)


def examine_library(product: Product, host: Host) -> Iterator[Finding]:
    """Check that the packages match, that the libraries can be loaded and that the module can be imported."""
    packages = product.installed(host)
    found = {name: files[0] for name in product.libraries if (files := product.files(name, host))}
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
        yield _imported(product, packages, found, host)


def examine_resources(product: Product, host: Host, capability: str = "") -> Iterator[Finding]:
    """Check the libraries that hold the kernels of the builder.

    Args:
        product: TensorRT.
        host: The machine.
        capability: Compute capability of the GPU, for example ``8.9``; empty if it is unknown.
    """
    core = product.files(product.libraries[0], host)
    if not core or not product.resources:
        return
    subject, folder = "builder resource", core[0].parent
    files = sorted(folder.glob(f"lib{product.resources}*.so*"))
    if not files:
        yield broken(
            subject,
            f"no lib{product.resources}*.so next to {core[0]}: engines can be opened, but not built",
            f"reinstall {product.title}: {product.command(product.installed(host), _REINSTALL)}",
        )
        return
    names = sorted({match.group(1) for path in files if (match := re.search(r"_(sm\d+|ptx)\.so", path.name))})
    shown = f"{counted(len(files), 'file')} at {host.brief(folder)}" + (f" ({', '.join(names)})" if names else "")
    if not names or not capability or _suffix_of(capability) in names:
        yield fine(subject, shown, path=str(folder))
        return
    found = f"{shown}: none for compute capability {capability}"
    remedy = f"install a {product.title} release that supports this GPU: {product.command(options='-U ')}"
    if "ptx" in names or any(_is_kin(name, capability) for name in names):
        yield doubtful(subject, f"{found}; other kernels may support it", f"if a build fails, {remedy}")
    else:
        yield broken(subject, found, remedy)


def _suffix_of(capability: str) -> str:
    """Return the suffix of the file for a GPU; on Orin the builder loads that of its family."""
    return {"8.7": "sm86"}.get(capability, f"sm{capability.replace('.', '')}")


def _is_kin(name: str, capability: str) -> bool:
    """Return whether a file has the same major compute capability: ``sm120`` for 12.1."""
    return name[2:-1] == capability.partition(".")[0]


def _no_package(product: Product, found: dict[str, Path]) -> Finding:
    if not found:
        return absent(product.title, "not installed", product.command() + product.older)
    path = next(iter(found.values()))
    remedy = f"{product.command()}; or use a system package: python -m venv --system-site-packages"
    return absent(product.title, f"{path} is installed, but its Python package is not", remedy, path=str(path))


def _clash(product: Product, packages: Sequence[Package]) -> Finding | None:
    """Find packages of two releases or for two CUDA versions in one folder."""
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
    return broken(product.title, found, product.command(packages, _REINSTALL))


def _libraries(product: Product, packages: Sequence[Package], found: dict[str, Path]) -> Iterator[Finding]:
    """Check that the shared libraries can be loaded and are of one release."""
    core = found[product.libraries[0]]
    for name, path in found.items():
        before = () if path == core else (core,)
        answer = ask(*before, path, function="getInferLibVersion" if path == core else "")
        if answer.error:
            found_text = f"{path} cannot be loaded: {answer.error}"
            yield broken(f"lib{name}", found_text, _load_remedy(answer.error, product, packages))
        elif path == core and not _agree(answer.values[0], packages[0].version):
            version = ".".join(map(str, _numbers(answer.values[0])))
            found_text = f"{path} is release {version}, but the Python package is {packages[0].version}"
            remedy = f"remove the other release from LD_LIBRARY_PATH, or {product.command(packages, _REINSTALL)}"
            yield broken(f"lib{name}", found_text, remedy)
        elif (numbers := version_of(path)) and numbers[0] != (version_of(core) or numbers)[0]:
            found_text = f"{path} and {core} are of different releases"
            yield broken(f"lib{name}", found_text, product.command(packages, _REINSTALL))


def _imported(product: Product, packages: Sequence[Package], found: dict[str, Path], host: Host) -> Finding:
    answer, error = ask_python(f"import {product.module} as m, json; print(json.dumps([m.__version__, m.__file__]))")
    if error:
        shown = f"{listed(list(packages))} cannot be imported: {error}"
        return broken(product.title, shown, remedy_for(error, product.command(packages, _REINSTALL)))
    core = found[product.libraries[0]]
    others = ", ".join(found[name].name for name in product.libraries[1:])
    return fine(
        product.title, f"{answer[0]}: {host.brief(core)}, with {others}", version=answer[0], path=str(core.parent)
    )


def _load_remedy(error: str, product: Product, packages: Sequence[Package]) -> str:
    if "executable stack" in error:
        return f"the C library refuses this release: install {product.title} 10.8 or newer"
    if match := re.search(r"^(lib[\w.+-]+\.so[.\d]*): cannot open", error):
        return f"install the package of {match.group(1)}, or add its folder to LD_LIBRARY_PATH"
    return remedy_for(error, product.command(packages, _REINSTALL))


def _numbers(version: int) -> tuple[int, int, int]:
    """Return (10, 16, 1) for 101601. Before release 10 the major version is in the thousands."""
    unit = 10000 if version >= 10000 else 1000
    return version // unit, version % unit // 100, version % 100


def _agree(version: int, package: str) -> bool:
    """Return whether library and Python package are of one release; the package may have a fourth number."""
    return package.split(".")[:3] == [str(number) for number in _numbers(version)]
