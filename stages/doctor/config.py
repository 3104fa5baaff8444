"""Options of the stage ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass

from core.options.fields import shared


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
