"""Options that model families add to a stage: their union, their defaults, and the store key."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from omegaconf import OmegaConf

from core.artifacts import Checkpoint
from core.config.compose import typed
from core.containment.calls import Fault
from core.errors import PlanError
from core.execution.console import Console
from core.execution.in_process import composed
from core.kinds.context import RunContext
from core.kinds.family_options import (
    FamilyOptions,
    family_options,
    family_options_of,
    keyed_with_families,
    option_classes,
    option_fields_of,
    options_with_family,
)
from core.kinds.lifecycle import Step
from core.kinds.lookup import Origin
from core.kinds.model import ModelFamily
from core.kinds.part import NoOptions
from core.kinds.stage import Known, Stage
from core.options.fields import presentation
from core.options.ranges import Fraction, Positive, PositiveFloat, Range
from core.planning.keys import key_of
from core.planning.planner import make_plan
from core.plugins.option_nodes import check_options, options_node, split_options
from core.plugins.registry import Registry
from tests.support import grid_family, toys


@dataclass
class Config:
    """Options of the toy stage ``learn``."""

    family: str = "first"
    epochs: Positive = 3
    training: FamilyOptions = family_options()


@dataclass(frozen=True, kw_only=True)
class First:
    """Options of one family."""

    lr0: PositiveFloat = 0.01
    momentum: Fraction = 0.9
    layers: list[int] = field(default_factory=lambda: [1])


@dataclass(frozen=True)
class Second:
    """Options of a second family: a new one, one with another default, an equal one, and one outside the key."""

    focal: Annotated[float, Range(0, 5)] = 2.0
    lr0: PositiveFloat = 0.1
    momentum: Fraction = 0.9
    shown: bool = presentation(True)


@dataclass
class WithOtherRange:
    lr0: float = 0.01


@dataclass
class WithOptionOfTheStage:
    epochs: Positive = 3


@dataclass
class WithoutDefault:
    gamma: float


class NoDataclass:
    pass


def learn(config: Config, context: RunContext) -> Checkpoint:
    return toys.weights(toys.Plain(str(config.epochs)), context)


def known(config: Config, inputs: dict[str, Known], context: RunContext) -> Known:
    return Known("learnt", family=config.family)


LEARN = Stage(name="learn", summary="toy", run=learn, families=lambda config: [config.family], known=known)


def family(name: str, training: type[Any] | None) -> ModelFamily:
    return grid_family.family(name=name, training=training)


FAMILIES = (family("first", First), family("second", Second))


def registry(*families: ModelFamily, version: str = "1") -> Registry:
    result = toys.registry(*toys.STAGES, LEARN)
    for item in families:
        result.add("models", item, Origin(item.name, item.name, version))
    return result


def given(**values: Any) -> Config:
    """Return the options for ``learn.<name>=<value>`` on the command line."""
    node = OmegaConf.structured(options_node(Config, FAMILIES))
    return split_options(Config, OmegaConf.to_object(OmegaConf.merge(node, values)), values)


def test_the_node_is_the_union_and_each_family_gets_its_own() -> None:
    node = options_node(Config, FAMILIES)
    names = ["family", "epochs", "lr0", "momentum", "layers", "focal", "shown"]
    assert [item.name for item in fields(node)] == names
    config = given(epochs=7, focal=1, layers=[2, 3])
    assert (type(config), config.epochs, config.training.given) == (Config, 7, {"focal", "layers"})
    assert config.training.of(First) == First(layers=[2, 3])
    assert config.training.of(Second) == Second(focal=1.0)
    assert Config().training.of(Second) == Second()


def test_a_default_that_differs_is_null_and_stands_for_that_of_the_family() -> None:
    assert options_node(Config, FAMILIES)().lr0 is None
    assert options_node(Config, FAMILIES[:1])().lr0 == 0.01
    assert (given().training.of(First).lr0, given().training.of(Second).lr0) == (0.01, 0.1)
    null = given(lr0=None)
    assert (null.training.of(First).lr0, null.training.of(Second).lr0) == (0.01, 0.1)
    assert {given(lr0=0.5).training.of(kind).lr0 for kind in (First, Second)} == {0.5}


@pytest.mark.parametrize(
    ("training", "why"),
    [
        (WithOtherRange, r"'lr0' of the family 'odd' is float, but 'first' declares float \(above 0\)"),
        (WithOptionOfTheStage, "'epochs' of the family 'odd' is an option of the stage"),
        (WithoutDefault, "'gamma' of the family 'odd' has no default"),
        (NoDataclass, "training of the family 'odd' is not a dataclass"),
    ],
)
def test_what_does_not_go_together_is_refused(training: type[Any], why: str) -> None:
    odd = family("odd", training)
    with pytest.raises(Fault, match=why):
        options_node(Config, (*FAMILIES, odd))
    with pytest.raises(Fault, match=why):
        check_options(registry(*FAMILIES), [odd])
    check_options(registry(*FAMILIES), [family("none", None), family("bare", NoOptions)])


def test_a_stage_that_comes_after_the_families_is_checked_too() -> None:
    with pytest.raises(Fault, match="'lr0' of the family 'first' is an option of the stage"):
        check_options(registry(*FAMILIES), [Stage(name="late", summary="toy", run=late)])


@dataclass
class Late:
    lr0: float = 1.0
    others: FamilyOptions = family_options()


def late(config: Late, context: RunContext) -> Checkpoint:
    return toys.weights(toys.Plain(), context)


def test_options_are_listed_by_family_and_each_once() -> None:
    everything = registry(*FAMILIES, family("bare", NoOptions))
    assert list(option_classes(Config, everything)) == [("", Config), ("first", First), ("second", Second)]
    names = [item.name for _, item in option_fields_of(Config, everything)]
    assert names == ["family", "epochs", "lr0", "momentum", "layers", "focal", "shown"]
    assert list(option_classes(toys.Plain, everything)) == [("", toys.Plain)]


def planned(config: Config, folder: Path, parts: Registry) -> Step:
    return make_plan(["learn"], toys.configs(learn=config), toys.context(folder, parts)).steps[-1]


@pytest.mark.parametrize("argument", ["train.lr0=0.01", "++train.lr0=0.01", "train={epochs: 3, lr0: 0.01}"])
def test_an_argument_that_equals_the_default_counts_as_set(argument: str) -> None:
    with composed(["+stage=train", argument], Console()) as (config, plugins):
        train = typed(config, plugins.registry).configs["train"]
    assert family_options_of(train).given == {"lr0"}


def test_an_option_of_another_family_is_refused_with_the_plan(tmp_path: Path) -> None:
    parts = registry(*FAMILIES)
    for config in (given(focal=1.0), given(focal=2.0)):  # 2.0 is the default of the other family
        with pytest.raises(PlanError) as caught:
            planned(config, tmp_path, parts)
        (problem,) = caught.value.problems
        assert str(problem) == (
            "learn.focal is an option of the family second, but this model is of first; "
            "remove the option, or choose a model of that family"
        )
        planned(replace(config, family="second"), tmp_path, parts)


def test_the_range_of_an_option_is_checked_whatever_the_family(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"learn.lr0=-1.0 is out of range; possible: above 0"):
        planned(given(lr0=-1.0), tmp_path, registry(*FAMILIES))


def test_the_key_has_the_options_of_the_family_at_hand_and_its_version(tmp_path: Path) -> None:
    def key(config: Config, parts: Registry) -> str:
        return key_of(planned(config, tmp_path, parts), {}, toys.context(tmp_path, parts))

    both, alone = registry(*FAMILIES), registry(FAMILIES[0])
    plain = key(Config(), alone)
    assert key(given(), both) == plain, "another family that is installed changes nothing"
    assert key(given(lr0=0.01), both) == plain
    assert key(given(lr0=0.02), both) != plain
    assert key(Config(), registry(FAMILIES[0], version="2")) != plain
    second = key(given(family="second"), both)
    assert second not in {plain, key(given(family="second", focal=1.0), both)}
    assert key(given(family="second", shown=False), both) == second


def test_the_options_of_a_run_are_flat() -> None:
    first, second = FAMILIES
    config = given(lr0=0.5)
    own = {"family": "first", "epochs": 3}
    assert options_with_family(config, second) == own | {"focal": 2.0, "lr0": 0.5, "momentum": 0.9, "shown": True}
    assert keyed_with_families(config, [second]) == own | {"focal": 2.0, "lr0": 0.5, "momentum": 0.9}
    assert keyed_with_families(config, [first]) == own | {"lr0": 0.5, "momentum": 0.9, "layers": [1]}
    assert keyed_with_families(config, []) == own
