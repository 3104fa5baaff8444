"""TensorRT-RTX builds engines without a GPU: what only running them needs is no error, but is told as a warning."""

from __future__ import annotations

from dataclasses import replace

from core.kinds.check import Finding, State, Target

BUILDS_WITHOUT = "tensorrt_rtx"
NEEDS = "cupy"
"""The processor which needs a GPU whatever the runtime."""


def told_for(asked: Target, finding: Finding) -> Finding:
    """A finding on what running engines needs, as it counts for what is asked.

    Where ``backend=tensorrt_rtx`` and nothing else needs it, what is not there or broken becomes a warning.
    """
    needed = asked.processor == NEEDS or asked.device.startswith("cuda")
    if asked.backend != BUILDS_WITHOUT or needed or finding.state not in {State.absent, State.error}:
        return finding
    found = f"{finding.found}; with backend={asked.backend} building works here, running does not"
    return replace(finding, state=State.warning, found=found)
