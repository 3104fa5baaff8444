"""Good files for the cases to start from: made once by the real command, read by all cases, changed by none."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

SIZE = 64
"""Height and width of the network's input; everything is as small as it can be."""


@dataclass(frozen=True)
class Base:
    """The folder of the good files."""

    root: Path

    @property
    def weights(self) -> Path:
        """A checkpoint that hookline wrote."""
        return self.root / "tiny.safetensors"

    @property
    def official(self) -> Path:
        """A ``.pt`` as the official code writes it."""
        return self.root / "official.pt"

    @property
    def onnx(self) -> Path:
        """An export with the heads p3 p4 p5, and its sidecar."""
        return self.root / "heads.onnx"

    @property
    def classic(self) -> Path:
        """An export with the one output of the ecosystem; without a sidecar."""
        return self.root / "classic.onnx"

    @property
    def engine(self) -> Path:
        """An engine of ONNX Runtime, and its sidecar."""
        return self.root / "tiny.engine"

    @property
    def table(self) -> Path:
        """A calibration table; next to it ``calibration.cache``."""
        return self.root / "calibration.json"

    @property
    def data(self) -> Path:
        """The data.yaml of a data set of six images in two splits."""
        return self.root / "set" / "data.yaml"

    @property
    def images(self) -> Path:
        """A folder of good images."""
        return self.root / "set" / "images" / "val"

    @property
    def video(self) -> Path:
        """A video of eight frames."""
        return self.root / "video.mp4"


def make_base(root: Path) -> Base:
    """Make the files in the new folder ``root``."""
    from tests.backends.yolov5.official_files import P5, write_official
    from tests.support.dataset_tools import write_dataset
    from tests.support.media_tools import write_levels
    from tests.support.yolov5_tools import tiny_checkpoint

    base = Base(root)
    root.mkdir(parents=True)
    tiny_checkpoint(base.weights, nc=2)
    write_official(base.official, P5)
    rows = [(0, 0.5, 0.5, 0.4, 0.4), (1, 0.25, 0.25, 0.2, 0.2)]
    pictures = {f"image{number}": rows for number in range(3)}
    write_dataset(root / "set", {"train": pictures, "val": pictures}, names=("class0", "class1"))
    write_levels(base.video, 8)
    same = (f"weights={base.weights}", f"imgsz={SIZE}", "device=cpu")
    run = _Runs(root)
    made = run("build", "+stage=[export,build]", *same, "backend=onnxruntime", "precision=fp32")
    _take(next(made.glob("export/*.onnx")), base.onnx)
    _take(next(path for path in made.glob("build/*") if path.suffix in {".engine", ".onnx"}), base.engine)
    made = run("classic", "+stage=export", *same, "export.layout=classic")
    shutil.copy(next(made.glob("export/*.onnx")), base.classic)
    made = run("table", "+stage=calibrate", *same, f"calibrate.source={base.images}")
    for name in ("calibration.json", "calibration.json.json", "calibration.cache"):
        shutil.copy(made / "calibrate" / name, root / name)
    shutil.rmtree(root / "runs")
    return base


class _Runs:
    """Good runs of the command, in forks of this process."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str, *arguments: str) -> Path:
        """Run the command and return the run directory."""
        from tests.attack.case import Case
        from tests.attack.children import forked
        from tests.attack.limits import Limits
        from tests.attack.place import Place

        place = Place(self.root / "runs" / name)
        place.make()
        done = forked(Case((*arguments, "hydra.run.dir=outputs")), place, Limits())
        if done.code != 0:
            raise RuntimeError(
                f"the base cannot be made: {' '.join(arguments)} gave {done.code}\n{done.stderr[-2000:]}"
            )
        return place.cwd / "outputs"


def _take(file: Path, target: Path) -> None:
    """Copy a model with its sidecar, which names the file no matter what it is called."""
    shutil.copy(file, target)
    shutil.copy(f"{file}.json", f"{target}.json")


def signature(base: Base) -> dict[str, tuple[int, int]]:
    """What changes when a file of the base does."""
    found = {}
    for folder, _, files in os.walk(base.root):
        for name in files:
            status = os.lstat(Path(folder, name))
            found[str(Path(folder, name))] = (status.st_ino, status.st_ctime_ns)
    return found
