"""Stage ``doctor``: looks at everything that the backend asked for needs, and says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.errors import HooklineError
from core.kinds.stage import Stage
from core.planning.resolve import AUTO
from core.plugins.hookspecs import hookimpl
from stages.doctor.config import DoctorConfig

if TYPE_CHECKING:
    from core.kinds.context import RunContext


def doctor(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Run every check and report."""
    from stages.doctor.running import diagnose

    return diagnose(config, context)


def check(config: DoctorConfig, context: RunContext) -> Iterable[HooklineError]:
    """Names that nobody registered. A backend that cannot be used here is what the stage is for."""
    for kind, name in (("runtimes", config.backend), ("processors", config.processor)):
        if name != AUTO and name not in context.registry.parts(kind):
            yield context.registry.not_found(kind, name)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="doctor",
        summary="look at driver, CUDA, TensorRT and packages, and say what to do about what is wrong",
        run=doctor,
        check=check,
        stored=False,
    )
