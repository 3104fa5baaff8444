"""A session of another model, or with other outputs than those of its head, is refused; the error names its part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.artifacts import OnnxModel
from core.errors import HooklineError
from core.inference.checked_session import CheckedDeviceSession, checked
from core.inference.open_model import open_model
from core.kinds.head import BOXES, CLASSES, NUM, SCORES, DecodedHead
from core.kinds.session import DeviceSession
from core.model_facts import DECODED, InputContract, ModelFacts
from tests.support import grid_family
from tests.support.fake_parts import runtime_part
from tests.support.stage_tools import make_context

CONTRACT = InputContract(1, 64, 96)
IMAGES = np.zeros((1, 3, 64, 96), np.float32)
Change = Callable[[dict[str, Any]], Any]


@dataclass
class Odd:
    """A session with the given attributes and outputs."""

    change: Change
    decoded: bool = False
    closed: bool = False
    stated: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.facts, self.contract = grid_family.FACTS, CONTRACT
        self.layout, self.score_threshold = DECODED if self.decoded else grid_family.LAYOUT, 0.0
        vars(self).update(self.stated)

    def run(self, images: Any) -> Any:
        outputs = boxes() if self.decoded else grid_family.objects()
        changed = self.change(outputs)
        return outputs if changed is None else changed

    def __enter__(self) -> Odd:
        return self

    def __exit__(self, *error: object) -> None:
        self.closed = True


def boxes() -> dict[str, Any]:
    """Outputs of a grafted model with a box and a row without one."""
    return {
        NUM: np.array([[1]], np.int32),
        BOXES: np.array([[[1, 1, 9, 9], [np.nan] * 4]], np.float32),
        SCORES: np.array([[0.9, 0.0]], np.float32),
        CLASSES: np.array([[1, 0]], np.int32),
    }


def opened(folder: Path, session: object, *, decoded: bool = False) -> Any:
    part = runtime_part("odd", load=type("Opens", (), {"open": lambda _, model, *, device: session}), opens_onnx=True)
    context, _ = make_context(folder, models=[grid_family.family()], runtimes=[part])
    model = OnnxModel(
        path=folder / "x.onnx",
        facts=grid_family.FACTS,
        contract=CONTRACT,
        layout=DECODED if decoded else grid_family.LAYOUT,
    )
    return open_model(model, context)


def put(name: str, value: Any) -> Change:
    return lambda outputs: outputs.update({name: value})


def nothing(_: dict[str, Any]) -> None: ...


TITLE = r"'x\.onnx', opened by the backend 'odd' of tests 0 \(plugin 'tests'\),"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"facts": replace(grid_family.FACTS, names=("a", "b"))}, r"has facts\.names=\('a', 'b'\), not \('person'"),
        ({"facts": None}, "has None as 'facts'"),
        ({"contract": InputContract(1, 96, 96)}, r"has contract\.height=96, not 64"),
        ({"contract": replace(CONTRACT, channels="bgr")}, r"has contract\.channels='bgr', not 'rgb'"),
        ({"contract": {}}, r"has \{\} as 'contract'"),
        ({"layout": DECODED}, "has layout='decoded', not 'grid'"),
        ({"score_threshold": 0.5}, r"has score_threshold=0\.5, not 0\.0"),
    ],
)
def test_a_session_of_another_model(tmp_path: Path, stated: dict[str, Any], expected: str) -> None:
    session = Odd(nothing, stated=stated)
    with pytest.raises(HooklineError, match=f"the session of {TITLE} {expected}"):
        opened(tmp_path, session)
    assert session.closed


@pytest.mark.parametrize("session", [None, {}, object()])
def test_no_session(tmp_path: Path, session: object) -> None:
    with pytest.raises(HooklineError, match=f"the session of {TITLE} is .*, which has no 'facts'"):
        opened(tmp_path, session)


def test_the_batch_is_the_session_s_own(tmp_path: Path) -> None:
    contract = replace(CONTRACT, batch=8, dynamic=("batch",))
    assert opened(tmp_path, Odd(nothing, stated={"contract": contract})).contract is contract


S8 = grid_family.objects()["s8"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda _: [], r"returned \[\], not arrays by name"),
        (lambda _: {1: S8}, "returned .*, not arrays by name"),
        (put("s8", S8.tolist()), "returned .* as output 's8', not an array"),
        (lambda outputs: outputs.pop("s16") * 0, "returned .*, not arrays by name"),
        (lambda outputs: {"s8": outputs["s8"]}, r"has no output 's16', only \['s8'\]"),
        (put("s8", S8[:, :, :4]), r"output 's8' of .* is \[1, 6, 4, 12\], not \[1, 6, 8, 12\]"),
        (put("s8", S8[0]), r"output 's8' of .* is \[6, 8, 12\], not \[1, 6, 8, 12\]"),
        (put("s8", np.repeat(S8, 2, 0)), r"is \[2, 6, 8, 12\], not \[1, 6, 8, 12\]"),
        (put("s8", S8.astype(np.float64)), "output 's8' of .* is float64, not float32 or float16"),
        (put("s8", S8.astype(np.int32)), "is int32, not float32 or float16"),
        (put("s8", S8 * np.nan), "output 's8' of .* has nan in the first batch"),
        (put("s8", np.where(S8 > 0, np.float32(np.inf), S8)), "has inf in the first batch"),
    ],
)
def test_outputs_that_the_head_does_not_have(tmp_path: Path, change: Change, expected: str) -> None:
    with opened(tmp_path, Odd(change)) as session, pytest.raises(HooklineError, match=expected) as caught:
        session.run(IMAGES)
    assert "opened by the backend 'odd' of tests 0 (plugin 'tests')" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (put(SCORES, np.array([[np.nan, 0.0]], np.float32)), "DecodeDetectionScores' of .* has nan"),
        (put(SCORES, np.array([[0.9, 0.5]], np.float32)), "DecodeDetectionBoxes' of .* has nan"),
        (put(CLASSES, np.array([[2, 0]], np.int32)), "outputs a box with class id 2, but has 2 classes"),
        (put(CLASSES, np.array([[1.0, 0.0]], np.float32)), "DecodeDetectionClasses' of .* is float32, not int32"),
        (put(CLASSES, np.array([[1]], np.int32)), r"the numbers of boxes, scores and classes of .* differ: \[1, 2\]"),
    ],
)
def test_boxes_that_are_none(tmp_path: Path, change: Change, expected: str) -> None:
    with opened(tmp_path, Odd(change, decoded=True), decoded=True) as session:  # noqa: SIM117
        with pytest.raises(HooklineError, match=expected):
            session.run(IMAGES)


def test_good_outputs_pass_as_they_are_and_only_the_first_ones_are_checked(tmp_path: Path) -> None:
    """A row without a score is ignored, whatever its values."""
    given: list[dict[str, Any]] = []
    session = Odd(given.append, decoded=True)
    with opened(tmp_path, session, decoded=True) as model:
        assert model.run(IMAGES) is given[0]
        session.change = put(SCORES, np.array([[np.nan, 0.0]], np.float32))
        assert np.isnan(model.run(IMAGES)[SCORES]).any()
    assert session.closed


@dataclass
class OnDevice:
    """Describes an array of a device; nobody may read it."""

    shape: tuple[int, ...]
    typestr: str = "<f4"

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.typestr, "data": (0, False), "version": 3}


class OddOnDevice(Odd):
    """The same on a device."""

    device, stream, input_dtype = 1, 7, "float16"

    def run_device(self, images: Any) -> Any:
        return self.run(images)


@pytest.mark.parametrize("method", ["run", "run_device"])
def test_a_session_of_a_device_stays_one(method: str) -> None:
    """Its outputs are compared without a download."""
    outputs = {"s8": OnDevice((1, 6, 8, 12)), "s16": OnDevice((1, 6, 4, 6), "<f2")}
    head = grid_family.GridHead(grid_family.FACTS)
    session: Any = checked(OddOnDevice(lambda _: outputs), "it", head)
    assert isinstance(session, DeviceSession)
    assert isinstance(session, CheckedDeviceSession)
    assert (session.device, session.stream, session.input_dtype) == (1, 7, "float16")
    assert getattr(session, method)(OnDevice((1, 3, 64, 96), "<f2")) is outputs
    for wrong, expected in (
        (OnDevice((1, 6, 8, 13)), r"is \[1, 6, 8, 13\]"),
        (OnDevice((1, 6, 8, 12), "<i4"), "is int32"),
    ):
        odd: Any = checked(OddOnDevice(put("s8", wrong)), "it", head)
        with pytest.raises(HooklineError, match=expected):
            getattr(odd, method)(OnDevice((1, 3, 64, 96), "<f2"))


def test_a_session_of_the_host_does_not_become_one_of_a_device() -> None:
    session = checked(Odd(nothing), "it", DecodedHead(ModelFacts("x", "x", ("a",), (8,))))
    assert not isinstance(session, DeviceSession)
