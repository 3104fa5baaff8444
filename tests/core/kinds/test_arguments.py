"""Functions of a descriptor declare only the parameters that they need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from typing import Any

import pytest

from core.containment.function_results import RESULTS
from core.containment.parts import guarded
from core.kinds.arguments import ARGUMENTS, taking
from core.kinds.calibrator import Calibrator
from core.kinds.check import Check
from core.kinds.graft import Graft
from core.kinds.lookup import Origin
from core.kinds.model import ModelFamily
from core.kinds.part import Part
from core.kinds.processor import Processor
from core.kinds.quantizer import Quantizer
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.tracker import Tracker

THREE = ("config", "inputs", "context")
OUTSIDE = Origin("toys", "toys", "1")


@pytest.mark.parametrize(
    ("function", "result"),
    [
        (lambda config, inputs, context: (config, inputs, context), (1, 2, 3)),
        (lambda config: config, 1),
        (lambda context: context, 3),
        (lambda context, config: (context, config), (3, 1)),
        (lambda: 0, 0),
        (lambda inputs, here=7: (inputs, here), (2, 7)),
        (lambda *, context: context, 3),
        (partial(lambda more, config: (more, config), 9), (9, 1)),
    ],
)
def test_a_function_gets_what_it_names(function: Callable[..., object], result: object) -> None:
    complete = taking(THREE, function, "known")
    assert complete(1, 2, 3) == complete(config=1, inputs=2, context=3) == result
    assert taking(THREE, complete, "known") is complete  # as dataclasses.replace does


def test_a_function_that_takes_all_is_left_as_it_is() -> None:
    def known(config: object, inputs: object, context: object) -> None:
        """Nothing."""

    assert taking(THREE, known, "known") is known


def test_an_unknown_parameter_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(TypeError, match=r"check of Stage 'toy': unknown parameter 'contxt'; did you mean context\?"):
        Stage(name="toy", summary="", run=lambda: None, check=lambda config, contxt: ())
    with pytest.raises(TypeError, match="load of Calibrator 'toy': unknown parameter '_'; possible: options"):
        Calibrator(name="toy", summary="", load=lambda _: None)


def test_a_guarded_function_may_leave_arguments_out() -> None:
    part: Calibrator = Calibrator(name="toy", summary="", load=lambda: "observer", check_options=lambda options: [])
    for item in (part, guarded(part, OUTSIDE), replace(guarded(part, OUTSIDE), summary="other")):
        assert item.load(item.options()) == "observer"
        assert list(item.check_options(item.options())) == []


def test_a_default_is_not_guarded() -> None:
    part = Calibrator(name="toy", summary="", load=lambda: "observer")
    assert guarded(part, OUTSIDE).check_options.__wrapped__.__module__ == "core.kinds.part"  # type: ignore[attr-defined]


def test_every_function_of_a_descriptor_has_its_arguments_and_a_check_of_its_result() -> None:
    kinds: tuple[Any, ...] = (
        Stage, Part, ModelFamily, Calibrator, Quantizer, Graft, Runtime, Processor, Tracker, Check,
    )  # fmt: skip
    declared = {item.name for kind in kinds for item in fields(kind) if "Callable[" in str(item.type)}
    assert declared - {"run"} == set(ARGUMENTS)
    assert set(RESULTS) == set(ARGUMENTS)
