"""A session: an opened model that takes image batches and returns raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from core.model_facts import InputContract, ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.head import Head


class Session(Protocol):
    """An opened model. Use it in a ``with`` block: leaving it frees what it holds.

    Any class with these attributes and methods is one; there is nothing to inherit. ``open_model`` compares the
    attributes with the model when it is opened, and the first batch of outputs with its head: names, shapes, types, and
    in host memory that all values are finite. What differs is refused in one line; later batches pass unchecked.

    Attributes:
        facts: Of the model that was opened.
        contract: Its input; what processors prepare images for. Only ``batch``, ``dynamic`` and ``name`` may differ
            from that of the model.
        layout: Layout of the outputs, of the model that was opened.
        score_threshold: Objectness below which the model drops a box: ``engine.score_threshold``, that of a
            :class:`GraftedModel`, else 0.0.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    score_threshold: float

    def run(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[np.number]]:
        """Infer one batch.

        Args:
            images: float32 [B, 3, H, W] as the contract says, contiguous, in host memory. B is at most
                ``contract.batch``; where it is smaller, the session fills it up. Where ``batch`` is in
                ``contract.dynamic``, B is any number that the model was built for, also above ``contract.batch``; do
                not pad.

        Returns:
            The outputs of the layout by name, as ``Head.outputs`` lists them, each with B rows, float32 or float16; of
            a decoded model as ``DecodedHead`` says. They may be reused by the next call.
        """
        ...

    def __enter__(self) -> Session: ...

    def __exit__(self, *error: object) -> None: ...


@runtime_checkable
class ReportingSession(Session, Protocol):
    """A session that says where it computes, when it is opened; optional.

    Attributes:
        place: Where, e.g. ``cuda:1 (NVIDIA L40)``; printed. Empty where there is nothing to print.
        doubt: Why it is not where a user expects it, and what to do; a warning. Empty where it is.
    """

    place: str
    doubt: str


@runtime_checkable
class DeviceArray(Protocol):
    """Memory of a CUDA device, described by ``__cuda_array_interface__``: of CuPy, torch or Numba."""

    @property
    def __cuda_array_interface__(self) -> Mapping[str, Any]: ...


@runtime_checkable
class CheckingSession(Session, Protocol):
    """A session that compares what a model computes with what its file states; optional."""

    def expect(self, head: Head) -> None:
        """Compare the outputs with those of ``head``: their names now, their shapes at each call of :meth:`run`.

        Raises:
            HooklineError: The model has no such outputs.
        """
        ...


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session that also works in the memory of a CUDA device, without copies through the host.

    Its ``run`` takes a :class:`DeviceArray` as well: it then does what :meth:`run_device` does, waits for the
    stream, and gives arrays of the device.

    Attributes:
        device: Number of the device as the CUDA runtime counts them in this process.
        stream: The ``cudaStream_t`` on which it works, as a number, the same for its whole life. Others launch on it
            only in the thread that calls the session, and between its calls: it may be capturing a graph (in the mode
            ``cudaStreamCaptureModeThreadLocal``, so that other threads may go on with streams of their own).
        input_dtype: ``float32`` or ``float16``, of the images that it takes from device memory.
    """

    device: int
    stream: int
    input_dtype: str

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue the inference of one batch on ``stream``; returns without waiting for it.

        Args:
            images: Contiguous [B, 3, H, W] of ``input_dtype``, aligned to 256 bytes. What writes it has finished, or
                stands on ``stream`` already. B as for :meth:`run`. The caller keeps it until the stream is done.

        Returns:
            The outputs of the layout by name, contiguous, with B rows; valid until the next call.
        """
        ...
