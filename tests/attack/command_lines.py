"""Command lines: odd signs, words and paths as values, options of wrong types, and the flags of Hydra."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

from tests.attack import odd
from tests.attack.case import Case, Scene, Variants
from tests.support.media_tools import write_pictures

SIGNS = "()[]=#{}'~$,& \"\\:;|<>*?!`@%^+-/\t\n"
PATH_OPTIONS = (
    "weights",
    "data",
    "source",
    "store",
    "calibrate.source",
    "calibrate.cache",
    "convert.source",
    "frames.source",
    "load.weights",
)
STAGES = (
    "load",
    "dataset",
    "toy",
    "train",
    "convert",
    "frames",
    "export",
    "calibrate",
    "quantize",
    "graft",
    "build",
    "predict",
    "evaluate",
    "compare",
)
ODD_PATHS = (
    "~nosuchuser", "~nosuchuser/x.pt", "~", "~/", "", " ", ".", "..", "/x", "//x", "/dev/null", "/dev/zero",
    "/dev/stdin", "/dev/full",
    "/proc/self/mem", "/proc/kmsg", "x" * 256, "x" * 256 + ".pt", "x" * 5000, "a/" * 2500, "\udcff\udcfe",
    "\udcff.pt", "é" * 200, "\x1b[2J",
    "a\nb", "a\tb", "\u202e", "dangling", "loop", "locked", "fifo", "socket", "folder", "-1", "0", "1e400", "null",
    "true", "[]", "{}", "${x}", "${oc.env:HOME}",
    "${oc.env:NOPE}", "???", "http://", "http://[", "rtsp://127.0.0.1:9/x", "file:///etc/passwd", "concat:a|b",
    "\\\\server\\x", "C:\\x.pt", "*", "**/*", "[", "[a-",
)  # fmt: skip
FLAGS = (
    ("--help",), ("-h",), ("--version",), ("--hydra-help",), ("--cfg", "job"), ("--cfg", "all"),
    ("--cfg", "nonsense"), ("--cfg",), ("--resolve",),
    ("--cfg", "job", "--resolve"), ("--package", "x"), ("--cfg", "job", "--package", "nope"), ("--info",),
    ("--info", "all"), ("--info", "config"),
    ("--info", "nonsense"), ("--run",), ("--multirun",), ("-m",), ("--shell-completion",), ("-sc", "install=bash"),
    ("--config-path", "/nope"), ("--config-path", "~nosuchuser"),
    ("--config-name", "nope"), ("--config-name", "../x"), ("--config-dir", "/nope"), ("--config-dir", "."),
    ("--experimental-rerun", "nope"), ("--nope",),
    ("-x",), ("--",), ("-",), ("--cfg=job",), ("-c", "job"), ("-c", "hydra"), ("-cd", "."), ("--stage",),
    ("--stage=load",),
)  # fmt: skip
OVERRIDES = (
    "+stage=5", "+stage=null", "+stage=", "+stage=[]", "+stage={}", "+stage={a: 1}", "+stage=[[load]]",
    "+stage=[load,load]", "+stage=[5]", "+stage=[null]", "+stage=true",
    "+stage=1.5", "+stage=load.x", "+stage=../load", "+stage=/load", "+stage=load@x", "stage=load", "++stage=load",
    "~stage", "+stage=laod", "+stage=[load", "+stage='load'", "+stage=\"load\"",
    "+stage=choice(load,export)", "+stage=range(3)", "+stage=glob(*)", "+stage=str(5)", "+stage=sort(b,a)",
    "+stage=nope(1)", "+stage=load,export", "+stage@x=load", "+stage=${weights}",
    "=", "==", "a", "a=b", "+a=b", "++a=b", "~a", "~weights", "~load", "~hydra", "+", "++", "~", "@", "a@b=c",
    "a:b=c", "+weights=x", "hydra=x", "hydra.nope=1", "hydra.run.dir=",
    "hydra.run.dir=/dev/null", "hydra.run.dir=/proc/x", "hydra.run.dir=~nosuchuser", "hydra.run.dir=null",
    "hydra.run.dir=[a]", "hydra.run.dir=${nope}", "hydra.sweep.dir=/dev/null/x",
    "hydra.job.chdir=true", "hydra.job.name=a/b", "hydra/launcher=nope", "hydra/sweeper=nope",
    "hydra/launcher=joblib", "hydra/job_logging=nope", "hydra.verbose=true", "hydra.verbose=[a]",
    "hydra.output_subdir=.", "hydra.output_subdir=../x", "hydra.mode=MULTIRUN", "hydra.mode=x",
    "hydra.searchpath=[file://nope]", "hydra.searchpath=5", "hydra.job.env_set={HOME: x}",
    "decode=nope", "decode=null", "decode=5", "decode=[a,b]", "decode={name: x}", "~decode", "graft=onnx",
    "defaults=x", "+defaults=[x]",
    "plugins=5", "plugins.disable=5", "plugins.disable=nope", "plugins.disable=[nope]",
    "plugins.disable=null", "plugins.disable=[core.execution.observers]", "plugins.disable=[stages.load]",
    "+plugins.x=1",
    "load=5", "load=null", "load={}", "load.weights.x=1", "load.nope=1", "+load.nope=1",
    "seed=-1", "seed=1e99", "seed=" + "9" * 5000, "seed=99999999999999999999", "imgsz=[1,2,3]", "imgsz=[a]",
    "imgsz={}", "imgsz=-32", "imgsz=0", "imgsz=33", "imgsz=100000", "imgsz=[64,64]", "imgsz=64.5",
    "device=cuda:99", "device=cuda:-1", "device=nope", "device=[cpu]", "device=cuda:" + "9" * 50, "precision=fp8",
    "precision=[fp32]", "precision=5", "backend=nope", "backend=onxn", "backend=null", "backend=tensorrt",
    "processor=nope", "calibrator=nope", "calibrator=null", "tracker=nope", "tracker=[nope,csv]", "tracker=5",
    "tracker={}", "tracker=[[csv]]", "classes=nope", "classes=[99]", "classes={}", "classes=-1", "classes=[null]",
    "conf=2", "conf=-1", "conf=nan", "conf=inf", "iou=nan", "iou=2", "max_det=0", "max_det=-1", "max_det=" + "9" * 30,
    "resume=5", "resume=true", "reuse=x", "store=null", "model=nope", "model=5", "model=[a]",
)  # fmt: skip


def _tail(scene: Scene) -> tuple[str, ...]:
    return (f"weights={scene.base.weights}", "imgsz=64", "device=cpu")


def _odd_files(scene: Scene) -> None:
    """Entries that are no regular files, under the names that :data:`ODD_PATHS` gives."""
    (scene.here / "dangling").symlink_to("nowhere")
    (scene.here / "loop").symlink_to("loop")
    (scene.here / "folder").mkdir()
    os.mkfifo(scene.here / "fifo")
    (scene.here / "locked").write_bytes(b"")
    (scene.here / "locked").chmod(0)


def _override(scene: Scene) -> Case:
    word = OVERRIDES[scene.chance.randrange(len(OVERRIDES))]
    first = () if word.lstrip("+~").startswith("stage") else ("+stage=load",)
    given = [item for item in _tail(scene) if item.partition("=")[0] not in {word.partition("=")[0], ""}]
    return Case((*first, *given, word))


def _flags(scene: Scene) -> Case:
    stage = scene.chance.choice(((), ("+stage=load",), ("+stage=[train,build]",), ("+stage=nope",)))
    return Case((*stage, *scene.chance.choice(FLAGS), *scene.chance.choice(((), _tail(scene)))))


def _odd_path(scene: Scene) -> Case:
    _odd_files(scene)
    option, stage = scene.chance.choice(PATH_OPTIONS), scene.chance.choice(STAGES)
    if "." in option:
        stage = option.partition(".")[0]
    value = scene.chance.choice(ODD_PATHS)
    if option == "store" and not value.startswith(("/", "~")):
        value = f"outputs/{value}"  # the run creates it
    given = [item for item in _tail(scene) if not item.startswith(f"{option}=")]
    return Case((f"+stage={stage}", *given, f"{option}={value}"), patience=20)


def _signs(scene: Scene) -> Iterator[str]:
    """Names of one existing file each, with signs of Hydra's grammar and of shells."""
    while True:
        yield "".join(scene.chance.choice(SIGNS + "abc") for _ in range(scene.chance.randint(1, 8))).replace("/", "")


def _existing(scene: Scene) -> Case:
    """A path that exists, given as a shell hands it over."""
    name = next(name for name in _signs(scene) if name.strip(". "))
    if scene.chance.random() < 0.5:
        write_pictures(scene.here, ["a.png"])
        (scene.here / "a.png").rename(scene.here / f"{name}.png")
        return Case(("+stage=predict", f"weights={scene.base.engine}", f"source={name}.png"))
    folder = scene.here / name
    folder.mkdir()
    (folder / "tiny.safetensors").write_bytes(scene.base.weights.read_bytes())
    return Case(("+stage=load", f"weights={name}/tiny.safetensors", "imgsz=64"))


def _existing_in_a_sweep(scene: Scene) -> Case:
    case = _existing(scene)
    return Case(("-m", *case.arguments, "seed=1,2"))


def _any_words(scene: Scene) -> Case:
    """Words of any signs, some of them after a known option."""
    words = []
    for _ in range(scene.chance.randint(1, 4)):
        text = odd.words(scene.chance).replace("\0", "")[: scene.chance.choice((20, 300, 100_000))]
        prefix = scene.chance.choice(("", "", "weights=", "source=", "+stage=", "+", "~", "load.", "-", "--"))
        words.append(prefix + text)
    return Case(tuple(words))


def _bytes(scene: Scene) -> Case:
    """Arguments that are not UTF-8."""
    option = scene.chance.choice(("weights=", "source=", "data=", "store=", "+stage=", "", "classes=", "calibrator="))
    raw = bytes(scene.chance.choice((0x80, 0xFF, 0xC3, 0xE2, 0x41)) for _ in range(scene.chance.choice((1, 4, 300))))
    return Case(
        ("+stage=predict", f"weights={scene.base.engine}", option + os.fsdecode(raw)), fresh=scene.chance.random() < 0.1
    )


@lru_cache
def _options() -> tuple[tuple[str, str, Any], ...]:
    """Stage, dotted name and default of every option that is registered."""
    from core.kinds.family_options import option_fields_of
    from core.kinds.stage import Stage
    from core.plugins.loading import load_plugins

    registry = load_plugins().registry
    found: list[tuple[str, str, Any]] = []
    for stage in registry.all(Stage).values():
        declared = option_fields_of(stage.signature.config, registry)
        found += [(stage.name, f"{stage.name}.{item.name}", item) for _, item in declared]
    for kind in ("models", "calibrators", "runtimes", "processors", "trackers"):
        for name, part in registry.parts(kind).items():
            if is_dataclass(part.options):
                found += [("build", f"{kind}.{name}.{item.name}", item) for item in fields(part.options)]
    return tuple(found)


WRONG = (
    "null", "''", "[]", "{}", "[1,2]", "{a: 1}", "true", "-1", "0", "1", "nan", "inf", "-inf", "1e308", "9" * 40,
    "0.5", "nope", "[null]", "[[1]]", "{min: 1}", "{min: a, opt: 1, max: 0}",
    "${seed}", "${nope}", "???", "1e-320", "-0.0", "[nope]", "{}x", "2147483648", "65537", "1.0", "auto", "all",
)  # fmt: skip


def _wrong_type(scene: Scene) -> Case:
    """An option of the registry with a value of a type or range that it cannot have; the stage is cheap to reach."""
    stage, name, _ = scene.chance.choice(_options())
    more: tuple[str, ...] = (*_tail(scene), f"data={scene.base.data}", f"source={scene.base.images}")
    quick = {
        "train": ("train.epochs=1", "train.batch=2", "train.workers=0", "train.plots=false", "train.warmup_epochs=0"),
        "toy": ("toy.train=2", "toy.val=1", "toy.imgsz=64"),
        "calibrate": (f"calibrate.source={scene.base.images}",),
        "convert": (f"convert.source={scene.base.data.parent}",),
        "frames": (f"frames.source={scene.base.video}",),
        "compare": (f"compare.reference={scene.base.engine}",),
    }.get(stage, ())
    given = tuple(item for item in (*more, *quick) if not item.startswith(f"{name}="))
    return Case((f"+stage={stage}", *given, f"{name}={scene.chance.choice(WRONG)}"), patience=20)


def _wrong_type_twice(scene: Scene) -> Case:
    first, second = _wrong_type(scene), _wrong_type(scene)
    return Case((*first.arguments, second.arguments[-1]), patience=20)


def _unknown(scene: Scene) -> Case:
    _, name, _ = scene.chance.choice(_options())
    place = scene.chance.randrange(len(name))
    wrong = name[:place] + scene.chance.choice(("", "x", ".", "_", " ")) + name[place + 1 :]
    return Case(("+stage=load", *_tail(scene), f"{scene.chance.choice(('', '+', '++', '~'))}{wrong}=1"))


def _many(scene: Scene) -> Case:
    count = scene.chance.choice((300, 2000))
    return Case(scene.chance.choice((
        ("+stage=load", *_tail(scene), *[f"seed={number}" for number in range(count)]),
        ("+stage=load", *_tail(scene), *[f"+a{number}=1" for number in range(count)]),
        ("-m", "+stage=nope", "seed=" + ",".join(map(str, range(count)))),
        (f"+stage=[{','.join(['load'] * count)}]", *_tail(scene)),
        ("+stage=load", *_tail(scene), "classes=" + "[" * count + "]" * count),
        ("+stage=load", *_tail(scene), f"classes=[{','.join(map(str, range(count * 10)))}]"),
    )))  # fmt: skip


def _sweep(scene: Scene) -> Case:
    return Case((
        "-m", "+stage=load", *_tail(scene),
        scene.chance.choice(("seed=1,2", "seed=range(1,3)", "seed=a,b", "weights=nope,nah",
            "hydra.sweep.dir=/dev/null/x", "hydra.sweep.subdir=../../x",
                             "hydra.sweep.subdir=same", "imgsz=64,33", "imgsz=[64,64],[33,1]", "+stage=load,export",
                             "precision=fp32,fp8", "seed=", "seed=1,", f"hydra.sweep.subdir={scene.here}/outputs/x",
                             "hydra.sweep.dir=~nosuchuser")),
    ))  # fmt: skip


VARIANTS: Variants = {
    "override": _override,
    "flags": _flags,
    "odd-path": _odd_path,
    "existing-path": _existing,
    "existing-path-in-a-sweep": _existing_in_a_sweep,
    "wrong-type": _wrong_type,
    "two-wrong-types": _wrong_type_twice,
    "any-words": _any_words,
    "bytes": _bytes,
    "unknown": _unknown,
    "many": _many,
    "sweep": _sweep,
}
