"""``python -m tests.attack.fuzz <target> [folder or file ...] [-libfuzzer_option=...]``: README.md."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Fuzz one target until the time is over or something is found."""
    import atheris

    from tests.attack.fuzz.targets import TARGETS

    name, *rest = sys.argv[1:]
    target = TARGETS[name]
    # Imported before: instrumentation of everything that a target needs would take minutes.
    import numpy  # noqa: F401
    import torch  # noqa: F401

    with atheris.instrument_imports(include=list(target.modules)):
        for module in target.modules:
            sys.modules.pop(module, None)
            __import__(module)
    folders = [Path(item) for item in rest if not item.startswith("-") and not Path(item).is_file()]
    for folder in folders[:1]:
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(target.seeds()):
            (folder / f"seed-{number}").write_bytes(seed)
    words = Path(tempfile.gettempdir(), f"fuzz-{name}.dict")
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    limits = [
        item
        for item in (f"-dict={words}", "-rss_limit_mb=3000", "-timeout=30", "-max_len=4096")
        if not _given(item, rest)
    ]
    atheris.Setup([sys.argv[0], *rest, *limits], target.run)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    """A word as libFuzzer's dictionaries write it."""
    return "".join(f"\\x{byte:02x}" for byte in word)


def _given(option: str, options: list[str]) -> bool:
    return any(item.startswith(option.partition("=")[0] + "=") for item in options)


if __name__ == "__main__":
    main()
