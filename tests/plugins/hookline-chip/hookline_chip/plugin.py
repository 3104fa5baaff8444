"""The descriptors: the runtimes ``chip`` and ``bare_chip``, and the quantizer ``input_only``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from hookline import Availability, BuildRequest, HooklineError, Precision, QdqStyle, Quantizer, Runtime, hookimpl
from hookline.ranges import Range

if TYPE_CHECKING:
    from hookline_chip.quantizer import InputOnly
    from hookline_chip.runtime import Chip


@dataclass
class ChipOptions:
    """Options of the runtime ``chip``.

    Attributes:
        threads: For one inference.
    """

    threads: Annotated[int, Range(1, 64)] = 1


@dataclass
class InputOnlyOptions:
    """Options of the quantizer ``input_only``.

    Attributes:
        headroom: Factor on the range of the input.
    """

    headroom: Annotated[float, Range(1.0, 2.0)] = 1.0


def probe() -> Availability:
    """A chip that is always there."""
    return Availability(usable=True, reason="the chip is simulated")


def check_build(options: ChipOptions, request: BuildRequest) -> Iterable[HooklineError]:
    """Yield that float16 needs one thread."""
    if request.precision is Precision.fp16 and options.threads > 1:
        yield HooklineError("the chip computes float16 on one thread", "set runtimes.chip.threads=1")


def load_chip(options: ChipOptions) -> Chip:
    """Import the implementation."""
    from hookline_chip.runtime import Chip

    return Chip(options)


def load_bare() -> Chip:
    """Import the implementation."""
    return load_chip(ChipOptions())


def load_input_only(options: InputOnlyOptions) -> InputOnly:
    """Import the implementation."""
    from hookline_chip.quantizer import InputOnly

    return InputOnly(options)


@hookimpl
def hookline_runtimes() -> Iterable[Runtime]:
    """Register two runtimes; the second one states no facts."""
    yield Runtime(
        name="chip",
        summary="a simulated chip with integer arithmetic, one scale per tensor",
        load=load_chip,
        options=ChipOptions,
        available=probe,
        device="cpu",
        precisions=frozenset(Precision),
        qdq=QdqStyle(per_channel=False, through=frozenset({"MaxPool"}), one_range=frozenset({"MaxPool"})),
        functions=True,
        engine_suffix=".chip",
        check_build=check_build,
    )
    yield Runtime(
        name="bare_chip",
        summary="the same without any rules",
        load=load_bare,
        available=probe,
        device="cpu",
        precisions=frozenset(Precision),
    )


@hookimpl
def hookline_quantizers() -> Iterable[Quantizer]:
    """Register the quantizer."""
    yield Quantizer(
        name="input_only",
        summary="one Q/DQ pair at the input, for tests",
        load=load_input_only,
        options=InputOnlyOptions,
        precisions=frozenset({Precision.fp32, Precision.int8}),
    )
