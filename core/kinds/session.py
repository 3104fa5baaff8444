"""Sessions: the protocols of an opened model, which takes batches of images and returns raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from core.model_facts import InputContract, ModelFacts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from core.kinds.head import Head


class Session(Protocol):
    """An opened model. Use it in a ``with`` block, which frees its resources at the end.

    Any class with these attributes and methods is a session; no base class is needed. ``open_model`` compares the
    attributes with the model, and the first batch of outputs with its head: names, shapes and types, and in host memory
    that all values are finite. A difference is an error; later batches are not checked.

    Attributes:
        facts: Facts of the model that was opened.
        contract: Input of the session; processors prepare images for it. Only ``batch``, ``dynamic`` and ``name`` may
            differ from the contract of the model.
        layout: Layout of the outputs, as of the model.
        score_threshold: Objectness below which the model drops a box: that of the :class:`Engine` or
            :class:`GraftedModel`, 0.0 for all other models.
    """

    facts: ModelFacts
    contract: InputContract
    layout: str
    score_threshold: float

    def run(self, images: NDArray[np.float32]) -> Mapping[str, NDArray[np.number]]:
        """Run inference on one batch.

        Args:
            images: float32 [B, 3, H, W] as in the contract, contiguous, in host memory. With a static batch, B is at
                most ``contract.batch``, and the session pads smaller batches. If ``contract.dynamic`` contains
                ``batch``, B is any number that the model was built for, and may exceed ``contract.batch``; do not pad.

        Returns:
            The outputs of the layout by name, as listed by ``Head.outputs`` (for a decoded model by ``DecodedHead``):
            B rows each, float32 or float16. The next call may overwrite them.
        """
        ...

    def __enter__(self) -> Session: ...

    def __exit__(self, *error: object) -> None: ...


@runtime_checkable
class ReportingSession(Session, Protocol):
    """A session that reports the device on which it runs; optional.

    Attributes:
        place: The device, e.g. ``cuda:1 (NVIDIA L40)``; printed. Empty to print nothing.
        doubt: A warning if the device is not the expected one: why, and what to do. Empty otherwise.
    """

    place: str
    doubt: str


@runtime_checkable
class DeviceArray(Protocol):
    """An array in the memory of a CUDA device, with ``__cuda_array_interface__``: from CuPy, PyTorch or Numba."""

    @property
    def __cuda_array_interface__(self) -> Mapping[str, Any]: ...


@runtime_checkable
class CheckingSession(Session, Protocol):
    """A session that compares the outputs of the model with its head; optional."""

    def expect(self, head: Head) -> None:
        """Compare the outputs with ``head``: the names now, the shapes at each call of :meth:`run`.

        Args:
            head: The head of the model.

        Raises:
            HooklineError: The model does not have these outputs.
        """
        ...


@runtime_checkable
class DeviceSession(Session, Protocol):
    """A session that can also work in the memory of a CUDA device, without copies through the host.

    Its ``run`` also accepts a :class:`DeviceArray`. It then works as :meth:`run_device`, synchronises the stream, and
    returns arrays in device memory.

    Attributes:
        device: Index of the device in the CUDA runtime of this process.
        stream: The ``cudaStream_t`` of all its work, as an integer; constant. Launch other work on it only in the
            thread that calls the session, and only between its calls: the session may capture a graph (in the mode
            ``cudaStreamCaptureModeThreadLocal``, so that other threads can use their own streams).
        input_dtype: Type of the images in device memory: ``float32`` or ``float16``.
    """

    device: int
    stream: int
    input_dtype: str

    def run_device(self, images: DeviceArray) -> dict[str, DeviceArray]:
        """Enqueue the inference of one batch on ``stream`` and return without synchronising.

        Args:
            images: Contiguous [B, 3, H, W] of ``input_dtype``, aligned to 256 bytes. The work that writes it has
                finished or is enqueued on ``stream``. B as for :meth:`run`. The caller keeps the array alive until the
                stream has finished.

        Returns:
            The outputs of the layout by name, contiguous, with B rows; valid until the next call.
        """
        ...
