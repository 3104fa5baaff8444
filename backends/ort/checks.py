"""Check the installation of ONNX Runtime, without importing it in this process."""

from __future__ import annotations

from collections.abc import Iterator

from backends.system.host import Host
from backends.system.probing import import_package
from core.kinds.check import Finding, broken, fine

_PACKAGES = r"onnxruntime(-gpu|-directml|-openvino|-rocm|-training|-silicon|-qnn)?"
_FACTS = "[onnxruntime.__version__, *onnxruntime.get_available_providers()]"


def onnxruntime(host: Host | None = None) -> Iterator[Finding]:
    """Check that there is one ONNX Runtime package, that it can be imported, and its execution providers."""
    packages, subject = (host or Host()).packages_like(_PACKAGES), "ONNX Runtime"
    facts, problem = import_package(subject, "onnxruntime", packages, "pip install onnxruntime", _FACTS)
    if problem:
        yield problem
        return
    version, *providers = facts
    names = ", ".join(name.removesuffix("ExecutionProvider") for name in providers)
    if "CPUExecutionProvider" in providers:
        yield fine(subject, f"{version}, providers {names} (hookline uses CPU)", version=version, providers=names)
    else:
        remedy = f"pip install --force-reinstall {packages[0].name}"
        yield broken(subject, f"{version} has no CPU provider, only {names}", remedy)
