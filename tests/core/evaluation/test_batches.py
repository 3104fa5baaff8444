from __future__ import annotations

from pathlib import Path

import pytest

from core.data.dataset import Sample
from core.errors import HooklineError
from core.evaluation.batches import plain_batches, read_sizes, rectangular_batches
from core.model_facts import InputContract
from tests.support.dataset_tools import write_picture

ANY_SIZE = InputContract(1, 640, 640, ("batch", "height", "width"))


def shapes(*sizes: tuple[int, int], batch: int = 16, contract: InputContract = ANY_SIZE) -> list[tuple[int, int]]:
    found = rectangular_batches(sizes, batch, contract, 32)
    return [(item.contract.height, item.contract.width) for item in found]


def test_plain_batches_cover_all_in_order() -> None:
    batches = plain_batches(7, 3, ANY_SIZE)
    assert [batch.indices for batch in batches] == [(0, 1, 2), (3, 4, 5), (6,)]
    assert {batch.contract for batch in batches} == {ANY_SIZE}
    assert plain_batches(0, 3, ANY_SIZE) == []


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ([(480, 640)], (512, 672)),  # 480/32 + 0.5 = 15.5
        ([(496, 640)], (512, 672)),  # 16 exactly
        ([(497, 640)], (544, 672)),
        ([(240, 320)], (512, 672)),  # as if scaled to fit
        ([(1000, 500)], (672, 352)),
        ([(100, 100)], (672, 672)),
        ([(480, 640), (427, 640)], (512, 672)),
        ([(480, 640), (640, 480)], (672, 672)),
        ([(1, 5000)], (32, 672)),
    ],
)
def test_the_smallest_shape_that_holds_the_batch(sizes: list[tuple[int, int]], shape: tuple[int, int]) -> None:
    assert shapes(*sizes) == [shape]


def test_a_contract_that_is_not_square() -> None:
    assert shapes((480, 640), contract=InputContract(1, 320, 640, ("height", "width"))) == [(352, 448)]


def test_images_go_by_aspect_ratio_and_none_is_lost() -> None:
    sizes = [(640, 480), (480, 640), (100, 100), (480, 640), (640, 320)]
    batches = rectangular_batches(sizes, 2, ANY_SIZE, 32)
    assert [batch.indices for batch in batches] == [(1, 3), (2, 0), (4,)]


def test_a_model_of_one_size_is_refused() -> None:
    with pytest.raises(
        HooklineError, match=r"input size of this model is 640x640; export it with export.dynamic=\[height,width\]"
    ):
        rectangular_batches([(1, 1)], 1, InputContract(1, 640, 640, ("batch", "height")), 32)


def test_read_sizes(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_text("no picture")
    samples = [Sample(path, None) for path in (write_picture(tmp_path / "a.jpg", (64, 48)), broken, tmp_path / "gone")]
    assert read_sizes(samples) == [(48, 64), (1, 1), (1, 1)]
