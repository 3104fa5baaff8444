"""Environment variables: the folders of cache and store, settings of libraries, and the ranks of torchrun."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.files.paths import user_path

_SETTINGS = {
    # CUDA reads both at its initialisation. With PCI_BUS_ID, cuda:N is the GPU with index N in nvidia-smi.
    "CUDA_MODULE_LOADING": "LAZY",
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    # Without it, ONNX Runtime writes a device id to ~/.cache/Microsoft and reports usage.
    "ORT_DISABLE_TELEMETRY": "1",
}
_CACHES = {"MPLCONFIGDIR": "matplotlib", "CUPY_CACHE_DIR": "cupy", "TORCHINDUCTOR_CACHE_DIR": "torchinductor"}


def set_libraries() -> None:
    """Set the environment variables that CUDA and ONNX Runtime read at their initialisation, unless they are set."""
    for variable, value in _SETTINGS.items():
        os.environ.setdefault(variable, value)


def set_cache_folders() -> None:
    """Set the cache folders of libraries to subfolders of hookline's cache folder, unless they are set."""
    for variable, folder in _CACHES.items():
        os.environ.setdefault(variable, str(cache_home() / folder))


@dataclass(frozen=True)
class Ranks:
    """Rank of a process in distributed training.

    Attributes:
        rank: Global rank. Only the leader, rank 0, prints and writes results.
        world: World size: the number of processes.
        local: Local rank on this machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def leader(self) -> bool:
        """Whether this process has rank 0."""
        return self.rank == 0


def ranks_of(environment: dict[str, str]) -> Ranks:
    """Return the ranks in torchrun's RANK, WORLD_SIZE and LOCAL_RANK; those of a single process if they are not set."""
    try:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        rank, world, local = (int(environment[name]) for name in names)
    except (KeyError, ValueError):
        return Ranks()
    return Ranks(rank, world, local)


RANKS = ranks_of(dict(os.environ))


def cache_home() -> Path:
    """Return ``$HOOKLINE_HOME``, else ``$XDG_CACHE_HOME/hookline``, else ``~/.cache/hookline``.

    A relative ``$XDG_CACHE_HOME`` is ignored, as the XDG specification requires.
    """
    if home := os.environ.get("HOOKLINE_HOME"):
        return user_path(home).resolve()
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return user_path(xdg if xdg.startswith("/") else "~/.cache").resolve() / "hookline"


def store_root(store: str | None) -> Path:
    """Return the folder of the store: the option ``store``, by default ``store`` in the cache folder."""
    return user_path(store).resolve() if store else cache_home() / "store"
