"""The model that an engine is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from core.artifacts import AnyModel
from core.errors import HooklineError, counted, with_article
from core.media.nearest import nearest_names
from core.regular_file import is_file
from core.sidecar import read_model
from core.user_paths import user_path


def read_reference(reference: str | None) -> AnyModel:
    """Read what ``compare.reference=`` names: a file that this program wrote, by the sidecar beside it.

    Raises:
        HooklineError: Nothing is named, there is no such file or no sidecar, it is no
            model, or one of its files was changed.
    """
    if not reference:
        raise HooklineError("no reference is given", "compare.reference=<engine> names the model to compare with")
    path = user_path(reference)
    if not is_file(path):
        raise HooklineError(f"no file '{path}' to compare with", nearest_names(path))
    artifact = read_model(path)
    if not isinstance(artifact, AnyModel):
        found = (
            f"is {with_article(type(artifact).__name__)}"
            if artifact
            else "has no sidecar file (.json) that describes it"
        )
        raise HooklineError(f"'{path}' {found}", "compare.reference= takes an engine that +stage=build made")
    return artifact


def check_classes(engine: Sequence[str], reference: Sequence[str]) -> None:
    """Refuse a reference whose class names are not those of the engine."""
    if tuple(engine) != tuple(reference):
        raise HooklineError(
            f"the engine has {counted(len(engine), 'class')} and the reference {len(reference)}, or other names",
            "compare engines of the same classes",
        )
