"""Files about a run: the configuration in ``.hydra/``, and ``run.log``."""

from __future__ import annotations

import logging
import traceback
import warnings
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from core.execution.run_directory import HYDRA_FILES
from core.files.paths import output_path, write_file
from core.masking import masked

if TYPE_CHECKING:
    from omegaconf import DictConfig


def write_config(config: DictConfig, run_dir: Path) -> None:
    """Write ``.hydra/`` as Hydra does, which would write it before the directory is locked."""
    settings: object = HydraConfig.instance().cfg
    folder = output_path(run_dir, ".hydra")
    folder.mkdir(exist_ok=True)
    for name, content in zip(HYDRA_FILES, (config, settings, HydraConfig.get().overrides.task), strict=True):
        write_file(folder / f"{name}.yaml", masked(OmegaConf.to_yaml(content)).encode("utf-8", "surrogateescape"))


class MaskedFormatter(logging.Formatter):
    """A log formatter that masks passwords, also in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the formatted record with passwords masked."""
        return masked(super().format(record))


class RunLog:
    """``run.log``: the output of a run and the warnings of libraries, with times and levels, and tracebacks of errors.

    Use it in a ``with`` block. Records are buffered until :meth:`open` is called, so a refused plan writes no log.
    """

    def __init__(self) -> None:
        self._log, self._previous = logging.getLogger("hookline"), warnings.showwarning
        self._handler: logging.Handler = MemoryHandler(capacity=1 << 20, flushLevel=logging.CRITICAL + 1)

    def open(self, file: Path) -> None:
        """Append the buffered records and all later ones to ``file``."""
        if not isinstance(self._handler, MemoryHandler):
            return
        buffered, self._handler = self._handler, logging.FileHandler(file, encoding="utf-8", errors="backslashreplace")
        self._handler.setFormatter(MaskedFormatter("%(asctime)s %(levelname)s %(message)s"))
        for record in buffered.buffer:
            self._handler.handle(record)
        self._log.removeHandler(buffered)
        self._log.addHandler(self._handler)

    def error(self, error: BaseException) -> None:
        """Log the traceback of a bug. Python prints it."""
        self._log.error("%s", "".join(traceback.format_exception(error)).rstrip())

    def cause(self, error: BaseException) -> None:
        """Log the traceback of the cause of an error that was reported in one line."""
        if error.__cause__ is not None:
            self._log.debug("%s", "".join(traceback.format_exception(error.__cause__)).rstrip())

    def __enter__(self) -> RunLog:
        self._state = logging.raiseExceptions, self._log.level, self._log.propagate, self._log.disabled
        logging.raiseExceptions = False  # the run reports a full disk; the log does not
        self._log.setLevel(logging.DEBUG)
        self._log.propagate = False
        self._log.disabled = False  # Hydra's logging settings disable existing loggers
        self._log.addHandler(self._handler)
        warnings.showwarning = self._show_warning
        return self

    def __exit__(self, *_: object) -> None:
        warnings.showwarning = self._previous
        self._log.removeHandler(self._handler)
        self._handler.close()
        logging.raiseExceptions, self._log.level, self._log.propagate, self._log.disabled = self._state

    def _show_warning(  # noqa: PLR0917  the signature of warnings.showwarning
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        self._log.warning("%s", warnings.formatwarning(message, category, filename, lineno).rstrip())
        self._previous(message, category, filename, lineno, file, line)
