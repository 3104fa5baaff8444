"""Stage ``doctor``: looks at everything that the backend asked for needs, and says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.artifacts import Diagnosis
from core.config import shared
from core.errors import HooklineError
from core.hookspecs import hookimpl
from core.resolve import AUTO
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext


@dataclass
class DoctorConfig:
    """Options of the stage.

    Attributes:
        backend: Runtime that is to work here; what it needs and is not there is an error.
        processor: Pre- and post-processing that is to work here.
        store: Folder in which results are kept.
    """

    backend: str = shared("backend")
    processor: str = shared("processor")
    store: str | None = shared("store")


def doctor(config: DoctorConfig, context: RunContext) -> Diagnosis:
    """Run every check and report."""
    from stages.doctor.diagnosing import diagnose

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
