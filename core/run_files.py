"""Files that a run keeps of itself: the configuration as Hydra writes it, and the log."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.output_paths import output_path, write_file
from core.run_directory import NOTES

if TYPE_CHECKING:
    from omegaconf import DictConfig


def keep_config(config: DictConfig, run_dir: Path) -> None:
    """Write ``.hydra/`` as Hydra does. Hydra itself would write it before the directory is held."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    settings: Any = HydraConfig.instance().cfg
    folder = output_path(run_dir, ".hydra")
    folder.mkdir(exist_ok=True)
    for name, content in zip(NOTES, (config, settings, settings.hydra.overrides.task), strict=True):
        write_file(folder / f"{name}.yaml", OmegaConf.to_yaml(content).encode("utf-8", "surrogateescape"))


def log_to(file: Path) -> None:
    """Write what the console prints into ``file`` too, with times and levels."""
    logging.raiseExceptions = False  # what needed a full disk reports it, not the log too
    log = logging.getLogger("hookline")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.disabled = False  # Hydra's logging settings disable the loggers that were there before
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()
    handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.addHandler(handler)
