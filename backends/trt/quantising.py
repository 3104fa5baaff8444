"""Let TensorRT up to release 10 quantise a float32 network (``runtimes.tensorrt.int8=calibrator``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Device
from backends.trt.builder_types import IBuilderConfig, INetworkDefinition, ITensor
from backends.trt.calibrators import CalibrationCache, Failure, Feeder, make_calibrator
from backends.trt.library import Library
from backends.trt.options import Method
from backends.trt.settings import SizeProfile
from core.calibration import Ranges
from core.errors import HooklineError, UnavailableError
from core.kinds.building import CalibrationFeed
from core.model_facts import InputContract
from core.reporting import ignore
from core.storage.digest import text_digest

MAX_MISSING = 0.1
"""Maximum share of a table's tensors that a network may lack: the parser creates none for constants such as scales of
Resize."""


def check_calibrators(library: Library) -> None:
    """Refuse a TensorRT release without calibrators. Call this before any other work.

    Raises:
        UnavailableError: This release has no calibrators.
    """
    if not library.capabilities.calibrators:
        raise UnavailableError(
            f"{library.title} {library.version} has no calibrators: TensorRT removed them after release 10",
            "remove runtimes.tensorrt.int8: the model is then quantised with Q/DQ pairs, with the same images",
        )


@dataclass
class Quantising:
    """Configures a build for calibration; :attr:`failure` keeps the exception of a callback.

    Attributes:
        library: A TensorRT release with calibrators.
        feed: Images or a table.
        method: How TensorRT finds the ranges from images.
        contract: Input contract of the engine; its batch and size are those of the calibration.
        profile: Optimisation profile of the engine; None if all shapes are static.
        device: The device of the build.
        cache_dir: Folder of the calibration caches.
        model: Digest of the ONNX file.
        done: Called after each batch with its number of images.
    """

    library: Library
    feed: CalibrationFeed
    method: Method
    contract: InputContract
    profile: SizeProfile | None
    device: Device
    cache_dir: Path
    model: str
    done: Callable[[int], None] = ignore
    failure: Failure = field(default_factory=Failure)
    _kept: list[object] = field(default_factory=list)

    def prepare(self, network: INetworkDefinition, config: IBuilderConfig) -> None:
        """Set the flags, and a calibrator or ranges. Called last before the build.

        Raises:
            HooklineError: The table was made for another model, or TensorRT refuses a range.
        """
        flags = self.library.trt.BuilderFlag
        config.set_flag(flags.INT8)
        config.set_flag(flags.FP16)
        if self.feed.table is None:
            self._calibrate(network, config)
            return
        if not self.library.capabilities.dynamic_ranges:
            raise UnavailableError(
                f"{self.library.title} {self.library.version} does not accept ranges from a table",
                "set runtimes.tensorrt.method=minmax",
            )
        apply_ranges(network, Ranges.read(self.feed.table))

    @property
    def cache(self) -> CalibrationCache:
        """The cache for this model, images, method, input size and release."""
        parts = (self.model, self.feed.digest, self.method.value, str(self.contract), self.library.version)
        return CalibrationCache(self.cache_dir / "tensorrt" / "calibration" / f"{text_digest(' '.join(parts))}.cache")

    def _batches(self) -> Iterator[NDArray[np.float32]]:
        """Yield the calibration batches. Nothing is read if TensorRT finds the ranges in the cache."""
        if self.feed.batches is not None:
            yield from self.feed.batches(self.contract)

    def _calibrate(self, network: INetworkDefinition, config: IBuilderConfig) -> None:
        feeder = Feeder(self._batches(), self.contract.batch, self.device, self.done)
        calibrator = make_calibrator(self.library.trt, self.method.value, feeder, self.cache, self.failure)
        self._kept.append(calibrator)  # the builder configuration does not keep it alive
        config.int8_calibrator = calibrator
        if self.profile is None:
            return
        optimum = network.builder.create_optimization_profile()
        optimum.set_shape(self.profile.name, self.profile.opt, self.profile.opt, self.profile.opt)
        if not config.set_calibration_profile(optimum):
            raise HooklineError(f"TensorRT cannot calibrate at {self.profile.opt}", "set another build.imgsz")


def apply_ranges(network: INetworkDefinition, ranges: Ranges) -> tuple[list[str], list[str]]:
    """Set the ranges of a table in a network. Tensors without a range stay in higher precision.

    Returns:
        The tensors with a range, and those of the table that the network does not have.

    Raises:
        HooklineError: The table was made for another model, or TensorRT refuses a range.
    """
    tensors = {tensor.name: tensor for tensor in tensors_of(network)}
    missing = [name for name in ranges.tensors if name not in tensors]
    if len(missing) > MAX_MISSING * len(ranges.tensors):
        raise HooklineError(
            f"the calibration table was made for another model: {len(missing)} of its {len(ranges.tensors)} tensors are"
            f" not in this one, for example '{missing[0]}'",
            "calibrate this model: remove calibrate.cache, or set runtimes.tensorrt.method=minmax",
        )
    # A tensor that was always zero has no scale.
    known = {name: found.amax for name, found in ranges.tensors.items() if name in tensors and found.amax > 0}
    for name, amax in known.items():
        if not tensors[name].set_dynamic_range(-amax, amax):
            raise HooklineError(f"TensorRT refuses the range {amax} of '{name}'", "calibrate the model again")
    return list(known), missing


def tensors_of(network: INetworkDefinition) -> Iterator[ITensor]:
    """Yield every tensor of a network, inputs first."""
    for index in range(network.num_inputs):
        yield network.get_input(index)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in range(layer.num_outputs):
            yield layer.get_output(output)
