"""Grafts: the descriptor, and the protocol that appends the decode step to a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.artifacts import QuantizedModel
from core.kinds.part import Part

if TYPE_CHECKING:
    from core.kinds.head import Head


class GraftBackend(Protocol):
    """The implementation of a graft."""

    def append(self, model: QuantizedModel, head: Head, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        """Append the decode step to a model and write the result, with the outputs of ``DecodedHead``, to ``target``.

        The stage adds the metadata.

        Args:
            model: A model in the first layout of its family.
            head: The head of the model.
            target: The ONNX file to write.
            score_threshold: Drop boxes below it, as in :class:`~core.detections.Filter`.

        Returns:
            The non-standard operators that a runtime needs; empty if there are none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class CustomOperators:
    """Non-standard ONNX operators in a file.

    Attributes:
        names: Names of the operators, e.g. ``YoloLayer_TRT``.
        functions: The file defines them as model-local functions, so that a runtime with ``Runtime.functions`` can run
            it without implementing them.
    """

    names: frozenset[str] = frozenset()
    functions: bool = False


def _standard_operators() -> CustomOperators:
    return CustomOperators()


@dataclass(frozen=True, kw_only=True)
class Graft(Part[GraftBackend]):
    """A decode step that can be appended to a model, so that the model outputs boxes.

    Attributes:
        families: Names of the model families that it supports, in addition to those with it in ``ModelFamily.grafts``.
        operators: ``operators(options)`` returns the :class:`CustomOperators` in its files; none by default. The plan
            refuses a runtime that supports neither these operators nor model-local functions, and ``decode=auto`` skips
            the graft for it.
    """

    kind: ClassVar[str] = "grafts"
    families: frozenset[str] = frozenset()
    operators: Callable[..., CustomOperators] = _standard_operators
