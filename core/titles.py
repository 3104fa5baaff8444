"""What a model is called in tables and results: by what it is, not by where its file lies."""

from __future__ import annotations

from core.artifacts import AnyModel


def title(model: AnyModel) -> str:
    """Return variant, precision and runtime, as far as the model has them."""
    precision = getattr(model, "precision", None)
    runtime = getattr(model, "runtime", "")
    return " ".join(part for part in (model.facts.variant, precision.value if precision else "", runtime) if part)


def describe(model: AnyModel) -> dict[str, str]:
    """Return what the JSON of a result says of a model."""
    return {"title": title(model), "type": type(model).__name__, "sha256": model.sha256}
