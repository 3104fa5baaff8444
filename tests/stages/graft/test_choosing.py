"""The graft for ``decode=``: it supports the model family, and the runtime can run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from core.artifacts import GraftedModel, QuantizedModel
from core.errors import HooklineError
from core.kinds.context import RunContext
from core.kinds.graft import CustomOperators, Graft
from core.kinds.lifecycle import Step
from core.kinds.runtime import Runtime
from core.kinds.stage import Known
from core.planning.keys import key_of
from core.planning.planner import settled
from cuda_plugins.signature import OUTPUTS
from stages.graft import check_inputs, graft, hookline_stages, settle
from stages.graft.choosing import choose
from stages.graft.config import GraftConfig
from tests.support import grid_family
from tests.support.fake_parts import runtime_part
from tests.support.stage_tools import make_context


class Appending:
    """A graft that writes outputs only, and records its head."""

    def __init__(self, outputs: Sequence[str] = OUTPUTS) -> None:
        self.outputs = outputs
        self.heads: list[Any] = []

    def append(self, model: QuantizedModel, head: Any, target: Path, *, score_threshold: float) -> tuple[str, ...]:
        self.heads.append(head)
        file = onnx.load(model.path)
        del file.graph.output[:]
        for name in self.outputs:
            file.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        onnx.save(file, target)
        return ()


def make_graft(name: str, backend: Appending | None = None, **changes: Any) -> Graft:
    return Graft(name=name, summary="", load=lambda: backend, **changes)


@dataclass
class ShapeOptions:
    """Options that decide whether a file needs a custom operator of the runtime."""

    bare: bool = False


def bare_or_function(options: ShapeOptions) -> CustomOperators:
    return CustomOperators(names=frozenset({"My_TRT"}), functions=not options.bare)


NODE = CustomOperators(names=frozenset({"My_TRT"}))
PLUGIN = make_graft("plugin", operators=lambda: NODE)
FUNCTION = make_graft("function", operators=bare_or_function, options=ShapeOptions)
PLAIN = make_graft("plain")
FAMILY = grid_family.family(grafts=("plugin", "function", "plain", "not_installed"))
CPU = runtime_part("cpu")
WITH_FUNCTIONS = runtime_part("functions", functions=True)
WITH_OPERATOR = runtime_part("operator", operators=frozenset({"My_TRT", "Other"}))


def with_grafts(tmp_path: Path, *grafts: Graft) -> RunContext:
    return make_context(tmp_path, grafts=grafts)[0]


@pytest.mark.parametrize(("runtime", "best"), [(CPU, "plain"), (WITH_FUNCTIONS, "function"), (WITH_OPERATOR, "plugin")])
def test_auto_takes_the_first_of_the_family_that_the_runtime_can_run(
    tmp_path: Path, runtime: Runtime, best: str
) -> None:
    found = with_grafts(tmp_path, PLAIN, FUNCTION, PLUGIN)  # the order of the family counts, not of registration
    assert choose("auto", FAMILY, runtime, found).name == best


def test_a_graft_may_name_families_that_do_not_know_it(tmp_path: Path) -> None:
    other = make_graft("other", families=frozenset({"grid"}))
    assert choose("auto", FAMILY, CPU, with_grafts(tmp_path, other, PLAIN)).name == "plain"
    assert choose("auto", grid_family.family(), CPU, with_grafts(tmp_path, other, PLAIN)).name == "other"
    assert choose("other", FAMILY, CPU, with_grafts(tmp_path, other, PLAIN)).name == "other"


@pytest.mark.parametrize(
    ("decode", "runtime", "family", "expected"),
    [
        ("plugin", CPU, FAMILY, "cpu cannot run the graft 'plugin': it needs the operator My_TRT; possible: decode=pl"),
        ("plain", CPU, grid_family.family(), "'plain' does not support the model family 'grid'; possible: none"),
        ("nope", CPU, FAMILY, "unknown graft 'nope'; possible: auto, "),
        ("auto", CPU, grid_family.family(), "the model family 'grid' has no graft.*predict.model=quantized"),
        (
            "auto",
            CPU,
            grid_family.family(grafts=("plugin", "function")),
            "no graft of the model family 'grid' runs on cpu .plugin: it needs the operator My_TRT; function: .* no ",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, decode: str, runtime: Runtime, family: Any, expected: str) -> None:
    with pytest.raises(HooklineError, match=expected):
        choose(decode, family, runtime, with_grafts(tmp_path, PLUGIN, FUNCTION, PLAIN))


def test_what_a_graft_needs_depends_on_its_options(tmp_path: Path) -> None:
    """The same graft is chosen, skipped and refused, depending on one of its options."""
    given = with_grafts(tmp_path, FUNCTION, PLAIN)
    assert choose("auto", FAMILY, WITH_FUNCTIONS, given).name == "function"
    bare = replace(given, options=lambda kind, name: ShapeOptions(bare=True))
    assert choose("auto", FAMILY, WITH_FUNCTIONS, bare).name == "plain"
    assert choose("auto", FAMILY, WITH_OPERATOR, bare).name == "function"
    with pytest.raises(
        HooklineError, match=r"functions cannot run the graft 'function': .*My_TRT; possible: decode=pl"
    ):
        choose("function", FAMILY, WITH_FUNCTIONS, bare)


@pytest.mark.parametrize(
    ("decode", "bare", "notes"),
    [
        ("auto", False, []),
        ("plain", True, []),
        ("auto", True, ["decode: plain (function: it needs the operator My_TRT, which functions does not have)"]),
    ],
)
def test_a_graft_that_auto_passes_over_is_reported(tmp_path: Path, decode: str, bare: bool, notes: list[str]) -> None:
    family = grid_family.family(grafts=("function", "plain"))
    parts = {"models": [family], "runtimes": [WITH_FUNCTIONS], "grafts": [FUNCTION, PLAIN]}
    context, memory = make_context(tmp_path, **parts)
    given = replace(context, options=lambda kind, name: ShapeOptions(bare=bare))
    settle(GraftConfig(decode), {"model": model_in(tmp_path, runtime="functions")}, given)
    assert memory.notes == notes


def model_in(folder: Path, **changes: Any) -> QuantizedModel:
    exported = grid_family.write_onnx(folder / "grid.onnx")
    given = {name: value for name, value in vars(exported).items() if name not in {"precision"}}
    return replace(QuantizedModel(**given, runtime="cpu"), **changes)


def test_the_graft_gets_the_head_of_the_family(tmp_path: Path) -> None:
    backend = Appending()
    parts = {"models": [FAMILY], "runtimes": [CPU], "grafts": [PLUGIN, make_graft("plain", backend)]}
    context, _ = make_context(tmp_path, **parts)
    made = graft(GraftConfig("auto"), model_in(tmp_path), context)
    assert isinstance(made, GraftedModel)
    assert (made.graft, made.layout) == ("plain", "decoded")
    assert backend.heads == [grid_family.GridHead(grid_family.FACTS)]
    wrong, _ = make_context(tmp_path, **{**parts, "grafts": [make_graft("plain", Appending(["boxes"]))]})
    with pytest.raises(HooklineError, match=r"graft 'plain': wrote the outputs \['boxes'\], not \['DecodeNum"):
        graft(GraftConfig("auto"), model_in(tmp_path), wrong)
    with pytest.raises(HooklineError, match=r"tiles, to which no decode step can be appended; set export\.layout=grid"):
        graft(GraftConfig("auto"), model_in(tmp_path, layout="tiles"), context)


def test_the_plan_refuses_what_it_can_know(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path, models=[FAMILY], runtimes=[CPU], grafts=[PLUGIN])
    model = Known("'x'", family="grid", runtime="cpu", layout="grid")
    (problem,) = check_inputs(GraftConfig("auto"), {"model": model}, context)
    assert "no graft of the model family 'grid' runs on cpu" in str(problem)
    for unknown in (replace(model, family=None), replace(model, runtime=None)):
        assert list(check_inputs(GraftConfig("auto"), {"model": unknown}, context)) == []


def test_the_key_holds_the_graft_that_auto_means(tmp_path: Path) -> None:
    """Another graft for the same command line changes the key of the result."""
    (stage,) = hookline_stages()
    step = Step(stage, GraftConfig("auto"), True, {}, GraftedModel, (("grafts", "auto"),))
    keys = []
    for index, names in enumerate((("plain",), ("other", "plain"))):
        parts = {"models": [grid_family.family(grafts=names)], "runtimes": [CPU], "stages": [stage]}
        context, _ = make_context(tmp_path / str(index), **parts, grafts=[PLAIN, make_graft("other")])
        model = model_in(tmp_path)
        found = settled(step, {"model": model}, context)
        assert found.config == GraftConfig(names[0])
        assert found.parts == (("grafts", names[0]),)
        keys.append(key_of(found, {"model": replace(model, sha256="0" * 64)}, context))
    assert keys[0] != keys[1]
