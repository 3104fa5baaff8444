"""Why a call of TensorRT failed: what a plugin of ours raised in it, else what the library has logged meanwhile."""

from __future__ import annotations

from backends.trt.library import Library
from core.errors import HooklineError
from cuda_plugins.tensorrt_types import take_errors


class Watch:
    """Watches one call of TensorRT, from the making of this object on.

    Plugins may fail where TensorRT does not mind, as while it tries kernels; so nobody looks before a call has failed.
    """

    def __init__(self, library: Library) -> None:
        self._journal, self._begun = library.journal, library.journal.count
        take_errors()

    @property
    def reason(self) -> str:
        """What the library has logged."""
        return self._journal.reason(self._begun)

    def reason_or(self, said: str) -> str:
        """What the library has logged; ``said`` where that is no error."""
        return said if said and not self._journal.since(self._begun) else self.reason

    def error(self, failed: str, remedy: str, said: str = "") -> Exception:
        """What to raise: what is wrong in one line, or the exception of a plugin of ours that only a bug can be.

        Args:
            failed: What failed, before a colon.
            remedy: What to do where it was no plugin of ours.
            said: Why, where the library tells it elsewhere than in its log.
        """
        for error in take_errors()[-1:]:  # earlier ones TensorRT did not mind
            if not isinstance(error, HooklineError):
                return error
            return HooklineError(f"{failed}: a plugin failed: {error.message}", error.hint)
        return HooklineError(f"{failed}: {said or self.reason}", remedy)
