"""Measurements of kernels, kept from build to build: one file a kind of GPU and release of TensorRT."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock


@dataclass(frozen=True)
class TimingCache:
    """The file of one kind of GPU and release. A damaged or foreign one is begun anew: it is only a help."""

    path: Path

    def attach(self, config: Any) -> Any:
        """Give the builder what is known; returns the ``ITimingCache``, which must outlive the build.

        None where TensorRT takes none.
        """
        content = self.path.read_bytes() if self.path.is_file() else b""
        for blob in dict.fromkeys((content, b"")):
            cache = config.create_timing_cache(blob)
            # Measurements of another GPU are refused, not bent: they would choose slow kernels.
            if cache is not None and config.set_timing_cache(cache, False):  # noqa: FBT003
                return cache
        return None

    def keep(self, config: Any, cache: Any) -> None:
        """Add what a build has measured to the file, and to what other processes have added meanwhile."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            if self.path.is_file():
                others = config.create_timing_cache(self.path.read_bytes())
                if others is not None:
                    cache.combine(others, False)  # noqa: FBT003 - false: of another release, then it is replaced
            content = cache.serialize()
            if content is not None:
                _replace(self.path, bytes(content))


def timing_cache(cache_dir: Path, gpu: str, capability: str, version: str) -> TimingCache:
    """The cache for a GPU by name and compute capability, and a release of TensorRT."""
    name = re.sub(r"[^\w.]+", "-", f"{gpu}-sm{capability}-trt{version}")
    return TimingCache(cache_dir / "tensorrt" / "timing" / f"{name}.cache")


def _replace(path: Path, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)
