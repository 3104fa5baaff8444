"""The console script in an environment in which another distribution uses the names of our packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.process.installation import NAME
from core.process.installation import PACKAGES as GUARDED
from tests.support.packages import PACKAGES

Command = Callable[..., subprocess.CompletedProcess[str]]
SCRIPT = ("-c", "import sys; sys.path.remove(''); from hookline.script import main; sys.exit(main())")
"""Like the console script, without the working directory on ``sys.path``."""
MODULE = ("-m", "core.run")


def install(site: Path, name: str, version: str = "1.0") -> None:
    """Write the metadata of a distribution with all files in ``site`` that belong to no other distribution."""
    taken = {line.split(",")[0] for record in site.glob("*.dist-info/RECORD") for line in record.open()}
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    files = [file for file in site.rglob("*") if file.is_file() and str(file.relative_to(site)) not in taken]
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [f"{file.relative_to(site)},sha256=x,{file.stat().st_size}\n" for file in files]
    (info / "RECORD").write_text("".join(lines))


def overwrite(site: Path, file: str, text: str) -> None:
    """Overwrite a file with one of the distribution ``other-tool``, as pip does without a warning."""
    (site / file).parent.mkdir(parents=True, exist_ok=True)
    (site / file).write_text(text)
    info = site / "other_tool-2.1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-tool\nVersion: 2.1\n")
    with (info / "RECORD").open("a") as record:
        record.write(f"{file},sha256=x,{len(text)}\n")


@pytest.fixture(scope="module")
def installation(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hookline as installed by pip."""
    site = tmp_path_factory.mktemp("site")
    for package in PACKAGES:
        shutil.copytree(repo_root / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    install(site, "hookline", "0.1.0")
    return site


@pytest.fixture
def site(installation: Path, tmp_path: Path) -> Path:
    """A copy of the installation that a test may damage."""
    target = tmp_path / "site"
    shutil.copytree(installation, target, copy_function=os.link)
    for file in ("core/__init__.py", "core/run.py", "stages/export/__init__.py", "conf/config.yaml"):
        text = (target / file).read_text()
        (target / file).unlink()  # the other copies keep theirs
        (target / file).write_text(text)
    return target


@pytest.fixture
def command(site: Path, tmp_path: Path) -> Command:
    """Run Python in an empty folder, with ``before`` and ``site`` on the path."""

    def run(*arguments: str, before: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / "here"
        folder.mkdir(exist_ok=True)
        path = os.pathsep.join(map(str, filter(None, (before, site))))
        settings = os.environ | {"PYTHONPATH": path, "HOOKLINE_HOME": str(tmp_path / "home")} | environment
        line = [sys.executable, *arguments]
        return subprocess.run(line, cwd=folder, env=settings, capture_output=True, text=True, check=False)

    return run


def refused(done: subprocess.CompletedProcess[str], *texts: str) -> None:
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for text in texts:
        assert text in line


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_both_programs_work_as_installed(command: Command, program: tuple[str, ...]) -> None:
    done = command(*program, "--version")
    assert (done.returncode, done.stdout.split()[0], done.stderr) == (0, "hookline", "")


@pytest.mark.parametrize("package", GUARDED)
def test_a_package_that_was_overwritten(site: Path, command: Command, package: str) -> None:
    (site / package / "__init__.py").unlink()
    overwrite(site, f"{package}/__init__.py", "'''Core of another tool.'''\nraise SystemError\n")
    hint = (
        f"(other-tool) has overwritten the package '{package}' of hookline; uninstall it and run `pip install --force"
    )
    refused(command(*SCRIPT, "--version"), hint)


@pytest.mark.parametrize("package", ["stages", "conf"])
def test_the_module_notices_other_packages_than_core(site: Path, command: Command, package: str) -> None:
    (site / package / "__init__.py").unlink()
    overwrite(site, f"{package}/__init__.py", "")
    refused(command(*MODULE, "+stage=export"), f"(other-tool) has overwritten the package '{package}'")


def test_a_file_of_core_that_was_overwritten(site: Path, command: Command) -> None:
    overwrite(site, "core/run.py", "from core.engine import run_all\n")
    refused(command(*SCRIPT, "--version"), "other-tool 2.1 has overwritten the file 'core/run.py' of hookline")


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_a_stage_that_was_overwritten(site: Path, command: Command, program: tuple[str, ...]) -> None:
    overwrite(site, "stages/export/__init__.py", "import nothing_that_is_there\n")
    refused(command(*program, "+stage=export"), "other-tool 2.1 has overwritten the file 'stages/export/__init__.py'")


@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_a_configuration_that_was_overwritten(site: Path, command: Command, program: tuple[str, ...]) -> None:
    overwrite(site, "conf/config.yaml", "defaults: []\n")
    refused(command(*program, "+stage=export"), "has overwritten the package 'conf' of hookline")


@pytest.mark.parametrize("package", ["core", "stages", "conf"])
def test_a_package_earlier_on_the_path(tmp_path: Path, command: Command, package: str) -> None:
    (tmp_path / "first" / package).mkdir(parents=True)
    (tmp_path / "first" / package / "__init__.py").write_text("raise SystemError\n")
    done = command(*SCRIPT, "--version", before=tmp_path / "first")
    refused(done, f"the package '{package}' of hookline is hidden by '{tmp_path}/first/{package}'", "PYTHONPATH")


def test_a_folder_of_the_user_hides_nothing_from_the_script(tmp_path: Path, command: Command) -> None:
    for name in ("stages", "conf"):
        (tmp_path / "here" / name).mkdir(parents=True)
    done = command(*MODULE, "--version")
    assert done.returncode == 0, done.stderr
    (tmp_path / "here" / "stages" / "__init__.py").touch()
    refused(command(*MODULE, "--version"), "the package 'stages' of hookline is hidden by", "the working directory")


def test_a_bug_in_core_keeps_its_traceback(site: Path, command: Command) -> None:
    (site / "core" / "run.py").write_text("1 / 0\n")  # no other distribution contains it
    done = command(*SCRIPT, "--version")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


PLUGIN = """
from hookline import Calibrator, hookimpl

@hookimpl
def hookline_calibrators():
    yield Calibrator(name="mine", summary="", load=print)
"""


@pytest.mark.parametrize("folder", ["lib", "here"], ids=["on the path", "in the working directory"])
@pytest.mark.parametrize("program", [SCRIPT, MODULE], ids=["script", "module"])
def test_plugins_of_the_environment_are_found(
    tmp_path: Path, command: Command, program: tuple[str, ...], folder: str
) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "mine.py").write_text(PLUGIN)
    line = [*program, "+stage=export", "calibrator=minne"]
    done = command(*line, before=tmp_path / "lib", HOOKLINE_PLUGINS="mine")
    assert done.returncode == 2
    assert "unknown calibrator 'minne'; did you mean mine" in done.stderr


def test_every_package_names_hookline(repo_root: Path) -> None:
    """The check for overwritten packages relies on it."""
    for name in PACKAGES:
        assert NAME in (repo_root / name / "__init__.py").read_text().splitlines()[0]
