"""Stage ``compare``: an engine beside a reference engine on the same pictures, without labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.artifacts import Comparison, Engine
from core.config import place, shared
from core.errors import HooklineError
from core.families import families_of_inputs
from core.hookspecs import hookimpl
from core.known import Known, refusals
from core.media.source import SourceKind, list_source
from core.opening import opening_problems
from core.ranges import Fraction, NonNegative, Positive
from core.stage import Stage

if TYPE_CHECKING:
    from core.context import RunContext

CONF = 0.25
IOU = 0.45


@dataclass
class CompareConfig:
    """Options of the stage.

    Attributes:
        reference: The model to compare with: a file that this program built, with its ``.json`` beside it.
        source: Images or video to run both on.
        pictures: At most this many are drawn from the source.
        inferences: At least this many of each model are timed; few images are run several times.
        warmup: Inferences of each before the clock runs.
        conf: Least score of a box, 0..1; null: 0.25.
        iou: NMS overlap, 0..1; null: 0.45.
        max_det: Maximum number of boxes per image.
        classes: Only these classes, names or numbers; null: all.
        processor: Pre- and post-processing.
        max_pixels: Maximum width x height of an image or a frame; the header is checked before anything is decoded.
    """

    reference: str | None = place(None)
    source: Any = shared("source", place=True)
    pictures: Positive = 100
    inferences: Positive = 100
    warmup: NonNegative = 5
    conf: Fraction | None = shared("conf")
    iou: Fraction | None = shared("iou")
    max_det: Positive = shared("max_det")
    classes: Any = shared("classes")
    processor: str = shared("processor", kind="processors")
    max_pixels: int = shared("max_pixels")


def compare(config: CompareConfig, engine: Engine, context: RunContext) -> Comparison:
    """Compare ``engine`` with ``config.reference``."""
    from stages.compare.measure import measure

    return measure(config, engine, context)


def fingerprint(config: CompareConfig, context: RunContext) -> Mapping[str, object]:
    """Return the content of the images and of the reference, and what its speed depends on here."""
    from core.digest import file_digest
    from core.opening import measuring_facts
    from core.store import identity
    from stages.compare.reference import read_reference

    reference = read_reference(config.reference)
    return {
        "source": list_source(config.source).digest(context.cache_dir),
        "reference": identity(reference),
        "reference_file": file_digest(reference.path, context.cache_dir),
        "reference_measured": measuring_facts(reference, context),
    }


def check(config: CompareConfig, context: RunContext) -> Iterable[HooklineError]:
    """What is missing, and a reference that is not for the device of the run."""
    from stages.compare.reference import read_reference

    try:
        reference = read_reference(config.reference)
        yield from opening_problems(type(reference), getattr(reference, "runtime", ""), context, "compare.reference")
    except HooklineError as error:
        yield error
    if config.source is None:
        yield HooklineError("no images are given", "source=<images or video> names what both models look at")
    else:
        yield from _source_problems(config.source)


def _source_problems(text: object) -> Iterable[HooklineError]:
    try:
        source = list_source(text)
    except HooklineError as problem:
        yield problem
        return
    if source.kind is SourceKind.stream:
        yield HooklineError(
            f"two models cannot be compared on the stream '{source.text}'",
            "record it and give the video file or its images",
        )


def check_inputs(config: CompareConfig, inputs: Mapping[str, Known]) -> Iterable[HooklineError]:
    """Yield classes that the engine lacks, and a reference of other classes."""
    from core.classes import class_ids
    from stages.compare.reference import check_classes, read_reference

    names = inputs.get("engine", Known()).names
    if names is None:
        return
    yield from refusals(class_ids, config.classes, names)
    try:
        reference = read_reference(config.reference)
    except HooklineError:  # the check reports it
        return
    yield from refusals(check_classes, names, reference.facts.names)


@hookimpl
def hookline_stages() -> Iterable[Stage]:
    """The stage of this package."""
    yield Stage(
        name="compare",
        summary="compare an engine with a reference: latency ratio, agreement of boxes",
        run=compare,
        packages=("av", "numpy", "opencv"),
        families=families_of_inputs,
        fingerprint=fingerprint,
        check=check,
        check_inputs=check_inputs,
        measures=True,
    )
