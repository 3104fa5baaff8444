"""Run as a script, in a process of its own: loads native libraries and asks one of them for numbers.

The argument is JSON: ``libraries``, of which the last is asked; ``function``; ``arguments``, how many integers it
writes through pointers (0: it returns the number itself). Prints JSON: ``values`` and ``status``, or ``error``.
"""

from __future__ import annotations

import ctypes
import json
import sys


def main() -> None:
    """Load, ask, print."""
    wanted = json.loads(sys.argv[1])
    try:
        for path in wanted["libraries"]:
            library = ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
        print(json.dumps(ask(library, wanted["function"], wanted["arguments"])))  # noqa: T201
    except (OSError, AttributeError) as error:
        print(json.dumps({"error": str(error)}))  # noqa: T201


def ask(library: ctypes.CDLL, function: str, arguments: int) -> dict[str, object]:
    """Call ``int function(int *, ...)`` or ``int function(void)``."""
    if not function:
        return {"values": [], "status": 0}
    numbers = [ctypes.c_int() for _ in range(arguments)]
    result = getattr(library, function)(*map(ctypes.byref, numbers))
    return {"values": [number.value for number in numbers] or [result], "status": result if numbers else 0}


if __name__ == "__main__":
    main()
