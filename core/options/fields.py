"""How a stage declares its options: what each follows, what it names, and what it means for the store's key."""

from __future__ import annotations

from dataclasses import Field, field, fields, is_dataclass
from typing import Any, TypeVar

from core.storage.serial import DataclassInstance, Json, encode

FAMILIES = "families"
"""Metadata of the field that takes the options of model families (:mod:`core.kinds.family_options`)."""

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
) -> Any:  # noqa: ANN401 - the field has the type that its annotation states
    """Return a field that follows the top-level option ``word`` until the option itself is set.

    ``conf: float | None = shared("conf")`` in the options of the stage ``blur`` is the value of ``conf=``, unless
    ``blur.conf=`` is given. Only words of the table "Top level" in docs/configuration.md can be followed.

    Where the top-level option is null, the stage gets None: annotate with ``| None``, or give ``otherwise``, e.g.
    ``precision: Precision = shared("precision", otherwise=Precision.fp32)``.

    In a test that calls the stage directly, pass every option that follows a top-level one: without a run its default
    is a placeholder text.

    Args:
        word: The top-level option.
        otherwise: The value where the top-level option is null, e.g. ``shared("imgsz", otherwise=640)``; None leaves it
            null.
        kind: The option names a part of this kind, as in :func:`chosen`.
        usable: False where the part need not be usable on this machine, only registered: its rules are wanted, e.g.
            those of a runtime for a GPU that is elsewhere.
        versioned: As in :func:`chosen`.
        presentation: As of :func:`presentation`.
        place: As of :func:`place`.
        fingerprinted: As of :func:`fingerprinted`.
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
        },
    )


def chosen(default: str, *, kind: str, fact: str = "", versioned: bool = True) -> str:
    """Return a field that names a registered part.

    The plan checks the name, replaces ``auto`` by the usable part of the highest rank, and puts name, version and
    options of the part into the store's key. The stage's function gets a name that exists, never ``auto``.

    Args:
        default: Name of the part, or ``auto`` (runtimes and processors).
        kind: ``models``, ``calibrators``, ``quantizers``, ``grafts``, ``runtimes``, ``processors`` or ``trackers``.
        fact: A fact of the descriptor that the part must state, e.g. ``records_activations`` of a runtime.
        versioned: False where another version of the part's packages gives the same result, e.g. of a runtime that
            only computes what any other would.
    """
    return field(default=default, metadata={"kind": kind, "fact": fact, "versioned": versioned})


def presentation(default: DefaultT) -> DefaultT:
    """Return a field that changes how work is done or shown but not its result; not in the store's key.

    A result that is in the store is reused whatever the value, e.g. of ``threads`` or ``plots``.

    Args:
        default: Of the option.
    """
    return field(default=default, metadata={"presentation": True})


def place(default: DefaultT) -> DefaultT:
    """Return a field that says where something is, e.g. a path.

    The store's key does not contain its text, so that a moved file causes no new work. ``Stage.fingerprint`` must say
    what is there (e.g. :func:`file_digest`), unless an input of the stage is made from the same place. Otherwise a
    changed file in the same place would come back "reused".

    The stage gets the value as it was typed: ``Path(value).expanduser()`` is the path, relative to the working
    directory.

    Args:
        default: Of the option, usually None.
    """
    return field(default=default, metadata={"place": True})


def fingerprinted(default: DefaultT) -> DefaultT:
    """Return a field that affects the result only together with others; not in the store's key.

    ``Stage.fingerprint`` must return it where it has an effect.

    Args:
        default: Of the option.
    """
    return field(default=default, metadata={"fingerprinted": True})


def followed(config: type[DataclassInstance], name: str) -> str:
    """Return the option that the field ``name`` follows until it is set itself; empty where it follows none."""
    return next((str(item.metadata.get("follows", "")) for item in fields(config) if item.name == name), "")


def is_keyed(item: Field[object]) -> bool:
    """Return whether the store's key contains the value of a field."""
    return not any(item.metadata.get(word) for word in ("presentation", "place", "fingerprinted", FAMILIES))


def keyed_options(config: DataclassInstance) -> dict[str, Json]:
    """Return the options that the store's key contains, as JSON values by name."""
    return {item.name: encode(getattr(config, item.name)) for item in fields(config) if is_keyed(item)}


def needs_usable(config: DataclassInstance, name: str) -> bool:
    """Whether the part that the field ``name`` names must be usable on this machine."""
    return bool(next(item for item in fields(config) if item.name == name).metadata.get("usable", True))


def needed_fact(config: DataclassInstance, name: str) -> str:
    """Return the fact that the part named by the field ``name`` must state; empty where any part will do."""
    return str(next(item for item in fields(config) if item.name == name).metadata.get("fact", ""))


def parts_of(config: object) -> dict[str, tuple[str, object]]:
    """Field name -> (kind, value) of every field that names a part, or a list of parts."""
    if not is_dataclass(config):
        return {}
    return {
        item.name: (item.metadata["kind"], getattr(config, item.name))
        for item in fields(config)
        if item.metadata.get("kind")
    }


def named_runtime(config: object) -> str:
    """The runtime that a stage's options name; empty where they name none."""
    return next((str(value) for kind, value in parts_of(config).values() if kind == "runtimes"), "")


def shaping_parts(config: object) -> tuple[tuple[str, str], ...]:
    """Return (kind, name) of every part that affects the result."""
    keyed = {item.name for item in fields(config) if is_keyed(item)} if is_dataclass(config) else set()
    named = ((kind, value) for name, (kind, value) in parts_of(config).items() if name in keyed)
    return tuple((kind, part) for kind, value in named for part in part_names(value))


def unversioned_parts(config: object) -> frozenset[tuple[str, str]]:
    """Return (kind, name) of the parts whose packages do not affect the result."""
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
    """Return the names that a field gives: one, a list of them, or null for none; each once."""
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
"""Top-level options that name parts, and their kinds: a wrong name is reported also where no stage uses it."""
