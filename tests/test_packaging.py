"""The wheel contains the product and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.packages import PACKAGES


@pytest.fixture(scope="module")
def wheel(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel built from a copy of the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(repo_root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repo_root / name, source / name)
    target = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "-w", str(target), str(source)], check=True, capture_output=True)
    with zipfile.ZipFile(next(target.glob("hookline-*.whl"))) as archive:
        return archive.namelist()


def test_only_the_product_is_shipped(wheel: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel if ".dist-info/" not in name}
    assert tops == set(PACKAGES)


def test_every_source_file_is_shipped(wheel: list[str], repo_root: Path) -> None:
    sources = {
        str(path.relative_to(repo_root))
        for top in PACKAGES
        for path in (repo_root / top).rglob("*")
        if path.suffix in {".py", ".pyi", ".yaml", ".cu"} and "__pycache__" not in path.parts
    }
    assert sources - set(wheel) == set()


def test_licence_and_entry_point_are_in_the_metadata(wheel: list[str]) -> None:
    assert any(name.endswith("licenses/LICENSE") for name in wheel)
    assert any(name.endswith("entry_points.txt") for name in wheel)
