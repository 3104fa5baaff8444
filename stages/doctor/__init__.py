"""The stage ``doctor``: check everything that the chosen backend needs, and say what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.errors import HooklineError
from core.kinds.lookup import AUTO
from core.kinds.stage import Stage
from core.plugins.hookspecs import hookimpl
from stages.doctor.config import DoctorConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def doctor(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Run every check and write the report."""
    from stages.doctor.diagnosing import diagnose

    return diagnose(config, context)


def check(config: DoctorConfig, context: RunContext) -> Iterable[HooklineError]:
    """Yield unknown names. A backend that cannot be used here is the reason to run this stage."""
    for kind, name in (("runtimes", config.backend), ("processors", config.processor)):
        if name != AUTO and name not in context.registry.parts(kind):
            yield context.registry.not_found(kind, name)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """Register the stage."""
    summary = "check driver, CUDA, TensorRT and packages, and say how to repair what is wrong"
    yield Stage(name="doctor", summary=summary, run=doctor, check=check, stored=False)
