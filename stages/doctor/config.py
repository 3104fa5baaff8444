"""Options of the stage ``doctor``."""

from __future__ import annotations

from dataclasses import dataclass

from core.options.fields import shared


@dataclass
class DoctorConfig:
    """Options of the stage.

    Attributes:
        backend: Runtime to check for; a missing requirement of it is an error.
        processor: Pre- and post-processing to check for.
        store: Folder for stored results; its disk is checked.
    """

    backend: str = shared("backend")
    processor: str = shared("processor")
    store: str | None = shared("store")
