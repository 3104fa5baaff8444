"""The sidecar ``<file>.json`` of an artifact: what the file is, and the digests of all that was written with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.artifacts import AnyModel, Artifact, Checkpoint, Engine, OnnxModel
from core.errors import HooklineError, shown
from core.files.regular_file import is_file, read_regular
from core.storage import validation as schema
from core.storage.digest import file_digest
from core.storage.serial import DecodeError, Json, decode, digest, encode, parse
from core.storage.validation import validate

SIDECAR = ".json"
DIGEST = "sidecar_sha256"
"""Key of the digest. No artifact has a field of this name."""
LARGEST = 16_000_000
"""Bytes of the sidecar of a model."""
_EDITED = (
    "restore it, or make the model again: docs/architecture.md ('The store') lists the options for what a sidecar says"
)


@dataclass(frozen=True)
class Sidecar:
    """The content of a sidecar.

    Attributes:
        artifact: The artifact, at the place where its file lies now.
        others: SHA-256 of the other files that were written with it, by the path relative to its folder.
    """

    artifact: Artifact
    others: Mapping[str, str]

    def damaged(self) -> Iterator[Path]:
        """Yield each file, the main one first, that is missing or has another content than was written."""
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
    """Write ``<file>.json`` next to the artifact's file; it names the file without its folder."""
    content: dict[str, Json] = {
        "artifact": type(artifact).__name__,
        schema.KEY: schema.SCHEMA,
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
    """Return the digest of the content of a sidecar, over all keys but :data:`DIGEST`."""
    return digest({key: value for key, value in content.items() if key != DIGEST})


def read_artifact(file: Path) -> Artifact | None:
    """Return the artifact whose main file is ``file``, from the sidecar next to it; None where there is none.

    Raises:
        HooklineError: The sidecar was edited, a newer hookline wrote it, or it is damaged, too large, or describes no
            artifact.
    """
    sidecar = read_sidecar(file, LARGEST)
    return sidecar.artifact if sidecar else None


def read_sidecar(file: Path, largest: int | None = None) -> Sidecar | None:
    """Read the sidecar next to ``file``; None where there is none.

    Args:
        file: The main file.
        largest: Refuse a sidecar of more bytes; None reads any, as that of a large data set in the store.

    Raises:
        HooklineError: As for :func:`read_artifact`.
    """
    path = sidecar_path(file)
    if not is_file(path):
        return None
    try:
        content = parse(read_regular(path, largest))
        if not isinstance(content, dict):
            raise DecodeError("", f"expected an object, got {type(content).__name__}")
        if content.get(DIGEST) != sidecar_digest(content):
            raise HooklineError(f"'{path}' was changed after it was written, or comes from an older hookline", _EDITED)
        return _decoded(content, file)
    except (DecodeError, RecursionError) as error:
        raise HooklineError(
            f"'{path}' does not describe an artifact ({error})", "restore it, or build again"
        ) from error
    except OSError as error:
        raise HooklineError(f"cannot read '{path}' ({error.strerror})", "restore it, or build again") from error


def read_model(file: Path) -> Artifact | None:
    """As :func:`read_artifact`, after a check that the files are those that were written.

    The files next to a checkpoint are reports, which may be edited; those next to another model may only be missing.

    Raises:
        HooklineError: As for :func:`read_artifact`, or a file has another content.
    """
    sidecar = read_sidecar(file, LARGEST)
    if sidecar is None:
        return None
    for path in sidecar.damaged():
        if path == sidecar.artifact.path or (path.exists() and not isinstance(sidecar.artifact, Checkpoint)):
            raise _changed(path)
    return sidecar.artifact


def verify_file(model: AnyModel) -> None:
    """Check the file of a model that is to be opened; one that was never stored has no digest to compare with.

    Raises:
        HooklineError: It is missing, or not the file that was written.
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
        "restore it, or make it again (with reuse=false)",
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
    artifact = decode(kinds[name], schema.current(facts, f"'{sidecar_path(file)}'"))
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
    """Refuse what is no engine of ``runtime``, or no longer the file that was built: a plan can run any code.

    Args:
        model: What the runtime was asked to open.
        runtime: Its name.

    Returns:
        The engine.

    Raises:
        HooklineError: Says which, and what to do.
    """
    if not isinstance(model, Engine):
        raise HooklineError(f"{runtime} opens engines only, not '{model.path.name}'", "build one with +stage=build")
    if model.runtime != runtime:
        raise HooklineError(f"'{model.path.name}' is an engine of '{model.runtime}'", f"set backend={model.runtime}")
    verify_file(model)
    return model
