"""Processors: letterbox, NMS and rescaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from core.kinds.part import DevicePart
from core.kinds.session import DeviceSession, Session
from core.model_facts import InputContract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.detections import Detections, Filter, Letterbox
    from core.kinds.head import Head

# --- processors -------------------------------------------------------------------------------


class ProcessorBackend(Protocol):
    """The heavy half of a processor: images to network input, raw outputs to boxes."""

    def prepare(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to float32 [B, 3, H, W].

        The result waits while later batches are prepared, so each call returns memory of its own.

        Args:
            pictures: Sizes may differ.
            contract: The input; H and W are its height and width.
            upscale: Enlarge images that are smaller than the input.
            fit: Height and width that images are scaled to fit into, where the rest of the input is to be
                border; None: the whole input.
        """
        ...

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Ask ``head`` for candidates, keep the wanted classes, suppress, and rescale to the original images.

        Args:
            outputs: As ``Session.run`` returned them.
            head: ``context.head(session.facts, session.layout)``.
            letterboxes: As :meth:`prepare` returned them, one per image.
            wanted: Which boxes to keep.

        Returns:
            The boxes of each image, in the order of ``letterboxes``.
        """
        ...


@runtime_checkable
class DeviceProcessor(ProcessorBackend, Protocol):
    """The heavy half of a processor that can work on the device of a session; optional."""

    def for_session(self, session: DeviceSession) -> ProcessorBackend:
        """Return the same processor for one session, on its device.

        What its ``prepare`` gives is a :class:`DeviceArray` for that session's ``run``, complete when it returns; its
        ``detect`` takes the outputs where they are, on the device or the host. ``prepare`` may be called in
        another thread than ``detect``. What it holds is freed with it.
        """
        ...


@runtime_checkable
class PlacedProcessor(ProcessorBackend, Protocol):
    """The heavy half of a processor that works on a device for sessions on the host, too; optional."""

    def on_device(self, device: str) -> ProcessorBackend:
        """Return the same processor on the device that ``device=`` names: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Called before the processor is used; starts nothing on the device by itself.
        """
        ...


def for_session(processor: ProcessorBackend, session: Session) -> ProcessorBackend:
    """Return the processor to use with a session: on the session's device where both can, else unchanged.

    Call it once the session is open; on a GPU, images and outputs then stay in device memory.

    Args:
        processor: From ``context.processor(name)``.
        session: From :func:`open_model`.
    """
    if isinstance(processor, DeviceProcessor) and isinstance(session, DeviceSession):
        return processor.for_session(session)
    return processor


@dataclass(frozen=True, kw_only=True)
class Processor(DevicePart[ProcessorBackend]):
    """Pre- and post-processing on one kind of device.

    One whose ``device`` is ``cpu`` serves sessions on every device. ``processor=auto`` takes one on the device of the
    session before one of a higher rank.
    """

    kind: ClassVar[str] = "processors"
