"""The stage descriptor. The function it carries is the contract: artifacts are read from its annotations."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeGuard

from core.artifacts import Artifact
from core.kinds.arguments import complete_functions
from core.kinds.model import ModelFamily
from core.model_facts import ModelFacts, Precision
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.errors import HooklineError
    from core.kinds.context import RunContext


@dataclass(frozen=True)
class Input:
    """One artifact parameter of a stage: its name, the types it takes, and whether it may be left out."""

    name: str
    types: tuple[type[Artifact], ...]
    optional: bool


@dataclass(frozen=True)
class Signature:
    """What a stage function says about itself."""

    config: type[DataclassInstance]
    inputs: tuple[Input, ...]
    provides: tuple[type[Artifact], ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a chain.

    ``config`` is an instance of the dataclass of options; ``inputs`` are by the name of the parameter. A function has
    parameters, by the names that stand here, for the arguments that it needs; the others can be left out.

    Attributes:
        name: What ``+stage=`` takes; its options lie under the same word.
        summary: One line for ``--help``.
        run: ``run(config, <artifacts>, context) -> artifact``, called with keywords. All parameters and the result are
            annotated: ``config`` with a dataclass, the inputs with artifact types (``X | None``: optional, ``X | Y``: a
            choice), ``context`` with ``RunContext``. Without ``select``, a choice is the newest artifact of these types
            in the plan, else the plan adds what makes the first one; an optional input is given if the plan has one.
        select: ``select(config, context)`` returns, where the signature leaves a choice (an optional input, a union),
            the artifact types that this config calls for, those of the inputs it needs or of the result. An optional
            input that is not selected is left out. Called before ``auto`` is replaced by names of parts.
        fingerprint: ``fingerprint(config, context)`` returns what the result depends on outside config and inputs, e.g.
            the digest of a file that the config names, by any names. Part of the store's key, which does not contain
            the options that are declared with ``place`` or ``fingerprinted``.
        check: ``check(config, context)`` yields problems with the options that can be found before anything runs.
        known: ``known(config, inputs, context)`` returns what is known of the result before the stage runs, from its
            options and from what is known of its inputs. Without it, a model that is made of a model keeps what is
            known of that.
        check_inputs: ``check_inputs(config, inputs, context)`` yields problems between the options and what is known of
            the inputs. Called with the plan, and again when an input has been made.
        packages: Distributions of Python whose version shapes the result, named as those of a part. Part of the store's
            key; those of the parts are added.
        families: ``families(config, inputs, context)`` names the model families that shape the result:
            ``families_of_inputs``, ``all_families``, or your own. Their versions and options are part of the store's
            key.
        settle: ``settle(config, inputs, context)`` replaces options that can be decided only when the inputs are there,
            e.g. an ``auto`` that depends on the model. The store's key contains what it returns.
        stored: Keep the result in the store and reuse it. False: the stage writes into the run's directory only, and
            runs each time.
        measures: The result contains times. It is reused only on the same machine, and only while every option of
            the runtime that opens the model is the same.
        automatic: The plan may add the stage unasked, where no shipped stage makes the artifact. It never adds a stage
            that takes and gives the same type.
        given: ``given(config)`` returns whether this config gives the stage anything to work on. Where it does not, a
            later stage whose input is optional goes without, unless an earlier stage has made one.
        resumable: An interrupted run of it can be resumed, ``resume=true``; a function says for which configs.
        incremental: What it writes is complete from item to item. It works in its visible directory, and what it has
            written stays when it fails, marked as incomplete. With ``resumable``, a run with ``resume=true`` in the
            same directory continues there. If the stage is ``stored``, the store takes a copy of what it has finished,
            without hidden files, which the stage may resume from; the run then removes them.
        supplement: ``supplement(config, artifact, inputs, context)`` is called with a stored result that is reused. It
            returns a function that writes into a folder with the result's files what these lack and ``presentation``
            options ask for, e.g. charts; None where nothing is missing.
        lineage: An optional input -> the input from whose ancestors it is taken: the nearest one in the plan that has
            its type. It is left out where the plan has none, and is never made for this.
        collective: Under torchrun all processes run the stage together; other stages are run by the first process.
    """

    kind: ClassVar[str] = "stages"
    name: str
    summary: str
    run: Callable[..., Artifact]
    select: Callable[..., Collection[type[Artifact]]] | None = None
    fingerprint: Callable[..., Mapping[str, object]] | None = None
    check: Callable[..., Iterable[HooklineError]] | None = None
    known: Callable[..., Known] | None = None
    check_inputs: Callable[..., Iterable[HooklineError]] | None = None
    packages: tuple[str, ...] = ()
    families: Callable[..., Iterable[str]] | None = None
    settle: Callable[..., DataclassInstance] | None = None
    stored: bool = True
    measures: bool = False
    automatic: bool = True
    given: Callable[..., bool] | None = None
    resumable: bool | Callable[..., bool] = False
    incremental: bool = False
    collective: bool = False
    supplement: Callable[..., Callable[[Path], None] | None] | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        complete_functions(self, f"Stage '{self.name}'")

    @cached_property
    def signature(self) -> Signature:
        """Config, inputs and result, read from the annotations of ``run``.

        Raises:
            TypeError: The function is not annotated as a stage must be.
        """
        annotations = {name: hint for name, hint in self.run.__annotations__.items() if name != "context"}
        bare = types.SimpleNamespace(__annotations__=annotations)
        hints = typing.get_type_hints(bare, globalns=getattr(self.run, "__globals__", {}))
        provides = tuple(hint for hint in _members(hints.pop("return", None)) if _is_artifact(hint))
        config = hints.pop("config", None)
        if not provides or not isinstance(config, type):
            raise TypeError(f"stage '{self.name}': run needs 'config: <dataclass>' and '-> <artifact>' annotations")
        inputs = []
        for name, hint in hints.items():
            members = _members(hint)
            kinds = tuple(member for member in members if _is_artifact(member))
            if not kinds:
                raise TypeError(f"stage '{self.name}': parameter '{name}' is annotated {hint}, not an artifact")
            inputs.append(Input(name, kinds, optional=type(None) in members))
        return Signature(config, tuple(inputs), provides)

    def resumes(self, config: DataclassInstance) -> bool:
        """Return whether an interrupted run with ``config`` can be resumed."""
        return self.resumable if isinstance(self.resumable, bool) else self.resumable(config)

    def selected(self, config: DataclassInstance, context: RunContext) -> tuple[type[Artifact], ...]:
        """Return what ``select`` answers for ``config``, empty where the stage has none."""
        return tuple(self.select(config, context)) if self.select else ()


def _members(hint: object) -> tuple[object, ...]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return typing.get_args(hint)
    return (hint,)


def _is_artifact(hint: object) -> TypeGuard[type[Artifact]]:
    return typing.get_origin(hint) is None and isinstance(hint, type) and issubclass(hint, Artifact)


def families_of_inputs(inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the registered families of the models that the stage gets. For ``Stage.families``.

    Args:
        inputs: Inputs of the stage by parameter.
        context: Of the run.
    """
    facts = (getattr(artifact, "facts", None) for artifact in inputs.values())
    named = {item.family for item in facts if isinstance(item, ModelFacts)}
    return sorted(named & set(context.registry.all(ModelFamily)))


def all_families(context: RunContext) -> Iterable[str]:
    """Return every registered family: any of them may read what the stage is given. For ``Stage.families``.

    Args:
        context: Of the run.
    """
    return sorted(context.registry.all(ModelFamily))


@dataclass(frozen=True)
class Known:
    """Facts of a model or a data set; None where a fact is not known.

    Attributes:
        title: What messages call it.
        names: Class names.
        max_stride: The largest stride of the network: its input is a multiple of it.
        precision, layout: Of a model other than a checkpoint.
        runtime: Whose rules a model follows.
        family: The model family.
    """

    title: str = ""
    names: tuple[str, ...] | None = None
    max_stride: int | None = None
    precision: Precision | None = None
    layout: str | None = None
    runtime: str | None = None
    family: str | None = None
