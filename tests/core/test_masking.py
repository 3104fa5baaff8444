"""A run neither prints nor writes passwords in URLs."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from core.errors import HooklineError, reason_of, shown
from core.execution.run_files import MaskedFormatter
from core.files.quoting import command
from core.masking import masked, masked_yaml
from core.media.source import list_source
from tests.support.shells import shell_words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://user:secret@host/1", "rtsp://user:***@host/1"),
        ("rtsp://:secret@host", "rtsp://:***@host"),
        ("rtsp://user:se:c@ret@host:554/1", "rtsp://user:***@host:554/1"),
        ("rtsp://user:se/c?r#t@host:554/1", "rtsp://user:***@host:554/1"),
        ("http\\://user\\:secret@host", "http\\://user\\:***@host"),
        ("[rtsp://a:x@h,rtsp://b:y@h]", "[rtsp://a:***@h,rtsp://b:***@h]"),
        ("http://h/a?token=abc&b=1", "http://h/a?token=***&b=1"),
        ("http://h/a?b=1&access_token=abc#x", "http://h/a?b=1&access_token=***#x"),
        ("http://h/a?X-Amz-Signature=abc'", "http://h/a?X-Amz-Signature=***'"),
        ("http://user@host:80/a@b", "http://user@host:80/a@b"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://host:8554", "http://host:8554"),
        ("source=a:b@c token=x", "source=a:b@c token=x"),
        ("http://h/a?monkey=1", "http://h/a?monkey=1"),
        ("/home/me/rtsp:/user:secret@host:554/1", "/home/me/rtsp:/user:***@host:554/1"),
        ("/a:/b:/c@d", "/a:/b:/c@d"),
    ],
)
def test_masked(text: str, expected: str) -> None:
    assert masked(text) == expected
    assert masked(expected) == expected


def test_json_stays_json() -> None:
    content = {"command": 'rtsp://u:p"w@h', "other": ["http://host:80", "mail@host"]}
    assert json.loads(masked(json.dumps(content, indent=1))) == {"command": "rtsp://u:***@h", "other": content["other"]}


@pytest.mark.parametrize(
    "text", ["rtsp://user:" + "secret" * 20 + "@host/1", "x" * 30 + " http://h/?token=" + "secret" * 100]
)
def test_a_message_masks_before_it_cuts(text: str) -> None:
    messages = (shown(text), shown([text]), str(HooklineError(text)), reason_of(RuntimeError(text)))
    assert not [message for message in messages if "secret" in message]


def test_a_long_text_takes_no_long_time() -> None:
    start = time.monotonic()
    masked("://a:" * 40_000)
    masked("?key" * 40_000 + "://")
    assert time.monotonic() - start < 5


def test_what_hydra_saves(tmp_path: Path) -> None:
    with masked_yaml():
        OmegaConf.save(OmegaConf.create({"source": "rtsp://u:secret@h", "é": "\udcff"}), tmp_path / "multirun.yaml")
    assert "secret" not in (tmp_path / "multirun.yaml").read_text("utf-8", "surrogateescape")
    OmegaConf.save(OmegaConf.create({"source": "rtsp://u:secret@h"}), tmp_path / "other.yaml")
    assert "secret" in (tmp_path / "other.yaml").read_text()


def test_the_log() -> None:
    record = logging.LogRecord("hookline", logging.INFO, "", 0, "rtsp://u:secret@h", (), None)
    assert MaskedFormatter("%(message)s").format(record) == "rtsp://u:***@h"


def test_a_printed_command_says_that_the_password_is_missing() -> None:
    line = command(["+stage=predict", "source='rtsp://u:secret@h'"])
    assert line.endswith("# replace *** with the password")
    assert shell_words(line)[-1] == "source='rtsp://u:***@h'"


def test_a_source_keeps_its_password_and_does_not_show_it() -> None:
    source = list_source("rtsp://u:secret@h/1")
    assert (source.text, source.address) == ("rtsp://u:***@h/1", "rtsp://u:secret@h/1")
    with pytest.raises(HooklineError, match=r"replace .* with the password"):
        list_source(source.text)
