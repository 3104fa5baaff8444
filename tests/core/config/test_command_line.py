"""Arguments before Hydra reads them: paths are taken as typed, everything else gets one line."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from core.config.command_line import LONGEST_ARGUMENT, prepared
from core.errors import HooklineError
from tests.support.hostile_names import file_name
from tests.support.runs import plugins
from tests.support.shells import shell_words

NAMES = (
    "date=2024-01-01", "clip#1.jpg", "street, day 1.jpg", "p (1).jpg", "x{1}.jpg", "q'1.jpg", "~t.jpg", "a$b.jpg",
    "${x}.jpg", "\\${x}", "0001", "a&b;c.jpg", "[ex] a", "[a,b]",
    "{a:1}", " a ", "true", "null", "1e3", "\udcff.jpg", "a\nb", "choice(a,b)",
)  # fmt: skip


def arguments(*given: str) -> tuple[str, ...]:
    return prepared(given, plugins().registry).arguments


def composed(option: str, *given: str) -> object:
    """What the option is once Hydra has read the prepared arguments."""
    with initialize_config_module("conf", version_base="1.3"):
        config = compose("config", list(arguments(*given)))
    for name in option.split("."):
        config = config[name]
    return config


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("option", ["source", "predict.source"])
def test_a_path_that_exists_is_taken_as_typed(here: Path, name: str, option: str) -> None:
    (here / name).touch()
    assert composed("predict.source", f"{option}={name}") == name
    assert composed("predict.source", f"{option}={here}/{name}") == f"{here}/{name}"


def test_any_path_that_exists_is_taken_as_typed(here: Path) -> None:
    chance = random.Random(0)
    for _ in range(40):
        name = file_name(chance)
        (here / name).touch()
        assert str(composed("source", f"source={name}")) == name


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in {"street, day 1.jpg", "${x}.jpg", "\\${x}", " a "}]
)
def test_a_path_that_hydra_cannot_read_need_not_exist(here: Path, name: str) -> None:
    assert composed("weights", f"weights={here}/{name}") == f"{here}/{name}"


def test_a_directory_of_a_run_need_not_exist(here: Path) -> None:
    given = arguments(f"hydra.run.dir={here}/go on, with=1", f"store={here}/a,b(1)")
    assert given == (f"hydra.run.dir='{here}/go on, with=1'", f"store='{here}/a,b(1)'")
    assert arguments("hydra.run.dir=out/${now:%H}") == ("hydra.run.dir=out/${now:%H}",)


def test_a_glob_in_a_folder_that_exists(here: Path) -> None:
    (here / "a, b").mkdir()
    assert composed("source", f"source={here}/a, b/*.jpg") == f"{here}/a, b/*.jpg"


def test_what_hydra_reads_as_text_is_not_touched(here: Path) -> None:
    given = (
        "+stage=[load,build]",
        "source=[a.jpg,b.jpg]",
        "imgsz=[384,640]",
        "build.batch={min: 1}",
        "source='a,b'",
        "seed=5",
    )
    assert arguments(*given) == given


def test_an_existing_path_under_a_sweep(here: Path) -> None:
    (here / "a,b").touch()
    line = prepared(["-m", "+stage=load", "source=a,b", "weights=c,d"], plugins().registry)
    assert line.arguments == ("+stage=load", "source='a,b'", "weights=c,d", "-m")
    assert line.notes == ("'a,b' exists and is read as one path, not as a sweep",)


def test_the_printed_line_can_be_pasted(here: Path) -> None:
    with pytest.raises(HooklineError) as caught:
        arguments("+stage=train", "trackers.wandb.project=a(b  'c")
    line = str(caught.value).partition("quote text: ")[2]
    assert shell_words(line)[:3] == ["python", "-m", "core.run"]
    assert composed("trackers.wandb.project", *shell_words(line)[3:]) == "a(b  'c"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["+stage=5"], "unknown stage 5"),
        (["+stage=null"], "unknown stage 'null'"),
        (["+stage=[build,5]"], "unknown stage 5"),
        (["+stage={a:1}"], "unknown stage {'a': 1}"),
        (["+stage=[[build]]"], "did you mean build?"),
        (["+stage=${x}"], "unknown stage '${x}'"),
        (["+stage=load", "+stage=build"], "stage= is given more than once"),
        (["-m", "+stage=load,5"], "unknown stage 5"),
        (["+stage=a,b"], "for a sweep add -m; for a list write '+stage=[a,b]'"),
        (["graft=onnx"], "'graft' is now 'decode'"),
        (["-m", "graft=onnx,yolo_layer"], "'graft' is now 'decode'"),
        (["+graft.namespace="], "'graft.namespace' is now 'grafts.yolo_layer.namespace'"),
        (["hydra/launcher=5"], "does not name a configuration"),
        (["+load.foo=1"], "unknown option 'load.foo'"),
        (["imgsz="], "imgsz= has no value"),
        (["imgsz"], "did you mean imgsz=<value>?"),
        (["laod"], "did you mean +stage=load?"),
        (["=5"], "no name before the '='"),
        (["a b=5"], "'a b' is not the name of an option"),
        (["source=" + "a" * 300], "file names have at most 255 bytes"),
        (["weights=" + "a/" * 3000], "paths 4095"),
        (["hydra.run.dir=~nosuchuser/x"], "no user named 'nosuchuser'"),
        (["hydra.run.dir=s3://u:secret@bucket/runs"], "hydra.run.dir='s3://u:***@bucket/runs' is an address"),
        (["+stage=" + "a" * 300], "unknown stage 'aaa"),
        (["--foo"], "unknown flag '--foo'"),
        (["--multirn"], "did you mean --multirun"),
        (["--imgsz=320"], "options have no dashes: imgsz=320"),
        (["--cfg"], "argument --cfg/-c"),
        (["--cfg", "job", "-m"], "cannot be combined"),
        (["--resolve"], "--resolve works only with --cfg"),
        (["--experimental-rerun", "x"], "is not supported"),
        (["-m"], "nothing to do"),
        (["seed=" + "9" * 5000], "a number of 5000 digits"),
        (["classes=" + "[" * 200 + "]" * 200], "nested brackets"),
        (["classes=[" + "a," * LONGEST_ARGUMENT + "a]"], "write a long list into a file"),
    ],
)
def test_mistakes(here: Path, given: list[str], said: str) -> None:
    with pytest.raises(HooklineError) as caught:
        arguments(*given)
    assert said in str(caught.value)


def test_the_folder_of_a_run_may_lie_below_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert arguments("+stage=load", "hydra.run.dir=~/x/${now:%H}")[1] == "hydra.run.dir=/home/me/x/${now:%H}"
    assert arguments("-m", "+stage=load", "hydra.sweep.dir=~/x")[1] == "hydra.sweep.dir=/home/me/x"


def test_shell_completion_among_overrides(here: Path) -> None:
    assert arguments("+stage=load", "-sc", "install=bash") == ("+stage=load", "install=bash", "-sc")


def test_a_file_alone_is_asked_about(here: Path) -> None:
    (here / "a.jpg").touch()
    with pytest.raises(HooklineError, match=r"did you mean source=a\.jpg or weights=a\.jpg"):
        arguments("+stage=predict", "a.jpg")


def test_flags_stand_anywhere() -> None:
    assert arguments("+stage=load", "--package", "x", "imgsz=64", "--cfg", "job")[:2] == ("+stage=load", "imgsz=64")


def test_an_empty_text_is_a_value() -> None:
    assert arguments("grafts.yolo_layer.namespace=") == ("grafts.yolo_layer.namespace=",)
