"""What may go wrong while reading: a few broken pictures are named, skipped and counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import HooklineError

SHARE = 0.05


@dataclass(frozen=True)
class Unreadable:
    """A picture that could not be read, and why."""

    name: str
    reason: str


@dataclass
class Tolerance:
    """Takes in what goes wrong; raises when it is too much.

    Attributes:
        total: How many pictures the source has, None where that is not known.
        warn: Says one line to the user.
        unreadable: Pictures that were skipped.
        dropped: Frames of a live stream that came faster than they were taken.
    """

    total: int | None
    warn: Callable[[str], None]
    unreadable: list[Unreadable] = field(default_factory=list)
    dropped: int = 0

    def skip(self, picture: Unreadable) -> None:
        """Count a picture that cannot be read.

        Raises:
            HooklineError: More than 5 % of the source.
        """
        self.unreadable.append(picture)
        self.warn(f"skipped '{picture.name}': {picture.reason}")
        if self.total is not None and len(self.unreadable) > SHARE * self.total:
            raise self.exceeded(self.total)

    def exceeded(self, total: int) -> HooklineError:
        """The error that names the pictures that were skipped, out of ``total``."""
        first = ", ".join(f"'{item.name}' ({item.reason})" for item in self.unreadable[:3])
        more = f" and {len(self.unreadable) - 3} more" if len(self.unreadable) > 3 else ""
        return HooklineError(
            f"{len(self.unreadable)} of {total} pictures cannot be read: {first}{more}",
            f"repair or remove them; up to {SHARE:.0%} are skipped",
        )
