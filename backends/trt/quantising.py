"""``runtimes.tensorrt.int8=calibrator``: TensorRT, up to release 10, chooses the precisions of a float32 network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backends.gpu.device import Device
from backends.trt.bindings import IBuilderConfig, INetworkDefinition, ITensor
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

FEW = 0.1
"""Share of a table's tensors that a network may lack: the parser makes none of constants, as the factors of Resize."""


def check_calibrators(library: Library) -> None:
    """Refuse where TensorRT cannot do it; called before anything else is done.

    Raises:
        UnavailableError: This release has no calibrators.
    """
    if not library.capabilities.calibrators:
        raise UnavailableError(
            f"{library.title} {library.version} has no calibrators: TensorRT removed them after release 10",
            "leave runtimes.tensorrt.int8 out: the model itself is then quantised (qdq), with the same images",
        )


@dataclass
class Quantising:
    """Sets up a builder for calibration; :attr:`failure` holds what went wrong in it.

    Attributes:
        library: A TensorRT with calibrators.
        feed: Images or a table.
        method: How TensorRT finds the ranges of images.
        contract: Of the engine; its batch and size are what the network is calibrated with.
        profile: Of the engine, None where it is static.
        device: Where TensorRT builds.
        cache_dir: Where what TensorRT finds is kept.
        model: Digest of the ONNX file.
        done: Told after each batch how many pictures it held.
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
        """Last changes before the build: flags, and a calibrator or ranges.

        Raises:
            HooklineError: The table was made for another model, or TensorRT refuses a part of it.
        """
        flags = self.library.trt.BuilderFlag
        config.set_flag(flags.INT8)
        config.set_flag(flags.FP16)
        if self.feed.table is None:
            self._calibrate(network, config)
            return
        if not self.library.capabilities.dynamic_ranges:
            raise UnavailableError(
                f"{self.library.title} {self.library.version} takes no ranges from outside",
                "set runtimes.tensorrt.method=minmax",
            )
        apply_ranges(network, Ranges.read(self.feed.table))

    @property
    def cache(self) -> CalibrationCache:
        """For this model, these pictures, this method, size and release."""
        parts = (self.model, self.feed.digest, self.method.value, str(self.contract), self.library.version)
        return CalibrationCache(self.cache_dir / "tensorrt" / "calibration" / f"{text_digest(' '.join(parts))}.cache")

    def _batches(self) -> Iterator[NDArray[np.float32]]:
        """Nothing is read where TensorRT finds all it needs in the cache."""
        if self.feed.batches is not None:
            yield from self.feed.batches(self.contract)

    def _calibrate(self, network: INetworkDefinition, config: IBuilderConfig) -> None:
        feeder = Feeder(self._batches(), self.contract.batch, self.device, self.done)
        calibrator = make_calibrator(self.library.trt, self.method.value, feeder, self.cache, self.failure)
        self._kept.append(calibrator)  # the configuration does not keep it alive
        config.int8_calibrator = calibrator
        if self.profile is None:
            return
        usual = network.builder.create_optimization_profile()
        usual.set_shape(self.profile.name, self.profile.opt, self.profile.opt, self.profile.opt)
        if not config.set_calibration_profile(usual):
            raise HooklineError(f"TensorRT does not calibrate at {self.profile.opt}", "give another build.imgsz")


def apply_ranges(network: INetworkDefinition, ranges: Ranges) -> tuple[list[str], list[str]]:
    """Tell TensorRT the ranges of a table; what has none stays in higher precision.

    Returns:
        The tensors whose range was set, and those of the table that the network does not have.

    Raises:
        HooklineError: The table was made for another model, or TensorRT refuses a range.
    """
    tensors = {tensor.name: tensor for tensor in tensors_of(network)}
    missing = [name for name in ranges.tensors if name not in tensors]
    if len(missing) > FEW * len(ranges.tensors):
        raise HooklineError(
            f"the calibration was made for another model: {len(missing)} of its {len(ranges.tensors)} tensors are not"
            f" in this one, as '{missing[0]}'",
            "calibrate this model: leave calibrate.cache out, or set runtimes.tensorrt.method=minmax",
        )
    # A tensor that was always zero has no scale.
    known = {name: found.amax for name, found in ranges.tensors.items() if name in tensors and found.amax > 0}
    for name, amax in known.items():
        if not tensors[name].set_dynamic_range(-amax, amax):
            raise HooklineError(f"TensorRT refuses the range {amax} of '{name}'", "calibrate again")
    return list(known), missing


def tensors_of(network: INetworkDefinition) -> Iterator[ITensor]:
    """Every tensor of a network, the inputs first."""
    for index in range(network.num_inputs):
        yield network.get_input(index)
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        for output in range(layer.num_outputs):
            yield layer.get_output(output)
