"""An error names the outside parts in use."""

from __future__ import annotations

from core.artifacts import Engine
from core.containment.failures import failure_line
from core.kinds.lookup import Origin
from core.kinds.part import NoOptions
from core.kinds.stage import Stage
from core.plugins.registry import Registry
from tests.support.fake_parts import runtime_part


def _nothing(config: NoOptions) -> Engine: ...


def test_an_error_in_our_code_names_the_outside_parts_in_use() -> None:
    """A session from outside that returns None fails in code of hookline, whose lines name nobody."""
    registry = Registry()
    registry.add("stages", Stage(name="predict", summary="", run=_nothing), Origin("stages.predict", "hookline", "1"))
    registry.add("runtimes", runtime_part("fake"), Origin("odd", "hookline-odd", "3", "hookline_odd"))
    used = [("runtimes", "fake"), ("grafts", "auto")]
    line = failure_line("stage 'predict'", KeyError("p3"), registry, used)
    assert line == ("stage 'predict' failed (KeyError: 'p3'); it used backend 'fake' of hookline-odd 3 (plugin 'odd')")
    assert failure_line("stage 'predict'", KeyError("p3"), registry) == ""
