"""The key ``ignore`` of a data.yaml: classes whose boxes are ignore regions (docs/dataset.md, "Ignore regions")."""

from __future__ import annotations

from collections.abc import Sequence

from core.errors import HooklineError, shown, unknown
from core.files.yaml_file import Value, YamlFile
from core.files.yaml_scalars import Scalar

ALL = "all"
_FORM = f"write ignore: {{<class of the regions>: {ALL}}}, or a list of classes in place of {ALL}"


def ignored_classes(file: YamlFile[dict[Scalar, Value]], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the classes of ignore regions, each with the classes that it applies to; empty for all.

    Args:
        file: A data.yaml with the key ``ignore``.
        names: Its class names.

    Raises:
        HooklineError: The value has another form, names an unknown class, or leaves the model no class.
    """
    given, place = file.content["ignore"], file.location("ignore")
    if not isinstance(given, dict):
        raise HooklineError(f"'ignore' in {place} is {shown(given)}", _FORM)
    found = {str(key): _applies_to(value, key, file.location("ignore", key)) for key, value in given.items()}
    written = set(names)
    for name in found:
        if name not in written:
            raise unknown(f"class in 'ignore' of {place}:", name, names)
    objects = written.difference(found)
    if not objects:
        raise HooklineError(
            f"'ignore' in {place} names every class",
            "remove at least one class from it, or add the classes of the objects to 'names'",
        )
    for name in (name for listed in found.values() for name in listed):
        if name in found:
            raise HooklineError(f"'{name}' in {place} is a class of regions and of objects", _FORM)
        if name not in objects and name == ALL:
            raise HooklineError(f"'{ALL}' in {place} is in a list", _FORM)
        if name not in objects:
            raise unknown(f"class in 'ignore' of {place}:", name, [ALL, *objects])
    return found


def _applies_to(value: Value, key: Scalar, place: str) -> tuple[str, ...]:
    if value == ALL:
        return ()
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) for name in names):
        raise HooklineError(f"'ignore' in {place} has {shown(value)} for {shown(key)}", _FORM)
    return tuple(map(str, names))
