"""Grafts: the decode appended to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.artifacts import QuantizedModel
from core.kinds.part import Part

if TYPE_CHECKING:
    from core.kinds.head import Head

# --- grafts -----------------------------------------------------------------------------------


class GraftBackend(Protocol):
    """The heavy half of a graft."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Append the decode to a model and write it to ``target``; it then gives the outputs of ``DecodedHead``.

        The stage adds the metadata.

        Args:
            model: In the first layout of its family.
            head: Its head.
            target: The ONNX file to write.
            score_threshold: Boxes below it are dropped, see :class:`~core.detections.Filter`.

        Returns:
            The non-standard operators that a runtime needs, empty if none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CustomOperators:
    """Operators beyond the ONNX standard in a file.

    Attributes:
        names: The operators, e.g. ``YoloLayer_TRT``.
        functions: The file defines them as model-local functions: a runtime that runs those needs no more.
    """

    names: frozenset[str] = frozenset()
    functions: bool = False


def _standard_operators() -> CustomOperators:
    return CustomOperators()


@dataclass(frozen=True, kw_only=True)
class Graft(Part[GraftBackend]):
    """A way to end a model in boxes.

    Attributes:
        families: Names of the model families that it serves, besides those that name it themselves.
        operators: ``operators(options)`` returns the :class:`CustomOperators` that its files contain with these
            options. The plan refuses a runtime that has neither the operators nor model-local functions, and
            ``decode=auto`` passes over the graft. Default: none.
    """

    kind: ClassVar[str] = "grafts"
    families: frozenset[str] = frozenset()
    operators: Callable[..., CustomOperators] = _standard_operators
