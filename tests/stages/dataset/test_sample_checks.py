from __future__ import annotations

import struct
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from core.media.choices import Depth
from core.media.picture import decode_checked
from stages.dataset import image_cache
from stages.dataset import sample_checks as checking
from stages.dataset.auditing import run_audit
from stages.dataset.image_cache import CACHE_NAME, ImageFacts
from stages.dataset.listing import list_splits
from tests.support.dataset_tools import write_dataset
from tests.support.media_tools import half_a_jpeg
from tests.support.stage_tools import make_context

ISPE = struct.pack(">I4sIII", 20, b"ispe", 0, 64, 48)
"""The box with the size of a HEIC image."""
OBJECT, OTHER = (0, 0.5, 0.5, 0.2, 0.2), (1, 0.5, 0.5, 0.2, 0.2)


def write_many(folder: Path, count: int = 60) -> Path:
    return write_dataset(folder, {"train": {f"{index:03}": [OBJECT, OTHER] for index in range(count)}})


def forbid_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "decode_checked", lambda *_: pytest.fail("decoded again"))


def test_order_is_that_of_the_samples(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    spec, splits = list_splits(str(write_many(tmp_path / "set")))
    assert run_audit(spec, splits, context).kept["train"] == list(splits["train"])


def test_a_known_content_is_not_decoded_again_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 3)
    (tmp_path / "set" / "images" / "train" / "001.png").write_bytes(b"no picture")
    first = run_audit(*list_splits(str(file)), context)
    forbid_decoding(monkeypatch)
    (tmp_path / "set").rename(tmp_path / "moved")
    second = run_audit(*list_splits(str(tmp_path / "moved" / "data.yaml")), context)
    messages = [finding.message.replace("moved", "set") for finding in second.findings]
    assert messages == [finding.message for finding in first.findings]
    assert len(messages) == 1
    assert second.statistics["train"].sizes.tolist() == [[64, 48], [64, 48]]


def test_damage_is_remembered_and_the_image_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 1)
    (tmp_path / "set" / "images" / "train" / "000.png").write_bytes(half_a_jpeg())
    first = run_audit(*list_splits(str(file)), context)
    forbid_decoding(monkeypatch)
    second = run_audit(*list_splits(str(file)), context)
    assert [finding.kind for finding in first.findings] == ["damaged-picture", "wrong-suffix-image"]
    assert second.findings == first.findings
    assert len(second.kept["train"]) == 1
    assert second.statistics["train"].sizes.tolist() == [[64, 48]]


def test_an_image_that_changes_during_the_check_is_cached_by_its_decoded_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 1)
    image = tmp_path / "set" / "images" / "train" / "000.png"
    good = image.read_bytes()

    def broken_meanwhile(path: Path, _max_pixels: int) -> bytes:
        path.write_bytes(b"no image")
        return path.read_bytes()

    with monkeypatch.context() as patch:
        patch.setattr(checking, "read_content", broken_meanwhile)
        assert len(run_audit(*list_splits(str(file)), context).findings) == 1
    image.write_bytes(good)
    assert run_audit(*list_splits(str(file)), context).findings == []


def test_labels_are_read_anew(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 2)
    assert run_audit(*list_splits(str(file)), context).findings == []
    file.write_text(file.read_text().replace(", 'dog'", ""))
    assert len(run_audit(*list_splits(str(file)), context).findings) == 2


def test_other_checks_look_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 1)
    run_audit(*list_splits(str(file)), context)
    monkeypatch.setattr("stages.dataset.sample_checks.VERSION", "another")
    decoded: list[int] = []
    monkeypatch.setattr(checking, "decode_checked", lambda *given: (decoded.append(1), decode_checked(*given))[1])
    run_audit(*list_splits(str(file)), context)
    assert decoded == [1]


def test_a_broken_cache_is_only_slow(tmp_path: Path) -> None:
    context, _ = make_context(tmp_path)
    context.cache_dir.mkdir()
    (context.cache_dir / CACHE_NAME).write_bytes(b"this is not a database" * 100)
    assert run_audit(*list_splits(str(write_many(tmp_path / "set", 2))), context).statistics["train"].pictures == 2


def test_a_cache_with_a_damaged_page_is_only_slow(tmp_path: Path) -> None:
    facts, digests = ImageFacts(3, 4, 1), [f"{number:064x}" for number in range(2000)]
    with image_cache.image_facts_cache(tmp_path, "x") as cache:
        for digest in digests:
            cache.remember(digest, facts)
    content = (tmp_path / CACHE_NAME).read_bytes()
    (tmp_path / CACHE_NAME).write_bytes(content[:-65536] + b"\xaa" * 65536)
    with image_cache.image_facts_cache(tmp_path, "x") as cache:
        assert {cache.look_up(digest) for digest in digests} == {facts, None}


def test_ctrl_c_ends_at_once_and_keeps_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, memory = make_context(tmp_path)
    spec, splits = list_splits(str(write_many(tmp_path / "set")))
    decoded: list[int] = []

    def interrupted(steps: int = 1, note: str = "") -> None:
        memory.steps += steps
        if memory.steps == 20:
            raise KeyboardInterrupt

    def counting(content: bytes, max_pixels: int, depth: Depth) -> object:
        decoded.append(1)
        return decode_checked(content, max_pixels, depth)

    monkeypatch.setattr(memory, "advance", interrupted)
    monkeypatch.setattr(checking, "usable_cores", lambda: 2)
    monkeypatch.setattr(checking, "decode_checked", counting)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_audit(spec, splits, context)
    assert threading.active_count() == threads
    assert 20 <= len(decoded) < 60
    decoded.clear()
    monkeypatch.setattr(memory, "advance", lambda *_: None)
    run_audit(spec, splits, context)
    assert 0 < len(decoded) <= 40


def test_the_cache_writes_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache, "BATCH", 2)
    facts = ImageFacts(3, 4, 1)
    with image_cache.image_facts_cache(tmp_path, "x") as cache, image_cache.image_facts_cache(tmp_path, "x") as other:
        cache.remember("00" * 32, facts)
        assert other.look_up("00" * 32) is None
        cache.remember("11" * 32, facts)
        assert other.look_up("00" * 32) == facts
    with image_cache.image_facts_cache(tmp_path, "y") as changed:
        assert changed.look_up("00" * 32) is None


def test_images_are_decoded_again_with_another_pillow_heif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, _ = make_context(tmp_path)
    file = write_many(tmp_path / "set", 1)
    (tmp_path / "set" / "images" / "train" / "000.png").write_bytes(b"\0\0\0\x14ftypheic\0\0\0\0mif1" + ISPE)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(checking, "installed", lambda _: {})
    (finding,) = (item for item in run_audit(*list_splits(str(file)), context).findings if item.file)
    assert "it is HEIC; install pillow-heif" in finding.message
    stand_in = SimpleNamespace(open_heif=lambda *_, **__: np.full((48, 64, 3), 7, np.uint8))
    monkeypatch.setitem(sys.modules, "pillow_heif", stand_in)
    monkeypatch.setattr(checking, "installed", lambda _: {"pillow-heif": "1.0"})
    assert run_audit(*list_splits(str(file)), context).statistics["train"].sizes.tolist() == [[64, 48]]
