"""The stage descriptor. Its function is the contract: the annotations name inputs, options and result."""

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
    """One artifact parameter of a stage: its name, its possible types, and whether it is optional."""

    name: str
    types: tuple[type[Artifact], ...]
    optional: bool


@dataclass(frozen=True)
class Signature:
    """The contract of a stage, read from the annotations of its function."""

    config: type[DataclassInstance]
    inputs: tuple[Input, ...]
    provides: tuple[type[Artifact], ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of a chain.

    In the functions below, ``config`` is an instance of the dataclass of options, and ``inputs`` maps parameter names
    to artifacts. Give a function only the parameters that it needs, by the names that are used here.

    Attributes:
        name: Value of ``+stage=``, and prefix of the options of the stage.
        summary: One line for ``--help``.
        run: ``run(config, <artifacts>, context) -> artifact``, called with keywords. Annotate all parameters and the
            result: ``config`` with a dataclass, the inputs with artifact types (``X | None`` for an optional input,
            ``X | Y`` for alternatives), ``context`` with ``RunContext``. Without ``select``, an input with alternatives
            gets the newest artifact of these types in the plan; if there is none, the plan adds the stage that makes
            the first type. An optional input is passed if the plan has one.
        select: ``select(config, context)`` returns the artifact types that this config needs, for optional inputs and
            for inputs or results with alternatives. An optional input that is not selected is not passed. Called before
            ``auto`` is resolved.
        fingerprint: ``fingerprint(config, context)`` returns what the result depends on apart from config and inputs,
            e.g. the digest of a file that the config names. Choose the keys of the mapping freely. It is part of the
            store key, which leaves out the options that are declared with ``place`` or ``fingerprinted``.
        check: ``check(config, context)`` yields problems with the options that can be found before anything runs.
        known: ``known(config, inputs, context)`` returns the facts of the result that are known before the stage runs,
            derived from its options and the known facts of its inputs. Without it, a model that is made from a model
            inherits the facts of that model.
        check_inputs: ``check_inputs(config, inputs, context)`` yields conflicts between the options and the known facts
            of the inputs. Called with the plan, and again when an input has been made.
        packages: Python distributions that affect the result, as for a part. Their versions are part of the store key,
            together with those of the parts.
        families: ``families(config, inputs, context)`` returns the names of the model families that affect the result:
            use ``families_of_inputs``, ``all_families``, or a function of your own. Their versions and options are part
            of the store key.
        settle: ``settle(config, inputs, context)`` returns the config with options resolved that depend on the inputs,
            e.g. an ``auto`` that depends on the model. The store key contains the returned config.
        stored: Keep the result in the store and reuse it. If False, the stage runs each time and writes into the run
            directory only.
        measures: The result contains timings. It is reused only on the same machine and with the same options of the
            runtime that opens the model.
        automatic: The plan may add the stage without a request if no shipped stage makes the artifact. A stage that
            takes and returns the same type is never added.
        given: ``given(config)`` returns whether the config gives the stage any work. If not, later stages run without
            this optional input, unless an earlier stage has made one.
        resumable: ``resume=true`` can resume an interrupted run: a bool, or a function of the config.
        incremental: The output is valid after each item. The stage works directly in the run directory; if it fails,
            what it has written is kept and marked as incomplete. With ``resumable``, a run with ``resume=true`` in the
            same directory continues there. With ``stored``, the store takes a copy of the finished output without
            hidden files. Use hidden files for the state to resume from; the run removes them at the end.
        supplement: ``supplement(config, artifact, inputs, context)`` is called with a stored result that is reused. It
            returns a function that adds missing files to the folder of the result, which ``presentation`` options ask
            for, e.g. charts; None if nothing is missing.
        lineage: Maps an optional input to another input that is derived from it. The nearest ancestor in the plan with
            the right type is passed; if there is none, nothing is passed and no stage is added.
        collective: Under torchrun, all processes run the stage together; other stages run in the process of rank 0.
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
            TypeError: An annotation is missing, or is not a dataclass of options or an artifact.
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
        """Return the artifact types that ``select`` chooses for ``config``; empty if the stage has no ``select``."""
        return tuple(self.select(config, context)) if self.select else ()


def _members(hint: object) -> tuple[object, ...]:
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return typing.get_args(hint)
    return (hint,)


def _is_artifact(hint: object) -> TypeGuard[type[Artifact]]:
    return typing.get_origin(hint) is None and isinstance(hint, type) and issubclass(hint, Artifact)


def families_of_inputs(inputs: Mapping[str, Artifact], context: RunContext) -> Iterable[str]:
    """Return the registered families of the models among the inputs. Use it as ``Stage.families``.

    Args:
        inputs: Inputs of the stage by parameter.
        context: Context of the run.
    """
    facts = (getattr(artifact, "facts", None) for artifact in inputs.values())
    named = {item.family for item in facts if isinstance(item, ModelFacts)}
    return sorted(named & set(context.registry.all(ModelFamily)))


def all_families(context: RunContext) -> Iterable[str]:
    """Return all registered families. Use it as ``Stage.families`` if any family may read the input of the stage.

    Args:
        context: Context of the run.
    """
    return sorted(context.registry.all(ModelFamily))


@dataclass(frozen=True)
class Known:
    """Facts of a model or a data set that are known before it exists; None for an unknown fact.

    Attributes:
        title: Its name in messages.
        names: Class names.
        max_stride: Largest stride of the network; height and width of the input are multiples of it.
        precision, layout: Precision and layout of an ONNX model or an engine.
        runtime: Name of the runtime that the model was quantised for.
        family: Name of the model family.
    """

    title: str = ""
    names: tuple[str, ...] | None = None
    max_stride: int | None = None
    precision: Precision | None = None
    layout: str | None = None
    runtime: str | None = None
    family: str | None = None
