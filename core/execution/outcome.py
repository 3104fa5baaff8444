"""Exit codes, and how the runs of this process ended."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from core.errors import HooklineError, code_of, reason_of

if TYPE_CHECKING:
    from core.kinds.lifecycle import Summary

USER_ERROR = 2
INTERRUPTED = 130
TERMINATED = 128 + signal.SIGTERM


class ReportedError(Exception):
    """Ends a sweep after a failed job whose error has been printed.

    Args:
        code: The exit code.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code

    def __reduce__(self) -> tuple[type[ReportedError], tuple[int]]:
        return ReportedError, (self.code,)  # joblib and submitit pickle it


class RunOutcome:
    """How the runs of this process ended. It is kept here because Hydra prints lines about exceptions.

    Attributes:
        code: Exit code of a single run.
        reported: The reason of the end has been printed.
        summaries: Summaries of the runs of this process, in order.
        error: Why no run began.
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget earlier runs."""
        self.code, self.reported = 0, False
        self.summaries: list[Summary] = []
        self.error: HooklineError | KeyboardInterrupt | None = None

    def contents(self, line: str) -> list[dict[str, object]]:
        """Return the summary of each run as JSON values.

        Args:
            line: The command line, for the one summary that is returned if no run began.
        """
        if self.error and not self.summaries:
            status = "interrupted" if isinstance(self.error, KeyboardInterrupt) else "failed"
            return [{"command": line, "status": status, "code": code_of(self.error), "error": reason_of(self.error)}]
        return [summary.as_json() | ({} if summary.path.exists() else {"path": ""}) for summary in self.summaries]


outcome = RunOutcome()
