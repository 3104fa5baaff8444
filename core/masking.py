"""Mask passwords and secrets in URLs in everything that a run prints or writes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

MASK = "***"
_WORDS = "apikey|auth|credentials?|key|pass|passwd|password|pwd|secret|sig|signature|token"
_SECRET = re.compile(
    r"(?P<user>://[^\s/?#:@'\"]*:)(?:[^\s/?#]*|(?!\d+[/?#])[^\s'\",]{0,200})@"  # also with unencoded / ? #
    r"|(?P<path>\w:/[^\s/?#:@'\"]*:)[^\s/?#'\"]*@"  # a URL that was normalised as a path has lost a slash
    rf"|(?P<query>[?&;](?:[\w-]{{0,40}}[_-])?(?:{_WORDS})=)[^\s&;#'\",\]}})]+",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """Replace each password and each secret query parameter of a URL by ``***``.

    Examples are ``rtsp://user:secret@host/1`` and ``http://host/?token=secret``. The name of a secret parameter ends
    with one of ``_WORDS``. All output passes through it: standard output and error, the log, summary.json, and the
    files of Hydra.
    """
    return _SECRET.sub(_mask, text) if ":/" in text else text


@contextmanager
def masked_yaml() -> Iterator[None]:
    """Mask the files that Hydra and its sweepers save with ``OmegaConf.save`` in the block, e.g. multirun.yaml."""
    from omegaconf import OmegaConf

    save = OmegaConf.save

    # The signature of OmegaConf.
    def save_masked(config: object, f: str | Path | IO[str], resolve: bool = False) -> None:  # noqa: FBT001, FBT002
        text = io.StringIO()
        save(config, text, resolve)
        if isinstance(f, str | Path):
            Path(f).write_bytes(masked(text.getvalue()).encode("utf-8", "surrogateescape"))
        else:
            f.write(masked(text.getvalue()))

    OmegaConf.save = save_masked  # type: ignore[method-assign]
    try:
        yield
    finally:
        OmegaConf.save = save  # type: ignore[method-assign]


def _mask(found: re.Match[str]) -> str:
    user = found["user"] or found["path"]
    return f"{user}{MASK}@" if user else f"{found['query']}{MASK}"
