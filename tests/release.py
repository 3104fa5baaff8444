"""Build a release and try it as a user would.

``python -m tests.release dist`` builds wheel and sdist into ``dist/``, renders the long description, installs each file
into an empty environment outside the checkout, and runs ``hookline --help``, a build and a predict there.
``python -m tests.release interpreters`` runs the tests with every other interpreter that it finds.
"""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt

from tests.support.packages import ROOT

DIST = ROOT / "dist"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
BUILD = "from setuptools import build_meta as b; b.build_wheel({0!r}); b.build_sdist({0!r})"


def main(arguments: list[str]) -> int:
    """Run what ``arguments`` names; return the exit code."""
    if arguments == ["dist"]:
        for file in build():
            print(f"built dist/{file.name}", flush=True)
            try_in_empty_environment(file)
        return 0
    if arguments == ["interpreters"]:
        return max((run_tests(version, python) for version, python in interpreters()), default=0)
    print("usage: python -m tests.release dist|interpreters", file=sys.stderr)
    return 2


def build() -> list[Path]:
    """Build wheel and sdist from a copy of the tracked files, so that nothing untracked is in them."""
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in filter(None, listed.stdout.split("\0")):
            target = Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        subprocess.run([sys.executable, "-c", BUILD.format(str(DIST))], cwd=folder, check=True, capture_output=True)
    files = sorted(DIST.iterdir())
    for file in files:
        check_description(file)
    return files


def check_description(file: Path) -> None:
    """Check that the long description in the metadata is Markdown that renders to headings, code and a table."""
    metadata = email.message_from_bytes(_metadata(file))
    assert metadata["Description-Content-Type"] == "text/markdown", metadata["Description-Content-Type"]
    page = MarkdownIt("commonmark").enable("table").render(metadata.get_payload())
    missing = [tag for tag in ("<h1>", "<h2>", "<table>", "<pre>") if tag not in page]
    assert not missing, f"{file.name}: the long description has no {missing}"
    left = [mark for mark in ("```", "| --- |") if mark in page]
    assert not left, f"{file.name}: the long description does not render: {left}"


def _metadata(file: Path) -> bytes:
    if file.suffix == ".whl":
        with zipfile.ZipFile(file) as archive:
            return archive.read(next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA")))
    with tarfile.open(file) as archive:
        member = archive.extractfile(next(name for name in archive.getnames() if re.fullmatch(r"[^/]+/PKG-INFO", name)))
        assert member is not None
        return member.read()


def try_in_empty_environment(file: Path) -> None:
    """Install a file into an environment of its own and run the script ``hookline`` in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        home, work = Path(folder, "env"), Path(folder, "work")
        work.mkdir()
        venv.create(home, with_pip=True)
        python, hookline = home / "bin" / "python", home / "bin" / "hookline"
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-c", ROOT / "constraints.txt"]
        _run(*pip, file, cwd=work)
        found = _run(python, "-c", "import core, hookline; print(core.__file__)", cwd=work)
        assert found.startswith(str(home)), f"{file.name}: the checkout is imported: {found}"
        assert "+stage=build" in _run(hookline, "--help", cwd=work)
        _run(hookline, "+stage=build", "hydra.run.dir=built", cwd=work)
        bus = _run(python, "-c", "import hookline; print(hookline.sample('bus'))", cwd=work).strip().splitlines()[-1]
        _run(hookline, "+stage=predict", f"source={bus}", "hydra.run.dir=found", cwd=work)
        assert list(work.glob("found/predict/**/*.jpg")), f"{file.name}: predict has drawn nothing"
        print(f"{file.name}: installed, --help, build and predict work", flush=True)


def _run(*command: object, cwd: Path) -> str:
    """Run a command without the checkout in its path; return its standard output, or print all of it if it fails."""
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise SystemExit(f"{' '.join(words)}: exit code {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def interpreters() -> Iterator[tuple[str, str]]:
    """Yield version and path of the other interpreters on the path or of pyenv; name those that are missing."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in PYTHONS:
        places = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
        usable = [str(place) for place in places if place and _reports(str(place), version)]
        if version != own and usable:
            yield version, usable[0]
        elif version != own:
            print(f"Python {version}: not found, not run", flush=True)


def _reports(python: str, version: str) -> bool:
    result = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    return result.returncode == 0 and result.stdout.startswith(f"Python {version}.")


def run_tests(version: str, python: str) -> int:
    """Run ``make pytest`` with another interpreter, in an environment below ``.cache``; return its exit code."""
    print(f"Python {version}: {python}", flush=True)
    folder = ROOT / ".cache" / f"venv-{version}"
    return subprocess.run(["make", "pytest", f"PYTHON={python}", f"VENV={folder}"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
