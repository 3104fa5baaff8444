"""The guide for authors: its package is installed, its tests pass, and its commands run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import run_python
from tests.support.media_tools import write_pictures
from tests.support.yolov5_tools import tiny_checkpoint

FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def files(page: str) -> Iterator[tuple[str, str]]:
    """Yield file name and content of every code block that starts with a file name."""
    for code in FENCE.findall(page):
        if found := re.match(r"# (\S+\.(?:py|toml))\n", code):
            yield found[1], code


@pytest.fixture(scope="module")
def page(repo_root: Path) -> str:
    return (repo_root / "docs" / "authors" / "index.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def package(page: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package, installed into ``site``."""
    folder = tmp_path_factory.mktemp("acme")
    for name, code in files(page):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(code, encoding="utf-8")
    (folder / "hookline_acme" / "__init__.py").touch()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(folder / "site"), str(folder)], check=True, capture_output=True)
    return folder


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the installed package."""
    home = str(package / "home")
    return run_python(*words, cwd=package / "work", paths=[package / "site"], HOOKLINE_HOME=home)


def test_every_block_is_used(page: str) -> None:
    named = [name for name, _ in files(page)]
    assert named == [
        "pyproject.toml",
        "hookline_acme/plugin.py",
        "hookline_acme/sharpening.py",
        "hookline_acme/counting.py",
        "hookline_acme/chip.py",
        "tests/test_acme.py",
    ]
    commands = [code for code in FENCE.findall(page) if not re.match(r"# \S+\.(?:py|toml)\n", code)]
    assert all(line.startswith("python -m core.run ") for code in commands for line in code.splitlines())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_package_of_the_guide_works(page: str, package: Path) -> None:
    work = package / "work"
    work.mkdir(exist_ok=True)
    tiny_checkpoint(work / "best.safetensors")
    write_pictures(work / "images", ["0.png", "1.png"], 96, 128)
    tests = run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(package / "tests"))
    assert tests.returncode == 0, tests.stdout
    plugins = run(package, "-m", "core.plugins")
    assert (plugins.returncode, "hookline-acme" in plugins.stdout) == (0, True), plugins.stdout
    commands = re.findall(r"^python (-m core\.run .*)$", page, re.MULTILINE)
    assert len(commands) == 2
    for number, command in enumerate(commands):
        line = shlex.split(command.replace("best.pt", "best.safetensors"))
        done = run(package, *line, "imgsz=64", f"hydra.run.dir=run{number}")
        assert done.returncode == 0, done.stderr
    assert list((work / "run0" / "build").glob("*-fp32.chip"))
    assert (work / "run1" / "predict" / "predictions.json").is_file()


@pytest.mark.slow
def test_a_type_checker_accepts_the_package(package: Path) -> None:
    (package / "work").mkdir(exist_ok=True)
    config = package / "mypy.ini"
    foreign = "[mypy-onnx.*,onnxruntime.*]\nfollow_imports = skip\nignore_missing_imports = true\n"
    config.write_text(f"[mypy]\nstrict = true\nfollow_imports = silent\n{foreign}")
    cache = f"--cache-dir={package / 'cache'}"
    done = run(package, "-m", "mypy", f"--config-file={config}", cache, str(package / "hookline_acme"))
    assert done.returncode == 0, done.stdout
