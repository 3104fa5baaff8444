"""The words of a printed command line, as bash reads it."""

from __future__ import annotations

import os
import subprocess


def shell_words(line: str) -> list[str]:
    """Return the arguments that a program would get."""
    script = os.fsencode(f"printf '%s\\0' {line}")
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
