"""Fields of the options of a stage: what an option follows or names, and how it enters the store key."""

from __future__ import annotations

from dataclasses import Field, field, fields, is_dataclass
from typing import Any, TypeVar

from core.storage.serial import DataclassInstance, Json, encode

FAMILIES = "families"
"""Metadata of the field that accepts the options of model families (:mod:`core.kinds.family_options`)."""

DefaultT = TypeVar("DefaultT")


def shared(
    word: str,
    *,
    otherwise: object = None,
    kind: str = "",
    usable: bool = True,
    versioned: bool = True,
    presentation: bool = False,
    place: bool = False,
    fingerprinted: bool = False,
    not_for: type[object] | None = None,
) -> Any:  # noqa: ANN401 - the field has the type that its annotation states
    """Return a field that follows a top-level option: its default is the value of that option.

    ``conf: float | None = shared("conf")`` in the options of the stage ``blur`` has the value of ``conf=``, unless
    ``blur.conf=`` is set. docs/configuration.md lists the possible options under "Top level".

    If the top-level option is null, the stage gets None: annotate the field with ``| None``, or set ``otherwise``, e.g.
    ``precision: Precision = shared("precision", otherwise=Precision.fp32)``.

    In a test that calls the stage directly, pass every option that follows a top-level option. Without a run, the
    default is a placeholder text.

    Args:
        word: Name of the top-level option.
        otherwise: Value to use if the top-level option is null, e.g. ``shared("imgsz", otherwise=640)``; None keeps
            null.
        kind: The option names a part of this kind, as in :func:`chosen`.
        usable: Whether the part must be usable on this machine. False if only its rules are needed, e.g. those of a
            runtime for a GPU in another machine.
        versioned: As in :func:`chosen`.
        presentation: As in :func:`presentation`.
        place: As in :func:`place`.
        fingerprinted: As in :func:`fingerprinted`.
        not_for: Type of artifact for which the option has no effect, if the stage can provide several. The plan reports
            an option that no stage uses.
    """
    value = f"${{{word}}}" if otherwise is None else f"${{otherwise:${{{word}}},{encode(otherwise)}}}"
    return field(
        default=value,
        metadata={
            "follows": word,
            "otherwise": otherwise,
            "kind": kind,
            "usable": usable,
            "versioned": versioned and usable,
            "presentation": presentation,
            "place": place,
            "fingerprinted": fingerprinted,
            "not_for": not_for,
        },
    )


def chosen(default: str, *, kind: str, fact: str = "", versioned: bool = True) -> str:
    """Return a field that names a registered part.

    The plan checks the name, replaces ``auto`` by the available part with the highest rank, and adds name, version and
    options of the part to the store key. The function of the stage gets the name of a registered part, never ``auto``.

    Args:
        default: Name of the part, or ``auto`` for a runtime or a processor.
        kind: ``models``, ``calibrators``, ``quantizers``, ``grafts``, ``runtimes``, ``processors`` or ``trackers``.
        fact: A field of the descriptor that must be true, e.g. ``records_activations`` of a runtime.
        versioned: Whether the packages of the part affect the result. False e.g. for a runtime if the result does not
            depend on its version.
    """
    return field(default=default, metadata={"kind": kind, "fact": fact, "versioned": versioned})


def presentation(default: DefaultT) -> DefaultT:
    """Return a field that does not affect the result; the store key does not contain it.

    A stored result is reused with any value of the option, e.g. of ``threads`` or ``plots``.

    Args:
        default: Default of the option.
    """
    return field(default=default, metadata={"presentation": True})


def place(default: DefaultT) -> DefaultT:
    """Return a field for a location, e.g. a path.

    The store key does not contain the text of the option, so that a moved file causes no new work.
    ``Stage.fingerprint`` must return the digest of the content (e.g. with :func:`file_digest`), unless an input of the
    stage is made from the same location. Otherwise the stage would reuse its result after the file has changed.

    The stage gets the value as the user typed it. Use ``Path(value).expanduser()``; relative paths start at the working
    directory.

    Args:
        default: Default of the option, usually None.
    """
    return field(default=default, metadata={"place": True})


def fingerprinted(default: DefaultT) -> DefaultT:
    """Return a field that affects the result only in combination with others; the store key does not contain it.

    ``Stage.fingerprint`` must return its value if it has an effect.

    Args:
        default: Default of the option.
    """
    return field(default=default, metadata={"fingerprinted": True})


def followed(config: type[DataclassInstance], name: str) -> str:
    """Return the top-level option that the field ``name`` follows; empty if it follows none."""
    return next((str(item.metadata.get("follows", "")) for item in fields(config) if item.name == name), "")


def is_keyed(item: Field[object]) -> bool:
    """Return whether the store key contains the value of a field."""
    return not any(item.metadata.get(word) for word in ("presentation", "place", "fingerprinted", FAMILIES))


def keyed_options(config: DataclassInstance) -> dict[str, Json]:
    """Return the options that the store key contains, as JSON values by name."""
    return {item.name: encode(getattr(config, item.name)) for item in fields(config) if is_keyed(item)}


def needs_usable(config: DataclassInstance, name: str) -> bool:
    """Return whether the part that the field ``name`` names must be usable on this machine."""
    return bool(next(item for item in fields(config) if item.name == name).metadata.get("usable", True))


def needed_ability(config: DataclassInstance, name: str) -> str:
    """Return the required fact of the part that the field ``name`` names; empty if there is none."""
    return str(next(item for item in fields(config) if item.name == name).metadata.get("fact", ""))


def parts_of(config: object) -> dict[str, tuple[str, object]]:
    """Return (kind, value) by name of every field that names a part or a list of parts."""
    if not is_dataclass(config):
        return {}
    return {
        item.name: (item.metadata["kind"], getattr(config, item.name))
        for item in fields(config)
        if item.metadata.get("kind")
    }


def named_runtime(config: object) -> str:
    """Return the name of the runtime in the options of a stage; empty if there is none."""
    return next((str(value) for kind, value in parts_of(config).values() if kind == "runtimes"), "")


def shaping_parts(config: object) -> tuple[tuple[str, str], ...]:
    """Return (kind, name) of every part that affects the result."""
    keyed = {item.name for item in fields(config) if is_keyed(item)} if is_dataclass(config) else set()
    named = ((kind, value) for name, (kind, value) in parts_of(config).items() if name in keyed)
    return tuple((kind, part) for kind, value in named for part in part_names(value))


def unversioned_parts(config: object) -> frozenset[tuple[str, str]]:
    """Return (kind, name) of the parts with packages that do not affect the result."""
    if not is_dataclass(config):
        return frozenset()
    named = parts_of(config)
    chosen_by = {item.name for item in fields(config) if not item.metadata.get("versioned", True)}
    return frozenset(
        (kind, part) for name, (kind, value) in named.items() if name in chosen_by for part in part_names(value)
    )


def named_parts(config: object) -> tuple[tuple[str, str], ...]:
    """Return (kind, name) of every part that the options name."""
    return tuple((kind, name) for kind, value in parts_of(config).values() for name in part_names(value))


def part_names(value: object) -> tuple[str, ...]:
    """Return the distinct names in the value of a field: one name, a list of names, or None."""
    if value is None:
        return ()
    return tuple(dict.fromkeys(map(str, value if isinstance(value, list | tuple) else [value])))


NAMING = {
    "calibrator": "calibrators",
    "quantizer": "quantizers",
    "backend": "runtimes",
    "processor": "processors",
    "tracker": "trackers",
}
"""Top-level options that name parts, and their kinds. A wrong name is an error even if no stage uses the option."""
