from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from core.errors import HooklineError
from core.files.paths import path_of, user_path
from core.process.environment import cache_home


def test_a_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path("~/x") == Path("/home/me/x")
    assert user_path("~root") == Path(pwd.getpwnam("root").pw_dir)
    assert user_path("a/~/x") == Path("a/~/x")


def test_a_name_that_begins_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~t.jpg").touch()
    assert user_path("~t.jpg") == Path("~t.jpg")
    with pytest.raises(HooklineError, match=r"no user named 'u\.jpg'"):
        user_path("~u.jpg")


def test_a_url_is_not_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HooklineError, match=r"'s3://u:\*\*\*@bucket' is a URL"):
        user_path("s3://u:secret@bucket")
    Path("s3:/bucket").mkdir(parents=True)
    assert user_path("s3://bucket") == Path("s3:/bucket")


@pytest.mark.parametrize("home", [None, ""])
def test_no_home(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    if home is None:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr(pwd, "getpwuid", dict[int, object]().__getitem__)  # as in a container without an entry
        assert os.path.expanduser("~/x") == "~/x"  # noqa: PTH111
    else:
        monkeypatch.setenv("HOME", home)
    with pytest.raises(HooklineError, match="set HOME"):
        user_path("~/x")


def test_paths_in_text_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert path_of("~/a") == Path("/home/somebody/a")
    assert path_of("~nosuchuser/a") == Path("~nosuchuser/a")
    assert path_of("caf\udce9") == Path("caf\udce9")


def test_tests_have_a_temporary_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    assert tmp_path_factory.getbasetemp().resolve() in cache_home().parents
