"""The sidecar ``<file>.json`` of an artifact: its type and fields, and the digests of all its files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.artifacts import AnyModel, Artifact, Checkpoint, Engine, OnnxModel
from core.errors import HooklineError, shown
from core.files.regular_file import is_file, read_regular
from core.storage.digest import file_digest
from core.storage.serial import DecodeError, Json, decode, digest, encode, parse
from core.storage.validation import SCHEMA, SCHEMA_KEY, upgraded, validate

SIDECAR = ".json"
DIGEST = "sidecar_sha256"
"""Key of the digest. No artifact has a field of this name."""
MAX_BYTES = 16_000_000
"""Maximum number of bytes of the sidecar of a model."""
_DAMAGED = "restore it, or make the artifact again"
_EDITED = (
    "restore it, or make the model again; docs/architecture.md ('The store') lists the options that set these values"
)


@dataclass(frozen=True)
class Sidecar:
    """The content of a sidecar.

    Attributes:
        artifact: The artifact, with the current path of its file.
        others: SHA-256 of its other files by their path relative to its folder.
    """

    artifact: Artifact
    others: Mapping[str, str]

    def damaged(self) -> Iterator[Path]:
        """Yield each file that is missing or has changed since it was written, the main file first."""
        file = self.artifact.path
        for path, content in [
            (file, self.artifact.sha256),
            *((file.parent / key, self.others[key]) for key in self.others),
        ]:
            if not is_file(path) or file_digest(path) != content:
                yield path


def sidecar_path(file: Path) -> Path:
    """Return the path of the sidecar of ``file``."""
    return file.with_name(file.name + SIDECAR)


def write_sidecar(artifact: Artifact) -> Path:
    """Write ``<file>.json`` next to the artifact's file; it has the name of the file without its folder."""
    content: dict[str, Json] = {
        "artifact": type(artifact).__name__,
        SCHEMA_KEY: SCHEMA,
        **encode(artifact),
        "path": artifact.path.name,
    }
    folder, sidecar = artifact.path.parent, sidecar_path(artifact.path)
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file != sidecar)
    content["files"] = {file.relative_to(folder).as_posix(): file_digest(file) for file in files}
    content[DIGEST] = sidecar_digest(content)
    sidecar.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return sidecar


def sidecar_digest(content: Mapping[str, Json]) -> str:
    """Return the digest of the content of a sidecar without its key :data:`DIGEST`."""
    return digest({key: value for key, value in content.items() if key != DIGEST})


def read_artifact(file: Path) -> Artifact | None:
    """Return the artifact with the main file ``file``, from its sidecar; None without a sidecar.

    Raises:
        HooklineError: The sidecar was edited, a newer version wrote it, or it is damaged, too large, or does not
            describe an artifact.
    """
    sidecar = read_sidecar(file, MAX_BYTES)
    return sidecar.artifact if sidecar else None


def read_sidecar(file: Path, max_bytes: int | None = None) -> Sidecar | None:
    """Read the sidecar of ``file``; return None if it does not exist.

    Args:
        file: The main file.
        max_bytes: Maximum size of the sidecar; None for no limit, because that of a data set in the store can be large.

    Raises:
        HooklineError: As for :func:`read_artifact`.
    """
    path = sidecar_path(file)
    if not is_file(path):
        return None
    try:
        content = parse(read_regular(path, max_bytes))
        if not isinstance(content, dict):
            raise DecodeError("", f"expected an object, got {type(content).__name__}")
        if content.get(DIGEST) != sidecar_digest(content):
            raise HooklineError(f"'{path}' was changed after it was written, or an older hookline wrote it", _EDITED)
        return _decoded(content, file)
    except (DecodeError, RecursionError) as error:
        raise HooklineError(f"'{path}' does not describe an artifact ({error})", _DAMAGED) from error
    except OSError as error:
        raise HooklineError(f"cannot read '{path}' ({error.strerror})", _DAMAGED) from error


def read_model(file: Path) -> Artifact | None:
    """Return the artifact as :func:`read_artifact` does, after a check of its files.

    The other files of a checkpoint are reports, which may be edited; those of another model may only be missing.

    Raises:
        HooklineError: As for :func:`read_artifact`, or a file has changed.
    """
    sidecar = read_sidecar(file, MAX_BYTES)
    if sidecar is None:
        return None
    for path in sidecar.damaged():
        if path == sidecar.artifact.path or (path.exists() and not isinstance(sidecar.artifact, Checkpoint)):
            raise _changed(path)
    return sidecar.artifact


def verify_file(model: AnyModel) -> None:
    """Check the file of a model before it is opened; a model that was never stored has no digest.

    Raises:
        HooklineError: The file is missing or has changed.
    """
    if not model.sha256:
        return
    if not is_file(model.path):
        raise HooklineError(f"'{model.path}' does not exist", "restore it, or make it again")
    if file_digest(model.path) != model.sha256:
        raise _changed(model.path)


def _changed(path: Path) -> HooklineError:
    return HooklineError(
        f"'{path}' is not the file that was written: its sha256 differs from the sidecar's",
        "restore it, or make it again with reuse=false",
    )


def _decoded(content: Mapping[str, Json], file: Path) -> Sidecar:
    kinds = _artifact_types()
    name = content.get("artifact")
    if not isinstance(name, str) or name not in kinds:
        raise DecodeError("artifact", f"expected one of {', '.join(sorted(kinds))}, got {shown(name)}")
    files = decode(dict[str, str], content.get("files"), "files")
    for listed in files:
        if not listed or PurePosixPath(listed).is_absolute() or ".." in PurePosixPath(listed).parts:
            raise DecodeError("files", f"expected paths below the folder of the sidecar, got {shown(listed)}")
    own = {"artifact", "files", DIGEST}
    facts = {key: value for key, value in content.items() if key not in own}
    artifact = decode(kinds[name], upgraded(facts, f"'{sidecar_path(file)}'"))
    validate(artifact)
    if not artifact.sha256:
        raise DecodeError("sha256", "missing")
    others = {key: value for key, value in files.items() if key != artifact.path.name}
    return Sidecar(replace(artifact, path=file.absolute()), others)


def _artifact_types() -> dict[str, type[Artifact]]:
    found: dict[str, type[Artifact]] = {}
    pending: list[type[Artifact]] = [Artifact]
    while pending:
        kind = pending.pop()
        found[kind.__name__] = kind
        pending.extend(kind.__subclasses__())
    return found


def check_engine_file(model: OnnxModel | Engine, runtime: str) -> Engine:
    """Refuse a model that is not an unchanged engine of ``runtime``, because an engine can run any code.

    Args:
        model: The model to open.
        runtime: Name of the runtime.

    Returns:
        The engine.

    Raises:
        HooklineError: The model is not an engine, belongs to another runtime, or its file has changed.
    """
    if not isinstance(model, Engine):
        raise HooklineError(f"{runtime} opens engines only, not '{model.path.name}'", "build one with +stage=build")
    if model.runtime != runtime:
        raise HooklineError(f"'{model.path.name}' is an engine of '{model.runtime}'", f"set backend={model.runtime}")
    verify_file(model)
    return model
