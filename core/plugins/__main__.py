"""``python -m core.plugins``: list the plugins with their parts and hooks."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict

from core.errors import HooklineError, unknown
from core.plugins.discovery import PluginInfo
from core.plugins.loading import load_plugins


def _table(infos: Sequence[PluginInfo]) -> str:
    lines = []
    for info in infos:
        lines.append(f"{info.name:<28} {info.state:<9} {info.distribution} {info.version}")
        texts = (info.error, ", ".join(info.provides), ", ".join(info.hooks), *info.warnings)
        lines.extend(f"    {text}" for text in texts if text)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """List the plugins; return 1 if one of them is broken, 2 after a user error."""
    given = sys.argv[1:] if arguments is None else arguments
    wrong = [argument for argument in given if argument != "--json"]
    if wrong:
        print(unknown("option", wrong[0], ["--json"]), file=sys.stderr)
        return 2
    try:
        infos = load_plugins().infos
    except HooklineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print(json.dumps([asdict(info) for info in infos], indent=1) if "--json" in given else _table(infos))
    return 1 if any(info.state == "broken" for info in infos) else 0


if __name__ == "__main__":
    from core.process.signals import end_by_exception
    from core.process.streams import open_streams

    open_streams()
    end_by_exception(signal.SIGINT)  # distinguishes Ctrl-C from a KeyboardInterrupt that a plugin raises
    sys.exit(main())
