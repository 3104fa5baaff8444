"""Which sizes of input an engine takes: ``build.batch`` and ``build.imgsz`` over the model's own axes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.artifacts import GraftedModel, InputContract
from core.errors import HooklineError
from core.spans import Span

Shape = tuple[int, int, int, int]


@dataclass(frozen=True)
class Profile:
    """An optimisation profile.

    Attributes:
        name: Of the input tensor.
        min, opt, max: [B, 3, H, W]: the least, the one to be fastest at, the greatest.
    """

    name: str
    min: Shape
    opt: Shape
    max: Shape

    def __str__(self) -> str:
        return " ".join("x".join(map(str, shape)) for shape in (self.min, self.opt, self.max))


def read_profile(
    model: GraftedModel, batch: Span[int] | None = None, imgsz: Span[tuple[int, int]] | None = None
) -> tuple[Profile | None, InputContract]:
    """The profile of an engine and the contract of its sessions; None where every axis is static.

    Args:
        model: The grafted model.
        batch, imgsz: As ``build.batch`` and ``build.imgsz``; None: what the model's contract says.

    Raises:
        HooklineError: An axis of the model is static; names the option of export that changes that.
    """
    contract = model.contract
    size = (contract.height, contract.width)
    batches = batch or Span(contract.batch, contract.batch, contract.batch)
    sizes = imgsz or Span(size, size, size)
    heights = Span(sizes.min[0], sizes.opt[0], sizes.max[0])
    widths = Span(sizes.min[1], sizes.opt[1], sizes.max[1])
    spans = {"batch": batches, "height": heights, "width": widths}
    for axis, span in spans.items():
        _check_axis(model, axis, span, "batch" if axis == "batch" else "imgsz")
    free = tuple(axis for axis in contract.dynamic if not spans[axis].fixed)
    opened = replace(contract, batch=batches.opt, height=heights.opt, width=widths.opt, dynamic=free)
    if not contract.dynamic:
        return None, opened
    shapes = ((getattr(batches, at), 3, getattr(heights, at), getattr(widths, at)) for at in ("min", "opt", "max"))
    return Profile(contract.name, *shapes), opened


def _check_axis(model: GraftedModel, axis: str, span: Span[int], word: str) -> None:
    static = getattr(model.contract, axis)
    if axis in model.contract.dynamic or (span.fixed and span.opt == static):
        return
    asked = str(span.opt) if span.fixed else f"{span.min} to {span.max}"
    axes = ",".join([*model.contract.dynamic, *(["batch"] if word == "batch" else ["height", "width"])])
    other = f"{'export.batch' if word == 'batch' else 'imgsz'}={span.opt} exports it so, " if span.fixed else ""
    raise HooklineError(
        f"build.{word} asks for a {axis} of {asked}, and that of '{model.path.name}' is {static} for good",
        f"{other}export.dynamic=[{axes}] leaves it open",
    )
