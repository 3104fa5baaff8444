"""Try everything that an outside plugin declares, so that a mistake marks the plugin as broken before a run.

Every run composes the options of all plugins, reads their YAML files and can ask each part whether it is usable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import yaml
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from core.containment.calls import Fault, location_in, source_location
from core.errors import HooklineError, reason_of, shown
from core.kinds.graft import Graft
from core.kinds.lookup import AUTO, Origin
from core.kinds.model import ModelFamily
from core.kinds.part import DevicePart, Part
from core.kinds.runtime import Runtime
from core.kinds.stage import Stage
from core.kinds.table import KINDS, PART_KINDS, RANKED, Descriptor, declared_options
from core.kinds.tracker import Tracker
from core.model_facts import DECODED, Preprocessing
from core.options.following import misfits, unknown_shared
from core.options.ranges import range_problems, ranges_of
from core.options.top_level import TopLevelOptions
from core.plugins.config_root import composed, options_at, register_resolvers
from core.plugins.option_nodes import option_names, options_node
from core.plugins.registry import Registry
from core.plugins.trial_fields import check_fields
from core.storage.serial import DataclassInstance, DecodeError, decode, encode
from core.storage.validation import LAYOUT, validate

READ_OTHERWISE = frozenset({"null", "true", "false", "nan", "inf"})
"""Names that Hydra's grammar reads as other values than text."""
STORE_FOLDERS = frozenset({"locks", "unfinished"})
"""Folders of the store next to those of the stages."""
TRAINING = "training options"
"""Key of the node for the training options of a family; no stage can have this name."""
DEVICES = (AUTO, "cpu", "cuda")


def try_parts(parts: Sequence[tuple[str, Descriptor, str]], origin: Origin, registry: Registry) -> None:
    """Try the stages and parts that a plugin yields.

    Args:
        parts: Kind, descriptor, and the location of the hook that yields it.
        origin: The plugin.
        registry: The parts of the plugins before it, which have options that its options can follow.

    Raises:
        Fault: Names the first mistake and its location.
    """
    scratch = registry.without(())
    for kind, part, location in parts:
        with _located(f"{KINDS[kind].noun} '{part.name}'", location, origin):
            _try_name(kind, part.name)
            check_fields(part)
            if isinstance(part, ModelFamily):
                _try_preprocessing(part.preprocessing)
                _try_outputs(part)
        with _located_options(kind, part, location, origin):
            options = declared_options(part)
            node = options_node(options, scratch.all(ModelFamily).values())
            _try_declaration(options, node)
            node()  # every run makes it with placeholders in the options that follow another option
        if isinstance(part, ModelFamily) and part.training is not None:
            with _located_training(part, part.training, origin):
                _try_declaration(part.training, part.training)
        scratch.add(kind, part, origin)
    if not OmegaConf.has_resolver("official"):
        register_resolvers()
    config = composed(scratch)
    others = list(option_names(scratch))
    for kind, part, location in parts:
        with _located_options(kind, part, location, origin):
            keys = (part.name,) if isinstance(part, Stage) else (kind, part.name)
            _try_values(config, keys, declared_options(part), others)
        if isinstance(part, ModelFamily) and part.training is not None:
            with _located_training(part, part.training, origin), open_dict(config):
                config[TRAINING] = OmegaConf.structured(part.training)
                _try_values(config, (TRAINING,), part.training, others)
        if isinstance(part, Part):
            _try_functions(part)


def try_yaml(files: Iterable[Path]) -> None:
    """Read the YAML files of a plugin.

    Raises:
        Fault: A file cannot be read.
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
def _located(what: str, location: str, origin: Origin) -> Iterator[None]:
    """Add the name and the location of a declaration to a mistake in it."""
    try:
        yield
    except Fault as fault:
        raise Fault(f"{what}: {fault}", fault.location or location) from fault
    except HooklineError as error:
        raise Fault(f"{what}: {error}", location_in(error, origin, location)) from error
    except Exception as error:
        raise Fault(
            f"{what}: {type(error).__name__}: {_first_line(error)}", location_in(error, origin, location)
        ) from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _try_name(kind: str, name: str) -> None:
    if kind in PART_KINDS:
        taken = {AUTO} if kind in RANKED else set()
    else:
        taken = {*TopLevelOptions.__dataclass_fields__, *KINDS, "hydra", *STORE_FOLDERS}
    if name in taken:
        raise Fault(f"the name {shown(name)} is reserved: use another name")
    if name.lower() in READ_OTHERWISE or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise Fault(f"the command line does not read {shown(name)} as a name: use letters, digits and underscores")


def _try_preprocessing(values: Preprocessing) -> None:
    """Check the values that export writes into models by the rules for files."""
    location = "preprocessing"
    try:
        validate(decode(Preprocessing, encode(values), location), location)
    except DecodeError as error:
        raise Fault(str(error)) from error


def _try_outputs(family: ModelFamily) -> None:
    """Check the layouts, of which the first is the default, and the default release."""
    if not family.layouts:
        raise Fault("layouts is empty: give the values of export.layout, the default first")
    for layout in family.layouts:
        if layout == DECODED or not LAYOUT.fullmatch(layout):
            raise Fault(f"{shown(layout)} cannot name a layout: use letters, digits and underscores, not '{DECODED}'")
    if family.default and family.default not in family.releases:
        raise Fault(f"the default {shown(family.default)} is not one of the releases")


def _located_options(kind: str, part: Descriptor, location: str, origin: Origin) -> AbstractContextManager[None]:
    where = source_location(declared_options(part)) or location
    return _located(f"options of the {KINDS[kind].noun} '{part.name}'", where, origin)


def _try_declaration(options: type[DataclassInstance], node: type[DataclassInstance]) -> None:
    """Check a dataclass of options and make its config node, without the options that it follows."""
    if not is_dataclass(options):
        raise Fault(f"{shown(options.__name__)} is not a dataclass")
    for item in fields(options):
        if item.default is MISSING and item.default_factory is MISSING:
            raise Fault(f"'{item.name}' has no default")
        kind = item.metadata.get("kind")
        if kind and kind not in PART_KINDS:
            raise Fault(
                f"'{item.name}' names parts of the unknown kind {shown(kind)}; possible: {', '.join(PART_KINDS)}"
            )
    ranges_of(options)
    OmegaConf.structured(node)


def _located_training(
    family: ModelFamily, training: type[DataclassInstance], origin: Origin
) -> AbstractContextManager[None]:
    return _located(f"training options of the model family '{family.name}'", source_location(training), origin)


def _try_values(
    config: DictConfig, keys: Sequence[str], options: type[DataclassInstance], others: Sequence[str]
) -> None:
    """Make the options as a run does; the defaults must be in range."""
    node = OmegaConf.select(config, ".".join(keys))
    wrong = [*unknown_shared(options, TopLevelOptions, others)]
    if isinstance(node, DictConfig) and not wrong:  # a part without options has none
        wrong += misfits(options, node, TopLevelOptions)
    if wrong:
        raise Fault(wrong[0])
    for _, problem in range_problems(options_at(config, *keys), ""):
        raise Fault(f"the default of {problem.message}; {problem.hint}")


def _try_functions(part: Part[object]) -> None:
    """Call the functions that any run can call. They are contained, and raise the mistakes themselves."""
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
        raise Fault(f"check_options refuses the defaults: {problem}", source_location(part.check_options))
