"""Resolution of ``weights=``: a file, or the name of an official release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.artifacts import Artifact, Checkpoint, Engine, OnnxModel
from core.errors import HooklineError, unknown, with_article
from core.fetch.download import cached
from core.files.paths import output_path, user_path
from core.files.regular_file import is_file, is_folder
from core.kinds.model import ModelFamily, Release
from core.kinds.runtime import Runtime
from core.kinds.stage import Known
from core.media.suffixes import VIDEO_SUFFIXES, is_image
from core.planning.known import known_of
from core.storage.digest import file_digest
from core.storage.sidecar import SIDECAR, read_artifact, sidecar_path

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lookup import Parts


NO_WEIGHTS = {".csv", ".json", ".md", ".txt", ".yaml", ".yml"}
"""Suffixes of files that are not weights and are given by mistake."""


@dataclass(frozen=True)
class LocalFile:
    """A local file; ``official`` is set if an official release has the same name."""

    path: Path
    official: bool


@dataclass(frozen=True)
class Official:
    """An official release."""

    name: str
    family: str
    release: Release


def locate(weights: str | None, registry: Parts) -> LocalFile | Official:
    """Return the file or the official release; an existing file takes precedence.

    Raises:
        HooklineError: There is neither; the message suggests similar names.
    """
    if not weights:
        raise HooklineError("no weights are given", "set weights=<file or official name>, or add the stage train")
    path = user_path(weights)
    releases = _releases(registry)
    name = weights.removesuffix(".pt")
    if is_file(path):
        if path.suffix.lower() in NO_WEIGHTS or is_image(path) or path.suffix.lower() in VIDEO_SUFFIXES:
            raise HooklineError(
                f"weights '{weights}' is not a model file", "give .pt, .safetensors, .onnx or an engine"
            )
        return LocalFile(path.absolute(), official=name in releases)
    if name in releases:
        return releases[name]
    raise _no_such(weights, path, name, registry)


def is_engine(path: Path, registry: Parts) -> bool:
    """Return whether a runtime uses the suffix for its engines; a ``.onnx`` engine is known by its sidecar only."""
    runtimes = registry.all(Runtime).values()
    suffixes = {suffix for item in runtimes for suffix in (item.engine_suffix, *item.other_suffixes)}
    return path.suffix in suffixes - {".onnx", ".pt", ".safetensors"}


def kind_of(weights: str, registry: Parts) -> type[Artifact]:
    """Return the artifact type of ``weights``: by the sidecar next to a file, else by the suffix."""
    path = user_path(weights)
    try:
        known = read_artifact(path) if is_file(path) else None
    except HooklineError:  # described() reports it
        known = None
    if known is not None:
        return type(known)
    if is_engine(path, registry):
        return Engine
    return OnnxModel if path.suffix == ".onnx" else Checkpoint


def described(source: LocalFile | Official, registry: Parts) -> Checkpoint | OnnxModel | Engine | None:
    """Return the artifact in the sidecar of a file; None without a sidecar.

    Raises:
        HooklineError: The sidecar is damaged or not of a model, or an engine has no sidecar.
    """
    if isinstance(source, Official):
        return None
    known = read_artifact(source.path)
    if known is None and is_engine(source.path, registry):
        raise HooklineError(
            f"the engine '{source.path}' has no sidecar '{source.path.name}{SIDECAR}' next to it",
            "keep the two files together, or build the engine again",
        )
    if known is not None and not isinstance(known, Checkpoint | OnnxModel | Engine):
        raise HooklineError(
            f"'{source.path}' is {with_article(type(known).__name__)}, not a model", "give weights or an engine"
        )
    return known


def facts_of(weights: str | None, registry: Parts) -> Known:
    """Return the facts of the weights that are known before they are read."""
    try:
        source = locate(weights, registry)
        artifact = described(source, registry)
    except HooklineError:  # the check reports it
        return Known()
    if isinstance(source, Official):
        stride = registry.get(ModelFamily, source.family).strides.get(source.name)
        return Known(f"'{source.name}'", source.release.names or None, stride, family=source.family)
    if artifact:
        return known_of(artifact)
    families = list(registry.all(ModelFamily))
    sole = families[0] if len(families) == 1 and source.path.suffix != ".onnx" else None
    return Known(f"'{source.path.name}'", family=sole)


def fingerprint_of(weights: str | None, context: RunContext) -> Mapping[str, str]:
    """Return the digest of the file or official release, and the name.

    The name of the file without suffix is the variant of a network that its family does not know. If the mirror of an
    official name has another release, the digest is that of the mirror until the release itself is in the cache, so
    that results of the two are never mixed up.
    """
    source = locate(weights, context.registry)
    if isinstance(source, Official):
        release = source.release
        found = cached(release, cache_file(source, context.cache_dir), context.cache_dir)
        return {"release": source.name, "weights": found or release.mirror_sha256 or release.sha256}
    sidecar = sidecar_path(source.path)
    files = {"weights": source.path, "sidecar": sidecar}
    contents = {name: file_digest(file, context.cache_dir) for name, file in files.items() if is_file(file)}
    return {"name": source.path.stem, **contents}


def cache_file(source: Official, cache_dir: Path) -> Path:
    """Return the path of an official release in the cache."""
    return output_path(cache_dir, "weights", f"{source.name}.pt")


def mirrored(source: Official, registry: Parts) -> list[str]:
    """Return the names of releases that a package index provides; none if it provides the one of ``source``."""
    return [] if source.release.wheel else [name for name, other in _releases(registry).items() if other.release.wheel]


def _releases(registry: Parts) -> dict[str, Official]:
    return {
        name: Official(name, family, release)
        for family, part in registry.all(ModelFamily).items()
        for name, release in part.releases.items()
    }


def _no_such(weights: str, path: Path, name: str, registry: Parts) -> HooklineError:
    if is_folder(path):
        return HooklineError(f"weights '{weights}' is a folder", "give a file in it")
    if any(name in part.variants for part in registry.all(ModelFamily).values()):
        return HooklineError(
            f"the file '{weights}' does not exist, and no download of the official {name} is known",
            f"download it yourself and set weights=<folder>/{name}.pt",
        )
    hint = unknown("weights", name, _releases(registry)).hint
    return HooklineError(f"weights '{weights}' is neither a file nor an official name", hint)
