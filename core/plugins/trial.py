"""The trial of an outside plugin: all that it declares is used once, so that what is wrong fails here.

A run composes the options of every plugin, reads its YAML and may ask every part whether it can be used.
What would fail there marks the plugin as broken before, and the others are used without it.
"""

from __future__ import annotations

import builtins
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from core.errors import HooklineError, reason_of, shown
from core.kinds.graft import Graft
from core.kinds.lookup import AUTO, Origin
from core.kinds.model import ModelFamily
from core.kinds.part import DevicePart, Part
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS, RANKED, Descriptor
from core.kinds.tracker import Tracker
from core.model_facts import DECODED, Preprocessing
from core.options.following import annotation, misfits, unknown_words
from core.options.ranges import range_problems, ranges_of
from core.options.words import Words
from core.plugins.config_root import composed, options_at, register_resolvers
from core.plugins.containment import Fault, place_in, source_place
from core.plugins.option_list import option_names
from core.plugins.option_nodes import options_node
from core.plugins.registry import Registry
from core.storage.serial import DataclassInstance, DecodeError, decode, encode
from core.storage.validation import LAYOUT, validate

READ_OTHERWISE = frozenset({"null", "true", "false", "nan", "inf"})
"""Names that Hydra's grammar does not read as text."""
STORE_FOLDERS = frozenset({"locks", "unfinished"})
"""Folders of the store next to those of the stages."""
TRAINING = "training options"
"""Key of the node in which the training options of a family are tried; no stage has this name."""
DEVICES = (AUTO, "cpu", "cuda")


def try_parts(parts: Sequence[tuple[str, Descriptor, str]], origin: Origin, registry: Registry) -> None:
    """Try what a plugin yields.

    Args:
        origin: The plugin.
        registry: The parts of those before it, whose options it may follow.
        parts: Kind, descriptor, and the place of the hook that yields it.

    Raises:
        Fault: Names the first thing that is wrong, with its place.
    """
    scratch = registry.without(())
    for kind, part, place in parts:
        with _placed(f"{KINDS[kind][1]} '{part.name}'", place, origin):
            _try_name(kind, part.name)
            _try_fields(part)
            if isinstance(part, ModelFamily):
                _try_preprocessing(part.preprocessing)
                _try_outputs(part)
        with _placed_options(kind, part, place, origin):
            options = _options_of(part)
            node = options_node(options, scratch.all(ModelFamily).values())
            _try_declaration(options, node)
            node()  # as the root of every config is made, with placeholders for what follows another option
        if isinstance(part, ModelFamily) and part.training is not None:
            with _placed_training(part, part.training, origin):
                _try_declaration(part.training, part.training)
        scratch.add(kind, part, origin)
    if not OmegaConf.has_resolver("official"):
        register_resolvers()
    config = composed(scratch)
    others = list(option_names(scratch))
    for kind, part, place in parts:
        with _placed_options(kind, part, place, origin):
            keys = (part.name,) if isinstance(part, Stage) else (kind, part.name)
            _try_values(config, keys, _options_of(part), others)
        if isinstance(part, ModelFamily) and part.training is not None:
            with _placed_training(part, part.training, origin), open_dict(config):
                config[TRAINING] = OmegaConf.structured(part.training)
                _try_values(config, (TRAINING,), part.training, others)
        if isinstance(part, Part):
            _try_functions(part)


def try_yaml(files: Iterable[Path]) -> None:
    """Read the YAML files of a plugin.

    Raises:
        Fault: One of them cannot be read.
    """
    for file in files:
        try:
            OmegaConf.load(file)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise Fault(f"'{file.name}' is not YAML: {error.problem}", f"{file}:{line}") from error
        except (yaml.YAMLError, OmegaConfBaseException, OSError, ValueError) as error:
            raise Fault(f"'{file.name}' cannot be read: {reason_of(error)}", f"{file}:1") from error


@contextmanager
def _placed(what: str, place: str, origin: Origin) -> Iterator[None]:
    """Say which declaration fails, and where it stands."""
    try:
        yield
    except Fault as fault:
        raise Fault(f"{what}: {fault}", fault.place or place) from fault
    except HooklineError as error:
        raise Fault(f"{what}: {error}", place_in(error, origin, place)) from error
    except Exception as error:
        raise Fault(f"{what}: {type(error).__name__}: {_first_line(error)}", place_in(error, origin, place)) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _try_name(kind: str, name: str) -> None:
    if kind in PART_KINDS:
        taken = {AUTO} if kind in RANKED else set()
    else:
        taken = {*Words.__dataclass_fields__, *KINDS, "hydra", *STORE_FOLDERS}
    if name in taken:
        raise Fault(f"{shown(name)} has another meaning: rename it")
    if name.lower() in READ_OTHERWISE or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Fault(f"the command line does not read {shown(name)} as a name: use letters, digits and underscores")


def _try_fields(part: Descriptor) -> None:
    for item in fields(part):
        value, hint = getattr(part, item.name), _hint(item, type(part))
        if not _fits(value, hint):
            raise Fault(f"{item.name} must be {annotation(item)}, and is {shown(value)}")


def _try_preprocessing(values: Preprocessing) -> None:
    """Check the values that export is to write into models, as those of a file are checked."""
    place = "preprocessing"
    try:
        validate(decode(Preprocessing, encode(values), place), place)
    except DecodeError as error:
        raise Fault(str(error)) from error


def _try_outputs(family: ModelFamily) -> None:
    """Check the layouts, of which the first is used unasked, and the release that is."""
    if not family.layouts:
        raise Fault("layouts is empty: name what export.layout can be, the default first")
    for layout in family.layouts:
        if layout == DECODED or not LAYOUT.fullmatch(layout):
            raise Fault(f"{shown(layout)} cannot name a layout: use letters, digits and underscores, not '{DECODED}'")
    if family.default and family.default not in family.releases:
        raise Fault(f"default is {shown(family.default)}, which releases does not hold")


class _ModuleNames(dict[str, object]):
    """The names of a module; one that exists for type checkers only stands for anything."""

    def __missing__(self, name: str) -> object:
        return getattr(builtins, name, object)


def _hint(item: Field[object], owner: type[object]) -> object:
    """Return the annotation of a field of one of our descriptors, or of a class that is made from one."""
    home = next(base for base in owner.__mro__ if item.name in vars(base).get("__annotations__", {}))
    if not isinstance(item.type, str):
        return item.type
    return eval(item.type, {}, _ModuleNames(vars(sys.modules[home.__module__])))  # noqa: S307 - an annotation of a class


def _fits(value: object, hint: object) -> bool:
    """Return whether a value has the type of a simple annotation; what is not simple fits."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_fits(value, member) for member in arguments)
    if hint is None or hint is type(None):
        return value is None
    if Callable in {hint, origin}:
        return callable(value)
    if origin is type:
        return isinstance(value, type)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            _fits(key, arguments[0]) and _fits(item, arguments[1]) for key, item in value.items()
        )
    if isinstance(origin, type) and issubclass(origin, Collection):
        return isinstance(value, origin) and all(_fits(item, arguments[0]) for item in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return not isinstance(hint, type) or isinstance(value, hint)


def _options_of(part: Descriptor) -> type[DataclassInstance]:
    return part.signature.config if isinstance(part, Stage) else part.options


def _placed_options(kind: str, part: Descriptor, place: str, origin: Origin) -> AbstractContextManager[None]:
    where = source_place(_options_of(part)) or place
    return _placed(f"options of the {KINDS[kind][1]} '{part.name}'", where, origin)


def _try_declaration(options: type[DataclassInstance], node: type[DataclassInstance]) -> None:
    """Make the options, as the dataclass of their config node, without those that they follow."""
    if not is_dataclass(options):
        raise Fault(f"{shown(options.__name__)} is not a dataclass")
    for item in fields(options):
        if item.default is MISSING and item.default_factory is MISSING:
            raise Fault(f"'{item.name}' has no default")
        kind = item.metadata.get("kind")
        if kind and kind not in PART_KINDS:
            raise Fault(f"'{item.name}' names parts of the kind {shown(kind)}; possible: {', '.join(PART_KINDS)}")
    ranges_of(options)
    OmegaConf.structured(node)


def _placed_training(
    family: ModelFamily, training: type[DataclassInstance], origin: Origin
) -> AbstractContextManager[None]:
    return _placed(f"training options of the model family '{family.name}'", source_place(training), origin)


def _try_values(
    config: DictConfig, keys: Sequence[str], options: type[DataclassInstance], others: Sequence[str]
) -> None:
    """Make the options as a run does, whose defaults must be in range."""
    node = OmegaConf.select(config, ".".join(keys))
    wrong = [*unknown_words(options, Words, others)]
    if isinstance(node, DictConfig) and not wrong:  # a part without options has none
        wrong += misfits(options, node, Words)
    if wrong:
        raise Fault(wrong[0])
    for _, problem in range_problems(options_at(config, *keys), ""):
        raise Fault(f"the default of {problem.message}; {problem.hint}")


def _try_functions(part: Part[object]) -> None:
    """Call what every run may call. These functions are contained already, and say what is wrong themselves."""
    if isinstance(part, DevicePart | Tracker):
        part.available()
    if isinstance(part, DevicePart | ModelFamily):
        for device in DEVICES:
            part.check_device(device)
    if isinstance(part, Runtime):
        part.calibrates(part.options())
        part.portable(part.options())
    if isinstance(part, Graft):
        part.operators(part.options())
    for problem in part.check_options(part.options()):
        raise Fault(f"check_options refuses the defaults: {problem}", source_place(part.check_options))
