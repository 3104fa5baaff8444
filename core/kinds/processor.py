"""Processors: the descriptor, and the protocols for letterbox, NMS and rescaling."""

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


class ProcessorBackend(Protocol):
    """The implementation of a processor: it turns images into network input, and raw outputs into boxes."""

    def prepare(
        self,
        images: Sequence[NDArray[np.uint8]],
        contract: InputContract,
        *,
        upscale: bool = True,
        fit: tuple[int, int] | None = None,
    ) -> tuple[NDArray[np.float32], list[Letterbox]]:
        """Letterbox and normalise uint8 BGR [H, W, 3] images to float32 [B, 3, H, W].

        The result waits while later batches are prepared, so each call returns memory of its own.

        Args:
            images: Images of any sizes.
            contract: Input of the network; H and W are its height and width.
            upscale: Enlarge images that are smaller than the input.
            fit: Height and width to fit the images into, within the input; the rest is border. None for the whole
                input.

        Returns:
            The network input, and the letterbox of each image.
        """
        ...

    def detect(
        self,
        outputs: Mapping[str, NDArray[np.number]],
        head: Head,
        letterboxes: Sequence[Letterbox],
        wanted: Filter,
    ) -> list[Detections]:
        """Decode candidates with ``head``, filter them by class, apply NMS, and rescale boxes to the original images.

        Args:
            outputs: The outputs of ``Session.run``.
            head: The head of the model, ``context.head(session.facts, session.layout)``.
            letterboxes: The letterboxes from :meth:`prepare`, one per image.
            wanted: Which boxes to keep.

        Returns:
            The boxes of each image, in the order of ``letterboxes``.
        """
        ...


@runtime_checkable
class DeviceProcessor(ProcessorBackend, Protocol):
    """The implementation of a processor that can work in the device memory of a session; optional."""

    def for_session(self, session: DeviceSession) -> ProcessorBackend:
        """Return a processor for one session, on its device.

        Its ``prepare`` returns a :class:`DeviceArray` for ``run`` of that session, ready when it returns. Its
        ``detect`` takes outputs in device or host memory. ``prepare`` and ``detect`` may be called in different
        threads. The processor frees its memory when it is deleted.

        Args:
            session: The opened session.
        """
        ...


@runtime_checkable
class PlacedProcessor(ProcessorBackend, Protocol):
    """The implementation of a processor that can use a device also for a session in host memory; optional."""

    def on_device(self, device: str) -> ProcessorBackend:
        """Return the processor for a device. Called before the processor is used; must start nothing on the device.

        Args:
            device: Option ``device``: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        """
        ...


def for_session(processor: ProcessorBackend, session: Session) -> ProcessorBackend:
    """Return the processor to use with a session: on the device of the session if both support it, else unchanged.

    Call it when the session is open. On a GPU, images and outputs then stay in device memory.

    Args:
        processor: The result of ``context.processor(name)``.
        session: The result of :func:`open_model`.
    """
    if isinstance(processor, DeviceProcessor) and isinstance(session, DeviceSession):
        return processor.for_session(session)
    return processor


@dataclass(frozen=True, kw_only=True)
class Processor(DevicePart[ProcessorBackend]):
    """Pre- and post-processing on one kind of device.

    A processor with ``device="cpu"`` works with sessions on every device. ``processor=auto`` prefers one on the device
    of the session over one with a higher rank.
    """

    kind: ClassVar[str] = "processors"
