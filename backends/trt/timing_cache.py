"""Files of engines, and timings of kernels kept from build to build."""

from __future__ import annotations

import logging
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from backends.trt.bindings import IBuilderConfig, ITimingCache
from core.files.paths import output_path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file, its folder too; whoever reads it meanwhile sees the one before. Nothing unfinished is left.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.chmod(unfinished, 0o644)  # noqa: PTH101 - others may share the cache
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read_known(path: Path) -> bytes:
    """A file that is only a help: empty where there is none that can be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


log = logging.getLogger("hookline")


@dataclass(frozen=True)
class TimingCache:
    """The file of one kind of GPU and release. A damaged or foreign one is begun anew: it is only a help."""

    path: Path

    def attach(self, config: IBuilderConfig) -> ITimingCache | None:
        """Give the builder what is known; returns the ``ITimingCache``, which must outlive the build.

        None where TensorRT takes none.
        """
        for blob in dict.fromkeys((read_known(self.path), b"")):
            cache = config.create_timing_cache(blob)
            # Measurements of another GPU are refused, not bent: they would choose slow kernels.
            if cache is not None and config.set_timing_cache(cache, False):  # noqa: FBT003
                return cache
        return None

    def keep(self, config: IBuilderConfig) -> None:
        """Add what a build has measured to the file, and to what other processes have added meanwhile.

        Where the file cannot be written, that is told in the log: the engine has been built.
        """
        cache = config.get_timing_cache()  # the builder may have taken a copy of what was attached
        if cache is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                if known := read_known(self.path):
                    _combine(cache, config.create_timing_cache(known))
                content = cache.serialize()
                if content is not None:
                    write_whole(self.path, bytes(content))
        except OSError as error:
            log.warning("measurements of kernels cannot be kept in '%s': %s", self.path, error.strerror)


def timing_cache(cache_dir: Path, gpu: str, capability: str, version: str) -> TimingCache:
    """The cache for a GPU by name and compute capability, and a release of TensorRT."""
    name = re.sub(r"[^\w.]+", "-", f"{gpu}-sm{capability}-trt{version}")
    return TimingCache(output_path(cache_dir, "tensorrt", "timing", f"{name}.cache"))


def _combine(cache: ITimingCache, others: ITimingCache | None) -> None:
    """Those that are damaged, or of another release, are left out."""
    if others is not None:
        cache.combine(others, False)  # noqa: FBT003
