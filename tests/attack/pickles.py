"""Checkpoints ``.pt``: pickles that call, build, explode or lie, and zip files that are none."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from tests.attack import odd
from tests.attack import opcodes as op
from tests.attack.case import Case, Scene, Variants, load

FUNCTIONS = (
    ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"), ("subprocess", "Popen"),
    ("builtins", "getattr"), ("builtins", "__import__"), ("importlib", "import_module"), ("torch", "load"),
    ("torch.hub", "load"), ("numpy", "load"), ("models.common", "os.system"), ("torch.nn", "system"),
    ("utils", "system"), ("runpy", "run_path"), ("_codecs", "encode"), ("pathlib", "Path"), ("torch", "_C"),
    ("collections", "OrderedDict.fromkeys"), ("builtins", "set.__class__"), ("torch._utils", "_rebuild_tensor"),
)  # fmt: skip


def _file(content: Callable[[Scene], bytes], name: str = "x.pt") -> Callable[[Scene], Case]:
    return lambda scene: load(scene.write(name, content(scene)))


def _call(scene: Scene) -> bytes:
    module, function = scene.chance.choice(FUNCTIONS)
    command = scene.chance.choice((f"touch {scene.canary}", f"open({str(scene.canary)!r}, 'w')"))
    called = op.call(op.name(module, function), op.text(command))
    where = scene.chance.randrange(4)
    if where == 0:
        called = op.call(
            op.call(op.name("builtins", "getattr"), op.name("os", "path"), op.text("os")), op.text(command)
        )
    elif where == 1:  # INST
        called = op.MARK + op.text(command) + b"i" + f"{module}\n{function}\n".encode()
    elif where == 2:  # NEWOBJ
        called = op.name(module, function) + op.MARK + op.text(command) + op.TUPLE + b"\x81"
    return op.checkpoint(called)


def _extension(scene: Scene) -> bytes:
    return op.checkpoint(
        scene.chance.choice((b"\x82\x01", b"\x83\x01\x01", b"\x84\x01\0\0\0")) + op.EMPTY_TUPLE + op.REDUCE
    )


def _build_on_tensor(scene: Scene) -> bytes:
    keys = ("data", "__class__", "grad", "requires_grad", "names", "__dict__", "_backward_hooks", "x", "shape")
    states = [
        op.mapping({key: op.plain(odd.number(scene.chance)) for key in scene.chance.sample(keys, 3)}),
        op.MARK + op.plain(None) + op.mapping({"data": op.tensor()}) + op.TUPLE,
        op.plain([1, 2]),
        op.tensor(),
    ]
    return op.checkpoint(op.tensor() + scene.chance.choice(states) + op.BUILD)


def _build_on_container(scene: Scene) -> bytes:
    target = scene.chance.choice((
        op.EMPTY_DICT, op.EMPTY_LIST, op.plain(5), op.plain("a"), op.call(op.name("collections", "OrderedDict")),
        op.call(op.name("builtins", "set")), op.name("collections", "OrderedDict"), op.name("models.yolo", "Model"),
        op.name("torch._utils", "_rebuild_tensor_v2"), op.storage(), op.NONE,
    ))  # fmt: skip
    state = op.mapping(dict.fromkeys(("kind", "__class__", "append", "items", "__setstate__"), op.NONE))
    return op.checkpoint(target + state + op.BUILD)


def _wide(scene: Scene) -> bytes:
    count = scene.chance.choice((100_000, 1_000_000))
    items = scene.chance.choice((
        op.EMPTY_LIST + op.MARK + op.NONE * count + op.APPENDS,
        op.EMPTY_DICT + op.MARK + b"".join(b"J" + struct.pack("<i",
            key) + op.NONE for key in range(count)) + op.SETITEMS,
        op.name("models.yolo", "Model") + op.EMPTY_TUPLE + b"\x81"
        + op.mapping({f"a{key}": op.EMPTY_DICT for key in range(count // 10)}) + op.BUILD,
    ))  # fmt: skip
    return op.checkpoint(items)


def _deep(scene: Scene) -> bytes:
    depth = scene.chance.choice((900, 5_000, 200_000))
    return op.checkpoint(scene.chance.choice((
        op.EMPTY_LIST * depth + b"a" * (depth - 1),
        op.NONE + b"\x85" * depth,
        (op.name("models.yolo", "Model") + op.EMPTY_TUPLE + b"\x81" + op.EMPTY_DICT + op.text("m")) * (depth // 20)
        + op.NONE + (b"s" + op.BUILD) * (depth // 20),
    )))  # fmt: skip


def _laughs(scene: Scene) -> bytes:
    made = op.laughs(scene.chance.choice((6, 12, 40)))
    stand_in = op.name("models.yolo", "Model") + op.EMPTY_TUPLE + b"\x81"
    return scene.chance.choice((
        op.checkpoint(made),
        op.checkpoint(stand_in + op.mapping({"names": made, "yaml": made, "_modules": made}) + op.BUILD),
        op.zipped(op.HEAD + made + op.STOP),
        op.checkpoint(op.tensor() + made + op.BUILD),
        op.checkpoint(op.MARK + op.text("storage") + made + op.NONE * 3 + op.TUPLE + b"Q"),
    ))  # fmt: skip


def _views(scene: Scene) -> bytes:
    count = scene.chance.choice((400, 20_000))
    size = scene.chance.choice(((1000, 1000), (1 << 20, 1 << 10), (1 << 40,), (4,)))
    first = op.storage()
    views = {"v0": op.tensor(size, (0,) * len(size), store=first + op.put(7))}
    views |= {f"v{key}": op.tensor(size, (0,) * len(size), store=op.get(7)) for key in range(1, count)}
    return op.checkpoint(op.mapping(views))


def _tensor_of_odd_numbers(scene: Scene) -> bytes:
    numbers = [odd.number(scene.chance) for _ in range(4)]
    size, stride = ((numbers[0], 1), (numbers[1], 1)) if scene.chance.random() < 0.5 else ((4,), (numbers[1],))
    return op.checkpoint(op.tensor(size, stride, numbers[2], store=op.storage(elements=numbers[3])))


def _storage_of_odd_parts(scene: Scene) -> bytes:
    key = odd.words(scene.chance)[:300]
    pids = (
        op.storage(key), op.storage(kind="Tensor"), op.storage(kind="load"), op.storage("../data.pkl"),
        op.plain(None) + b"Q",
        op.plain(("storage",)) + b"Q", op.plain(5) + b"Q", op.EMPTY_TUPLE + b"Q", op.storage(elements=2**62), b"Pabc\n",
    )  # fmt: skip
    return op.checkpoint(op.tensor(store=scene.chance.choice(pids)))


def _official(scene: Scene) -> Case:
    """A checkpoint of the official code in whose module tree one attribute is odd."""
    from tests.backends.yolov5.official_files import P5, write_official

    path, chance = scene.here / "x.pt", scene.chance

    def change(model: Any) -> None:
        module = chance.choice(list(model.modules()))
        own = {
            "names",
            "stride",
            "nc",
            "anchors",
            "f",
            "i",
            "d",
            "yaml",
            "training",
            "in_channels",
            "eps",
            "kernel_size",
        }
        key = chance.choice(sorted({*vars(module)} | own))
        vars(module)[key] = odd.value(chance)

    try:
        write_official(path, P5, change=change)
    except (TypeError, AttributeError, ValueError, KeyError):  # PyTorch itself cannot save it
        path.write_bytes(odd.mutated(scene.base.official.read_bytes(), chance))
    return load(path.name)


def _official_explodes(scene: Scene) -> Case:
    """A checkpoint of the official code, small as a file, that is endless when it is walked, copied or printed."""
    import torch
    from torch import nn

    from tests.backends.yolov5.official_files import P5, write_official

    path, chance = scene.here / "x.pt", scene.chance

    def shared(inner: Any, levels: int, make: Callable[[list[Any]], Any]) -> Any:
        for _ in range(levels):
            inner = make([inner] * 10)
        return inner

    def views(model: Any) -> None:
        one = torch.zeros(1, dtype=torch.float16)
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                shape = (*module.weight.shape[:2], 1 << chance.choice((1, 10, 13)), 1 << 10)
                module.weight = nn.Parameter(one.expand(shape), requires_grad=False)

    changes: tuple[Callable[[Any], object], ...] = (
        views,
        lambda model: vars(model).update(names=shared(["ha"], 12, list)),
        lambda model: vars(model).update(yaml={"nc": shared(["ha"], 12, list), "anchors": shared(["ha"], 12, list)}),
        lambda model: vars(model.model[-1]).update(nc=shared(1, 12, list), anchors=shared(1, 12, tuple)),
        lambda model: model.model.append(shared(nn.Identity(), 9, nn.ModuleList)),
        lambda model: vars(model.model[4])["_modules"].update(m=shared(nn.Identity(), 9,
            lambda parts: nn.Sequential(*parts))),
        lambda model: model.model.extend(nn.Identity() for _ in range(20_000)),
        lambda model: vars(model).update({f"a{number}": number for number in range(200_000)}),
        lambda model: vars(model.model[-1]).update(stride=torch.zeros(1).expand(1 << 33)),
        lambda model: vars(model.model[0]).update(f=shared(-1, 12, list), i=10**4000),
        lambda model: vars(model).update(names={number: f"c{number}" for number in range(300_000)}),
        lambda model: vars(model.model[-1]).update(nc=10**9, no=10**9),
    )  # fmt: skip
    write_official(path, P5, change=chance.choice(changes))
    return load(path.name)


def _mutated_pickle(scene: Scene) -> bytes:
    with zipfile.ZipFile(scene.base.official) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as out:
        for name, content in parts.items():
            out.writestr(name, odd.mutated(content, scene.chance) if name.endswith("data.pkl") else content)
    return target.getvalue()


def _names(scene: Scene) -> bytes:
    """A module tree of nothing but odd names of classes."""
    names = scene.chance.choice((
        op.plain({key: f"c{key}" for key in range(300_000)}), op.plain(["x" * 5_000_000]), op.plain({"a": "b", 1: 2}),
        op.plain([10**3000] * 3), op.laughs(20), op.plain({-1: "a"}), op.plain("person"), op.plain([None]),
        op.plain(["\ud800"]),
    ))  # fmt: skip
    return op.checkpoint(
        op.name("models.yolo", "Model") + op.EMPTY_TUPLE + b"\x81" + op.mapping({"names": names}) + op.BUILD
    )


def _memo(scene: Scene) -> bytes:
    index = scene.chance.choice((2**31, 2**32 - 1, 10**7))
    return op.zipped(op.HEAD + scene.chance.choice((
        op.NONE + op.put(index), b"(lp%d\n" % index, op.get(index), b"g%d\n" % (10**4000), b"p-5\n",
        op.NONE + b"p" + b"9" * 9000 + b"\n",
    )) + op.STOP)  # fmt: skip


def _long(scene: Scene) -> bytes:
    return op.checkpoint(scene.chance.choice((
        b"\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20), b"\x8b\xff\xff\xff\x7f", b"\x8b\xff\xff\xff\xff",
        b"L" + b"9" * 100_000 + b"L\n", b"I" + b"9" * 100_000 + b"\n", b"F1e999\n", b"X\xff\xff\xff\xffa",
        b"\x8d" + b"\xff" * 8,
        b"\x95" + b"\xff" * 8, b"\x96" + struct.pack("<Q", 1 << 40) + b"a", b"\x97", b"\x98",
    )))  # fmt: skip


def _zip(scene: Scene) -> bytes:
    """Entries that PyTorch never writes."""
    good, chance = op.checkpoint(op.NONE), scene.chance
    what = chance.randrange(10)
    if what == 0:
        return op.zipped(b"\0" * (200 << 20), packed=True)
    if what == 1:
        return op.zipped(b"\0" * (17 << 20))
    if what == 2:
        return op.zipped(op.HEAD + op.NONE + op.STOP, {f"data/{key}": b"" for key in range(40_000)})
    if what == 3:
        return op.zipped(op.HEAD + op.NONE + op.STOP, {"data.pkl": b"", "../../data.pkl": b"", "a\0b/data.pkl": b""})
    if what == 4:
        return op.zipped(op.HEAD + op.NONE + op.STOP, {"constants.pkl": b"", "byteorder": b"big"})
    if what == 5:
        return good.replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00")  # encrypted
    if what == 6:
        return b"junk" * chance.randint(1, 5000) + good
    if what == 7:
        return good.replace(struct.pack("<I", 16), struct.pack("<I", chance.choice((0, 15, 2**31, 2**32 - 1))))
    if what == 8:
        return op.zipped(op.HEAD + op.NONE + op.STOP, top=chance.choice(("", "/", "..", "a" * 60_000, "\x1b[2J")))
    return odd.mutated(good, chance)


def _no_zip(scene: Scene) -> bytes:
    return scene.chance.choice((
        b"", b"PK", b"PK\x05\x06" + b"\0" * 18, b"PK\x05\x06" + b"\xff" * 18, op.HEAD + op.NONE + op.STOP,
        b"\x80\x04N.",
        b"version https://git-lfs.github.com/spec/v1\n", b"\0" * 3_000_000, b"<html>", scene.chance.randbytes(5000),
    ))  # fmt: skip


def _sparse(scene: Scene) -> Case:
    path = scene.here / "x.pt"
    with path.open("wb") as file:
        file.truncate(scene.chance.choice((1 << 30, 1 << 31)))
    return load(path.name)


VARIANTS: Variants = {
    "call": _file(_call),
    "extension": _file(_extension),
    "build-on-tensor": _file(_build_on_tensor),
    "build-on-container": _file(_build_on_container),
    "wide": _file(_wide),
    "deep": _file(_deep),
    "laughs": _file(_laughs),
    "views": _file(_views),
    "odd-tensor": _file(_tensor_of_odd_numbers),
    "odd-storage": _file(_storage_of_odd_parts),
    "official-with-odd-attribute": _official,
    "official-that-explodes": _official_explodes,
    "mutated-pickle": _file(_mutated_pickle),
    "names": _file(_names),
    "memo": _file(_memo),
    "long": _file(_long),
    "zip": _file(_zip),
    "no-zip": _file(_no_zip),
    "truncated": _file(lambda scene: odd.truncated(scene.base.official.read_bytes(), scene.chance)),
    "mutated-file": _file(lambda scene: odd.mutated(scene.base.official.read_bytes(), scene.chance)),
    "sparse": _sparse,
}
