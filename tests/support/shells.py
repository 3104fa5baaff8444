"""What bash makes of a command line that hookline prints."""

from __future__ import annotations

import os
import subprocess


def shell_words(line: str) -> list[str]:
    """The words that a program would get."""
    script = os.fsencode(f"printf '%s\\0' {line}")
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    return [os.fsdecode(word) for word in done.stdout.split(b"\0")[:-1]]
