"""Small real images and a video, to try things out."""

from __future__ import annotations

from pathlib import Path

from core.execution.console import Console
from core.fetch.assets import asset
from core.process.environment import cache_home


def sample(name: str) -> Path:
    """Return a sample file, downloaded into the cache when it is first asked for.

    Args:
        name: ``bus`` or ``zidane``, photos; ``street``, 250 frames of video. They belong to other projects.

    Raises:
        HooklineError: There is no such sample, or it cannot be downloaded; says where to put it by hand.
    """
    return asset(name, cache_home(), Console())
