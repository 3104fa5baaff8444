"""Checks of ONNX Runtime, for ``+stage=doctor``."""

from __future__ import annotations

from collections.abc import Iterator

from backends.system.here import Here, listed
from backends.system.native import ask_python, remedy_for
from core.checks import Finding, absent, broken, fine

_IMPORT = "import onnxruntime as ort, json; print(json.dumps([ort.__version__, ort.get_available_providers()]))"


def onnxruntime(here: Here | None = None) -> Iterator[Finding]:
    """One ONNX Runtime, which can be imported, and its execution providers."""
    here = here or Here()
    packages = here.packages_like(r"onnxruntime(-gpu|-directml|-openvino|-rocm|-training|-silicon|-qnn)?")
    if not packages:
        yield absent("ONNX Runtime", "not installed", "pip install onnxruntime")
        return
    if len(packages) > 1:
        names = " ".join(package.name for package in packages)
        found = f"{len(packages)} packages write the same folder onnxruntime: {listed(packages)}"
        yield broken("ONNX Runtime", found, f"pip uninstall -y {names} && pip install onnxruntime")
        return
    said, error = ask_python(_IMPORT)
    if error:
        remedy = remedy_for(error, f"pip install --force-reinstall {packages[0].name}")
        yield broken("ONNX Runtime", f"{listed(packages)} cannot be imported: {error}", remedy)
        return
    version, providers = said
    shown = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    if "CPUExecutionProvider" not in providers:
        found = f"{version} has no CPU provider, only {shown}"
        yield broken("ONNX Runtime", found, f"pip install --force-reinstall {packages[0].name}")
    else:
        yield fine(
            "ONNX Runtime", f"{version}, providers {shown} (hookline takes CPU)", version=version, providers=shown
        )
