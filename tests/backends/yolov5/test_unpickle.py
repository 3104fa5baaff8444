"""A pickle cannot run anything here, and other files are recognised."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import pickletools
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from backends.yolov5 import archive
from backends.yolov5.errors import CheckpointError
from backends.yolov5.pickle_values import Name, StandIn
from backends.yolov5.unpickle import read_pickle


class Call:
    """Pickles to a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self) -> None:
        """Only what can be called may stand in the place of the function."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.function, self.arguments


def zipped(path: Path, content: bytes, **members: bytes) -> Path:
    """A file like a checkpoint with ``content`` as its pickle."""
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", content)
        for name, value in members.items():
            file.writestr(f"archive/{name}", value)
    return path


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("function", "arguments", "name"),
    [
        (os.system, "touch {proof}", r"posix\.system"),
        (eval, "open('{proof}', 'w')", r"(builtins|__builtin__)\.eval"),
        (exec, "open('{proof}', 'w')", r"(builtins|__builtin__)\.exec"),
        (subprocess.check_call, "touch {proof}", r"(subprocess|commands)\.check_call"),
        (open, "{proof}", r"_?io\.open"),
        (shutil.rmtree, "{proof}", r"shutil\.rmtree"),
        (getattr, "{proof}", r"(builtins|__builtin__)\.getattr"),
    ],
)
def test_calls_are_refused_by_name(tmp_path: Path, function: Any, arguments: str, name: str, protocol: int) -> None:
    proof = tmp_path / "proof"
    content = pickle.dumps({"model": Call(function, arguments.format(proof=proof))}, protocol=protocol)
    with pytest.raises(CheckpointError, match=rf"refused .*: its pickle uses '{name}'"):
        read_pickle(zipped(tmp_path / "x.pt", content))
    assert not proof.exists()


def test_a_chain_of_calls_is_refused_before_its_first_link_runs(tmp_path: Path) -> None:
    """The allowed call inside must not matter: getattr(__import__("os"), "system")("...")."""
    proof = tmp_path / "proof"
    chain = Call(Call(getattr, Call(builtins.__import__, "os"), "system"), f"touch {proof}")
    with pytest.raises(CheckpointError, match=r"uses '(builtins|__builtin__)\.getattr'"):
        read_pickle(zipped(tmp_path / "x.pt", pickle.dumps({"epoch": -1, "model": chain}, protocol=2)))
    assert not proof.exists()


@pytest.mark.parametrize("module", ["os", "models.common.os", "models\nos", "torch.serialization", "modelsx", "torch"])
def test_only_listed_modules_become_stand_ins(tmp_path: Path, module: str) -> None:
    content = pickle.dumps(None, protocol=4)[:-2] + _stack_global(module, "system") + b"."
    if module.startswith("models."):
        found = read_pickle(zipped(tmp_path / "x.pt", content))
        assert found == Name(f"{module}.system")  # a text of its own, whatever the name says
    else:
        with pytest.raises(CheckpointError, match="refused"):
            read_pickle(zipped(tmp_path / "x.pt", content))


def test_names_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    content = b"\x80\x04" + _stack_global("os\x1b[2J", "system") + b"."
    with pytest.raises(CheckpointError, match=r"uses 'os\\x1b\[2J\.system'"):
        read_pickle(zipped(tmp_path / "x.pt", content))


def _stack_global(module: str, name: str) -> bytes:
    return b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name)) + b"\x93"


def test_stand_ins_keep_attributes_and_do_nothing(tmp_path: Path) -> None:
    content = b"\x80\x02cmodels.common\nConv\n)\x81}(X\x01\x00\x00\x00fK\x07X\x05\x00\x00\x00_evilcutils.x\ny\nub."
    assert "BUILD" in {opcode.name for opcode, _, _ in pickletools.genops(content)}
    found = read_pickle(zipped(tmp_path / "x.pt", content))
    assert found.kind == "models.common.Conv"
    assert found.attributes["f"] == 7


def test_one_file_cannot_change_the_next(tmp_path: Path) -> None:
    """BUILD on a class would set attributes of that class."""
    content = b"\x80\x02cmodels.common\nConv\n}X\x04\x00\x00\x00kindX\x01\x00\x00\x00xsb."
    with pytest.raises(CheckpointError, match=r"damaged \(attributes for a Name\)"):
        read_pickle(zipped(tmp_path / "x.pt", content))
    assert not hasattr(StandIn, "kind")


def test_tensors_come_from_the_file(tmp_path: Path) -> None:
    base = torch.arange(24, dtype=torch.float32).view(4, 6)
    content = {"a": base[1:, ::2], "b": base.t(), "half": base.half(), "none": torch.empty(0), "n": torch.tensor(3)}
    torch.save(content, tmp_path / "x.pt")
    found = read_pickle(tmp_path / "x.pt")
    assert all(torch.equal(found[name], value) for name, value in content.items())
    assert found["half"].dtype is torch.float16


def test_parameters_and_other_values(tmp_path: Path) -> None:
    content = {
        "weight": torch.nn.Parameter(torch.ones(2)),
        "size": torch.Size([1, 2]),
        "dtype": torch.float16,
        "set": {1},
        "path": Path("runs"),
    }
    torch.save(content, tmp_path / "x.pt")
    found = read_pickle(tmp_path / "x.pt")
    assert torch.equal(found["weight"], torch.ones(2))
    assert found["set"] == {1}
    assert isinstance(found["path"], StandIn)


@pytest.mark.parametrize(
    ("storage", "size", "stride"),
    [
        ("2", "(I9\nt", "(I1\nt"),
        ("2", "(I-1\nt", "(I1\nt"),
        ("2", "(I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nt", "(I1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nI1\nt"),
        ("missing", "(I1\nt", "(I1\nt"),
    ],
    ids=["too-long", "negative", "nine-dimensions", "no-storage"],
)
def test_tensors_outside_their_storage(tmp_path: Path, storage: str, size: str, stride: str) -> None:
    content = (
        "ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\n"
        f"S'{storage}'\nS'cpu'\nI2\ntQI0\n{size}{stride}I00\nNtR."
    )
    with pytest.raises(CheckpointError, match="damaged"):
        read_pickle(zipped(tmp_path / "x.pt", content.encode(), **{"data/2": bytes(8)}))


def test_a_high_memo_index_takes_no_memory(tmp_path: Path) -> None:
    content = b"\x80\x02Nr" + struct.pack("<I", 2**31) + b"."
    assert read_pickle(zipped(tmp_path / "x.pt", content)) is None


def test_compressed_parts_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data.pkl", bytes(1 << 20))
    with pytest.raises(CheckpointError, match=r"compressed member 'archive/data\.pkl'"):
        read_pickle(tmp_path / "x.pt")


def test_a_file_that_claims_more_than_it_has(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(None, protocol=2))
        file.writestr("archive/data/0", bytes(100))
    raw = content.getvalue()
    size = struct.pack("<I", 100)
    (tmp_path / "x.pt").write_bytes(raw.replace(size, struct.pack("<I", 1 << 30)))
    with pytest.raises(CheckpointError, match="claims 1,073,7"):
        read_pickle(tmp_path / "x.pt")


def test_a_huge_pickle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PICKLE_LIMIT", 10)
    with pytest.raises(CheckpointError, match="has 26 bytes, more than 10"):
        read_pickle(zipped(tmp_path / "x.pt", pickle.dumps("a" * 16, protocol=2)))


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9, 0.999])
def test_truncated(tmp_path: Path, keep: float) -> None:
    torch.save({"a": torch.ones(1000)}, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    (tmp_path / "x.pt").write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(CheckpointError, match="is truncated"):
        read_pickle(tmp_path / "x.pt")


def test_damaged_storage(tmp_path: Path) -> None:
    torch.save({"a": torch.full((1000,), 3.0)}, tmp_path / "x.pt")
    content = (tmp_path / "x.pt").read_bytes()
    value = struct.pack("<f", 3.0)
    (tmp_path / "x.pt").write_bytes(content.replace(value * 10, value * 9 + bytes(4), 1))
    with pytest.raises(CheckpointError, match=r"is damaged: its member '.*data/0' cannot be read"):
        read_pickle(tmp_path / "x.pt")


def test_every_truncation_of_a_pickle_is_reported(tmp_path: Path) -> None:
    content = pickle.dumps({"a": [1, 2.0, "x"], "b": (None, True)}, protocol=2)
    for end in range(len(content)):
        with pytest.raises(CheckpointError, match="is damaged"):
            read_pickle(zipped(tmp_path / "x.pt", content[:end]))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is not a PyTorch checkpoint"),
        (b"<html>not found</html>", "is a web page, e.g. of a failed download, not a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer"),
        (pickle.dumps({}, protocol=2), "is a bare pickle"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "x.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=expected):
        read_pickle(tmp_path / "x.pt")


def test_other_zip_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pt", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="is a zip file, but not a PyTorch checkpoint"):
        read_pickle(tmp_path / "x.pt")
    zipped(tmp_path / "y.pt", b"", **{"constants.pkl": b""})
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_pickle(tmp_path / "y.pt")
    zipped(tmp_path / "z.pt", b"", byteorder=b"big")
    with pytest.raises(CheckpointError, match="big-endian"):
        read_pickle(tmp_path / "z.pt")


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_pickle(tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="no such file"):
        read_pickle(tmp_path)
