"""Results are reused for equal content, also after a move, and made again after a change."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

from core.artifacts import Dataset
from core.errors import PlanError
from core.storage.sidecar import read_artifact
from tests.support.dataset_tools import write_dataset, write_picture
from tests.support.media_tools import write_pictures
from tests.support.runs import Done, Program
from tests.support.yolov5_tools import tiny_checkpoint

NAMES = ("class0", "class1", "class2")
ROWS = {str(number): [(0, 0.5, 0.5, 0.5, 0.5)] for number in range(4)}

Run = Callable[..., Done]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The program, with an INT8 engine of a small random network in its store."""
    folder = tmp_path_factory.mktemp("stale")
    tiny_checkpoint(folder / "tiny.safetensors")
    write_pictures(folder / "images", [f"{number}.png" for number in range(4)], 96, 128)
    write_dataset(folder / "data", {"train": ROWS, "val": ROWS}, NAMES, size=(128, 96))
    return Program(folder)


@pytest.fixture
def run(program: Program, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the small network; paths are relative to the folder of the program."""
    monkeypatch.chdir(program.folder)
    return lambda *overrides, **options: program.run("weights=tiny.safetensors", "imgsz=128", *overrides, **options)


CALIBRATE = ("+stage=calibrate", "calibrator=minmax")


def test_the_same_images_elsewhere_are_not_calibrated_again(run: Run, program: Program) -> None:
    run(*CALIBRATE, "calibrate.source=images")
    shutil.copytree(program.folder / "images", program.folder / "elsewhere" / "renamed")
    (program.folder / "lists").mkdir()
    for place in ("list.txt", "lists/list.txt"):
        lines = [str(program.folder / "images" / f"{number}.png") for number in range(4)]
        (program.folder / place).write_text("\n".join(lines))
    for source in ("elsewhere/renamed", f"{program.folder}/images", "'images/*.png'", "list.txt", "lists/list.txt"):
        assert run(*CALIBRATE, f"calibrate.source={source}").status["calibrate"] == "reused", source


def test_options_without_effect_do_not_calibrate_again(run: Run) -> None:
    run(*CALIBRATE, "calibrate.source=images")
    same = run(*CALIBRATE, "calibrate.source=images", "data=data/data.yaml", "calibrate.split=val")
    assert same.status["calibrate"] == "reused"


def test_changed_images_at_the_same_place_are_calibrated(run: Run, program: Program) -> None:
    shutil.copytree(program.folder / "images", program.folder / "changing")
    assert run(*CALIBRATE, "calibrate.source=changing").status["calibrate"] == "reused"
    write_picture(program.folder / "changing" / "0.png", (128, 96), seed=77)
    assert run(*CALIBRATE, "calibrate.source=changing").status["calibrate"] == "ran"


def test_a_split_of_a_data_set_counts_where_images_come_from_it(run: Run, program: Program) -> None:
    run(*CALIBRATE, "data=data/data.yaml")
    shutil.copytree(program.folder / "data", program.folder / "data moved")
    moved = run(*CALIBRATE, "data='data moved/data.yaml'")
    assert (moved.status["dataset"], moved.status["calibrate"]) == ("ran", "reused")
    assert run(*CALIBRATE, "data=data/data.yaml", "calibrate.split=val").status["calibrate"] == "ran"


def test_a_cache_counts_by_its_content(run: Run, program: Program) -> None:
    table = run(*CALIBRATE, "calibrate.source=images").artifacts["calibrate"]
    cache = table.path.with_name("calibration.cache")
    for name in ("one.cache", "two.cache"):
        shutil.copy(cache, program.folder / name)
    first, second = (run(*CALIBRATE, f"calibrate.cache={name}") for name in ("one.cache", "two.cache"))
    assert (first.status["calibrate"], second.status["calibrate"]) == ("ran", "reused")
    assert not [note for note in second.artifacts["calibrate"].notes if "one.cache" in note]
    content = (program.folder / "two.cache").read_text().replace(" 3", " 4")
    (program.folder / "two.cache").write_text(content)
    assert run(*CALIBRATE, "calibrate.cache=two.cache").status["calibrate"] == "ran"


def test_weights_count_by_content_and_name(run: Run, program: Program) -> None:
    run("+stage=export")
    copied = program.folder / "copied" / "tiny.safetensors"
    copied.parent.mkdir()
    shutil.copy(program.folder / "tiny.safetensors", copied)
    assert set(run("+stage=export", f"weights={copied}").status.values()) == {"reused"}


EVALUATE = ("+stage=evaluate", "evaluate.plots=false")


def test_an_evaluation_is_reused_wherever_the_data_lie(run: Run, program: Program) -> None:
    first = run(*EVALUATE, "data=data/data.yaml")
    shutil.copytree(program.folder / "data", program.folder / "moved")
    second = run(*EVALUATE, "data=moved/data.yaml")
    assert (first.status["evaluate"], second.status["evaluate"]) == ("ran", "reused")
    assert second.summary["metrics"]["evaluate"] == first.summary["metrics"]["evaluate"]
    assert second.artifacts["evaluate"].path == second.folder / "evaluate" / "metrics.json"
    assert second.artifacts["evaluate"].report == first.artifacts["evaluate"].report
    label = program.folder / "moved" / "labels" / "val" / "0.txt"
    label.write_text("0 0.5 0.5 0.25 0.5\n")
    assert run(*EVALUATE, "data=moved/data.yaml").status["evaluate"] == "ran"
    assert run(*EVALUATE, "data=data/data.yaml", reuse=False).status["evaluate"] == "ran"


def test_results_name_no_place(run: Run, program: Program) -> None:
    done = run(*EVALUATE, "data=data/data.yaml")
    texts = [path.read_text() for path in (done.folder / "evaluate").glob("*.json") if path.suffixes == [".json"]]
    assert len(texts) == 3
    assert not [text for text in texts if str(program.folder) in text]
    truth = json.loads((done.folder / "evaluate" / "ground_truth.json").read_text())
    assert [image["file_name"] for image in truth["images"]] == ["0.png", "1.png", "2.png", "3.png"]


@pytest.mark.parametrize("option", ["evaluate.plots=true", "evaluate.split=train", "runtimes.onnxruntime.threads=1"])
def test_what_shapes_an_evaluation_evaluates_again(run: Run, option: str) -> None:
    """Also the number of threads, because the result contains times."""
    run(*EVALUATE, "data=data/data.yaml")
    assert run(*EVALUATE, "data=data/data.yaml", option).status["evaluate"] == "ran"


def test_another_machine_evaluates_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*EVALUATE, "data=data/data.yaml")
    monkeypatch.setattr("core.planning.keys.machine", lambda: {"processor": "another"})
    assert run(*EVALUATE, "data=data/data.yaml").status["evaluate"] == "ran"


def test_identical_engines_are_measured_once(run: Run) -> None:
    jobs = [
        run(*EVALUATE, "data=data/data.yaml", "precision=fp32", f"calibrator={name}") for name in ("minmax", "entropy")
    ]
    assert jobs[1].status["evaluate"] == "reused"
    assert jobs[0].summary["metrics"] == jobs[1].summary["metrics"]


def test_a_comparison_is_reused(run: Run, program: Program) -> None:
    engine = run("+stage=build").artifacts["build"].path
    folder = program.folder / "reference"
    shutil.copytree(engine.parent, folder)
    command = ("+stage=compare", f"compare.reference={folder / engine.name}", "compare.inferences=1")
    first = run(*command, "source=images")
    shutil.copytree(program.folder / "images", program.folder / "other images")
    shutil.copytree(folder, program.folder / "reference moved")
    elsewhere = f"compare.reference='{program.folder / 'reference moved' / engine.name}'"
    second = run(*command, elsewhere, "source='other images'")
    assert (first.status["compare"], second.status["compare"]) == ("ran", "reused")
    assert second.artifacts["compare"].report == first.artifacts["compare"].report
    assert str(program.folder) not in first.artifacts["compare"].path.read_text()
    write_picture(program.folder / "other images" / "0.png", (128, 96), seed=78)
    assert run(*command, elsewhere, "source='other images'").status["compare"] == "ran"


def test_a_data_set_is_the_same_by_whatever_stage(run: Run, program: Program) -> None:
    """Data sets from ``convert`` and ``toy`` have the identity that ``dataset`` computes for their files."""
    made = run("+stage=toy", "toy.train=4", "toy.val=2", "toy.imgsz=64").artifacts["toy"]
    data = made.path.with_name("data.yaml")
    read = run("+stage=dataset", f"data={data}", "dataset.report=false").artifacts["dataset"]
    assert isinstance(made, Dataset)
    assert isinstance(read, Dataset)
    assert made.digest == read.digest


def test_converted_images_are_the_same_from_anywhere(run: Run, program: Program) -> None:
    shutil.copytree(program.folder / "data", program.folder / "source moved")
    command = ("+stage=[convert,calibrate]", "calibrator=minmax")
    run(*command, "convert.source=data/data.yaml")
    moved = run(*command, "convert.source='source moved/data.yaml'")
    assert (moved.status["convert"], moved.status["calibrate"]) == ("ran", "reused")


TRAIN = (
    "+stage=train", "model=yolov5n", "weights=null", "imgsz=64", "train.epochs=1", "train.batch=4", "train.workers=0",
    "train.plots=false", "train.autoanchor=false",
)  # fmt: skip


@pytest.mark.slow
def test_a_training_is_reused_wherever_the_data_lie(run: Run, program: Program) -> None:
    first = run(*TRAIN, "data=data/data.yaml")
    shutil.copytree(program.folder / "data", program.folder / "training moved")
    second = run(*TRAIN, "data='training moved/data.yaml'")
    assert (first.status["train"], second.status["train"]) == ("ran", "reused")
    (program.folder / "training moved" / "labels" / "train" / "1.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    assert run(*TRAIN, "data='training moved/data.yaml'").status["train"] == "ran"


def test_a_stray_label_file_makes_a_new_report(run: Run, program: Program) -> None:
    command = ("+stage=dataset", "data=data/data.yaml", "dataset.report=false")
    run(*command)
    assert run(*command).status["dataset"] == "reused"
    stray = program.folder / "data" / "labels" / "val" / "stray.txt"
    stray.write_text("0 0.5 0.5 0.5 0.5\n")
    found = run(*command)
    stray.unlink()
    assert found.status["dataset"] == "ran"
    assert [warning for warning in found.summary["warnings"] if "stray.txt" in warning]


def test_a_given_engine_keeps_its_size_and_precision(run: Run, program: Program) -> None:
    engine = run("+stage=build").artifacts["build"].path
    predict = ("+stage=predict", "source=images", f"weights={engine}")
    assert program.run(*predict).status["predict"] == "ran"
    for wrong, message in (
        ("imgsz=640", rf"imgsz=640, but '{engine.name}' was built for 128x128; omit imgsz, or build it again"),
        ("precision=int8", rf"precision=int8, but '{engine.name}' is fp32; omit precision, or start from"),
    ):
        with pytest.raises(PlanError, match=message):
            run(*predict, wrong)


def test_a_size_that_a_model_leaves_open_is_used(run: Run, program: Program) -> None:
    engine = run("+stage=build", "export.dynamic=[batch,height,width]").artifacts["build"].path
    done = program.run(*EVALUATE, "data=data/data.yaml", f"weights={engine}", "imgsz=[64,96]")
    protocol = json.loads(done.artifacts["evaluate"].path.read_text())["protocol"]
    assert (protocol["height"], protocol["width"]) == (64, 96)
    untouched = read_artifact(engine)
    assert untouched is not None
    assert vars(untouched)["contract"].height == 128
