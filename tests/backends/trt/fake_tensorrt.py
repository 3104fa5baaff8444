"""A fake of the module ``tensorrt`` with all that a build uses, as in releases 10 and 11.

It records calls and fails as a test requests. over_bindings_building.py checks every name of the classes here, and the
names of their arguments, against the real bindings.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

MEASURED = b"measured"
BUILDING = "Building engine"


@dataclass
class Script:
    """The behaviour of a fake.

    Attributes:
        builder: Whether a builder can be made.
        errors: Of the parser: node name, operator, description.
        layers: Outputs that the parsed network has.
        profile: What ``add_optimization_profile`` returns.
        tactics: Whether tactic sources are taken.
        says: Messages logged by the call that fails: severity and text.
        plan: What is built.
        steps: Of the build.
        at_step: Called at each step.
        blobs: Timing caches that can be read at all.
        fitting: Timing caches that are of this GPU and release.
    """

    builder: bool = True
    errors: tuple[tuple[str, str, str], ...] = ()
    layers: int = 1
    profile: int = 0
    tactics: bool = True
    says: tuple[tuple[int, str], ...] = ()
    plan: bytes | None = b"a plan"
    steps: int = 3
    at_step: Callable[[int], None] = lambda step: None
    blobs: Callable[[bytes], bool] = lambda blob: True
    fitting: Callable[[bytes], bool] = lambda blob: True


class ILogger:
    """A base class that must be initialised by name."""

    def __init__(self) -> None:
        self.begun = True


class IProgressMonitor:
    """A base class that must be initialised by name."""

    def __init__(self) -> None:
        self.begun = True


class Builder:
    def __init__(self, logger: ILogger) -> None:
        assert logger.begun
        self.logger, self.trt = logger, None

    @property
    def num_DLA_cores(self) -> int:
        return 0

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        self.trt.told.append(f"network {flags}")
        return INetworkDefinition(self.trt)

    def create_builder_config(self) -> IBuilderConfig:
        config = self.trt.IBuilderConfig()
        config.trt = self.trt
        self.trt.configs.append(config)
        return config

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> bytes | None:
        assert network.num_outputs
        assert config.progress_monitor.begun
        script, monitor = self.trt.script, config.progress_monitor
        self.trt.told.append("build")
        monitor.phase_start(BUILDING, None, script.steps)
        for step in range(script.steps):
            script.at_step(step)
            if not monitor.step_complete(BUILDING, step):
                self.logger.log(0, "Build canceled by user.")
                return None
        monitor.phase_finish(BUILDING)
        if config.timing:
            config.timing.content += MEASURED
        say(self.logger, script)
        return script.plan


class INetworkDefinition:
    def __init__(self, trt: Any) -> None:
        self.trt, self._outputs = trt, 0

    @property
    def num_outputs(self) -> int:
        return self._outputs

    def add_plugin_v3(self, inputs: Any, shape_inputs: Any, plugin: Any) -> None:
        raise NotImplementedError


class OnnxParser:
    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self.network, self.logger = network, logger

    def parse(self, model: bytes) -> bool:
        script = self.network.trt.script
        self.network.trt.told.append(f"parse {model.decode()}")
        if script.errors or not model:
            say(self.logger, script)
            return False
        self.network._outputs = script.layers
        return True

    @property
    def num_errors(self) -> int:
        return len(self.network.trt.script.errors)

    def get_error(self, index: int) -> ParserError:
        return ParserError(*self.network.trt.script.errors[index])


@dataclass
class ParserError:
    name: str
    operator: str
    text: str

    def node_name(self) -> str:
        return self.name

    def node_operator(self) -> str:
        return self.operator

    def desc(self) -> str:
        return self.text


@dataclass
class IOptimizationProfile:
    shapes: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:  # noqa: A002
        if -1 in min:
            raise ValueError("Shape provided for min is inconsistent with other shapes.")
        self.shapes[input] = (min, opt, max)


@dataclass
class ITimingCache:
    """``content`` is bytes; combining concatenates them."""

    content: bytes
    fits: bool

    def combine(self, input_cache: ITimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if input_cache.fits:
            self.content = input_cache.content + self.content
        return input_cache.fits

    def serialize(self) -> bytes:
        return self.content


class Setting:
    """A property of the configuration that keeps its value."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, config: IBuilderConfig | None, owner: type) -> Any:
        return self if config is None else config.settings.get(self.name)

    def __set__(self, config: IBuilderConfig, value: Any) -> None:
        config.settings[self.name] = value


class IBuilderConfig:
    """As in both releases. Attributes that are not properties here cannot be set."""

    __slots__ = ("flags", "pools", "profiles", "settings", "sources", "timing", "trt")

    progress_monitor = Setting()
    profiling_verbosity = Setting()
    builder_optimization_level = Setting()
    hardware_compatibility_level = Setting()
    default_device_type = Setting()
    DLA_core = Setting()

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.pools: dict[Any, int] = {}
        self.flags: dict[Any, bool] = {}
        self.profiles: list[IOptimizationProfile] = []
        self.sources: int | None = None
        self.timing: ITimingCache | None = None
        self.trt: Any = None

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def set_flag(self, flag: Any) -> None:
        self.flags[flag] = True

    def clear_flag(self, flag: Any) -> None:
        self.flags[flag] = False

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self.sources = tactic_sources
        return bool(self.trt.script.tactics)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profiles.append(profile)
        return int(self.trt.script.profile)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        script, blob = self.trt.script, serialized_timing_cache
        return ITimingCache(blob, script.fitting(blob)) if script.blobs(blob) else None

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        if cache.fits:
            self.timing = replace(cache)
        return cache.fits

    def get_timing_cache(self) -> ITimingCache | None:
        return self.timing


class IBuilderConfig10(IBuilderConfig):
    """TensorRT 10, which has calibrators."""

    __slots__ = ()

    int8_calibrator = Setting()

    def set_calibration_profile(self, profile: IOptimizationProfile) -> bool:
        self.settings["calibration_profile"] = profile
        return True


class ITensor:
    """As in TensorRT 11."""


class ITensor10(ITensor):
    """TensorRT 10, which accepts dynamic ranges."""

    def set_dynamic_range(self, min: float, max: float) -> bool:  # noqa: A002
        raise NotImplementedError


class PluginField:
    """Keeps its arguments."""

    def __init__(self, name: str, data: Any, type: Any) -> None:  # noqa: A002
        self.name, self.data, self.type = name, data, type


class ICudaEngine:
    """Used only to check for an attribute: the size of the context memory."""

    device_memory_size_v2 = 0


class IExecutionContext:
    """Used only to check for an attribute: setting memory."""

    def set_device_memory(self, memory: int, size: int) -> None:
        raise NotImplementedError


COMMON = {
    "NetworkDefinitionCreationFlag": {"STRONGLY_TYPED": 1},
    "ProfilingVerbosity": {"LAYER_NAMES_ONLY": 0, "NONE": 1, "DETAILED": 2},
    "MemoryPoolType": {"WORKSPACE": 0},
    "HardwareCompatibilityLevel": {"NONE": 0, "AMPERE_PLUS": 1, "SAME_COMPUTE_CAPABILITY": 2},
    "DeviceType": {"GPU": 0, "DLA": 1},
    "PluginFieldType": {"FLOAT32": 2},
    "BuilderFlag": {"GPU_FALLBACK": 3, "TF32": 7, "VERSION_COMPATIBLE": 13},
    "TacticSource": {"EDGE_MASK_CONVOLUTIONS": 3, "JIT_CONVOLUTIONS": 4},
}
ONLY_10_CLASSES = ("IInt8MinMaxCalibrator",)
ONLY_10 = {
    "BuilderFlag": {"FP16": 0, "INT8": 2},
    "TacticSource": {"CUBLAS": 0, "CUBLAS_LT": 1, "CUDNN": 2},
}


def fake_tensorrt(major: int = 10, **script: Any) -> Any:
    """The module ``tensorrt`` of a major release; ``told`` and ``configs`` record its calls."""
    trt: Any = ModuleType("tensorrt")
    trt.script, trt.told, trt.configs = Script(**script), [], []
    for name, members in COMMON.items():
        setattr(trt, name, enum.IntEnum(name, members | (ONLY_10.get(name, {}) if major == 10 else {})))
    for kind in (
        ILogger,
        IProgressMonitor,
        INetworkDefinition,
        OnnxParser,
        PluginField,
        ICudaEngine,
        IExecutionContext,
    ):
        setattr(trt, kind.__name__, kind)
    for name in (
        "EngineInspector",
        "ExecutionContextAllocationStrategy",
        "IPluginV3",
        *(ONLY_10_CLASSES * (major == 10)),
    ):
        setattr(trt, name, type(name, (), {}))
    trt.IBuilderConfig, trt.ITensor = (IBuilderConfig10, ITensor10) if major == 10 else (IBuilderConfig, ITensor)
    trt.Builder = _builder_of(trt)
    trt.__version__ = f"{major}.0.0.0"
    return trt


def _builder_of(trt: Any) -> type:
    class OwnBuilder(Builder):
        def __init__(self, logger: ILogger) -> None:
            if not trt.script.builder:
                say(logger, trt.script)
                raise TypeError("pybind11::init(): factory function returned nullptr")
            super().__init__(logger)
            self.trt = trt

    return OwnBuilder


def say(logger: Any, script: Script) -> None:
    """Log the messages of the script."""
    for severity, text in script.says:
        logger.log(severity, text)
