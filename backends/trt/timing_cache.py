"""Cache files, and the timing cache of the builder."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from backends.trt.builder_types import IBuilderConfig, ITimingCache
from core.files.paths import output_path, replacing

log = logging.getLogger("hookline")


def read_cache(path: Path) -> bytes:
    """Return the content of an optional cache file; empty if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def write_cache(path: Path, content: bytes) -> None:
    """Write a cache file atomically and create its folder.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(0o644)  # other users may share the cache


@dataclass(frozen=True)
class TimingCache:
    """The timing cache file of one GPU model and one TensorRT release. A damaged or foreign file is replaced."""

    path: Path

    def attach(self, config: IBuilderConfig) -> ITimingCache | None:
        """Set the cache of the builder. Return the ``ITimingCache``, which must outlive the build.

        Returns None if TensorRT accepts no cache.
        """
        for blob in dict.fromkeys((read_cache(self.path), b"")):
            cache = config.create_timing_cache(blob)
            # Refuse timings of another GPU (False): they would choose slow kernels.
            if cache is not None and config.set_timing_cache(cache, False):  # noqa: FBT003
                return cache
        return None

    def keep(self, config: IBuilderConfig) -> None:
        """Merge the timings of a build into the file, which other processes may have changed.

        A file that cannot be written is logged only, because the engine has been built.
        """
        cache = config.get_timing_cache()  # the builder may have copied the attached cache
        if cache is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_suffix(".lock")):
                if stored := read_cache(self.path):
                    _combine(cache, config.create_timing_cache(stored))
                content = cache.serialize()
                if content is not None:
                    write_cache(self.path, bytes(content))
        except OSError as error:
            log.warning("the timing cache '%s' cannot be written: %s", self.path, error.strerror)


def timing_cache(cache_dir: Path, gpu: str, capability: str, version: str) -> TimingCache:
    """Return the timing cache for a GPU model, its compute capability and a TensorRT release."""
    name = re.sub(r"[^\w.]+", "-", f"{gpu}-sm{capability}-trt{version}")
    return TimingCache(output_path(cache_dir, "tensorrt", "timing", f"{name}.cache"))


def _combine(cache: ITimingCache, others: ITimingCache | None) -> None:
    """Merge timings; damaged ones and those of another release are ignored."""
    if others is not None:
        cache.combine(others, False)  # noqa: FBT003
