"""A fake of the module ``tensorrt`` with all that a plugin uses. The same tests run over the real bindings."""

from __future__ import annotations

import enum
from types import ModuleType, SimpleNamespace

import numpy as np


class DataType(enum.Enum):
    FLOAT, HALF, INT8, INT32 = range(4)


class TensorFormat(enum.Enum):
    LINEAR, CHW4 = range(2)


class DimensionOperation(enum.Enum):
    SUM, PROD = range(2)


class PluginFieldType(enum.Enum):
    FLOAT32, INT32 = range(2)


class TensorRTPhase(enum.Enum):
    BUILD, RUNTIME = range(2)


class PluginField:
    def __init__(self, name: str, data: np.ndarray, kind: PluginFieldType) -> None:
        self.name, self.data, self.type, self.size = name, data, kind, len(data)


def interface(name: str) -> type:
    """Return a base class that must be initialised by name, as those of pybind11."""

    def __init__(self) -> None:
        vars(self).setdefault("initialised", set()).add(name)

    return type(name, (), {"__init__": __init__})


def fake_trt() -> ModuleType:
    module = ModuleType("tensorrt")
    bases = ("IPluginV3", "IPluginV3OneCore", "IPluginV3OneBuild", "IPluginV3OneRuntime")
    for name in (*bases, "IPluginCreatorV3One", "IPluginCreatorV3Quick"):
        setattr(module, name, interface(name))
    for kind in (DataType, TensorFormat, DimensionOperation, PluginFieldType, PluginField, TensorRTPhase):
        setattr(module, kind.__name__, kind)
    vars(module).update(
        PluginTensorDesc=SimpleNamespace,
        DynamicPluginTensorDesc=SimpleNamespace,
        PluginFieldCollection=list,
        DimsExprs=list,
        __version__="0.0",
    )
    return module


class Registry:
    """Keeps creators as TensorRT does: one per name, version and namespace."""

    def __init__(self) -> None:
        self.all_creators: list = []

    def register_creator(self, creator, plugin_namespace: str = "") -> bool:
        found = [
            one for one in self.all_creators if one.name == creator.name and one.plugin_namespace == plugin_namespace
        ]
        if found or creator.plugin_namespace != plugin_namespace:
            return False
        self.all_creators.append(creator)
        return True

    def get_creator(self, name: str, version: str, plugin_namespace: str = ""):
        wanted = (name, version, plugin_namespace)
        found = [one for one in self.all_creators if (one.name, one.plugin_version, one.plugin_namespace) == wanted]
        return found[0] if found else None


class ExprBuilder:
    """Builds expressions that are plain numbers."""

    def __init__(self, trt) -> None:
        self.trt = trt

    def constant(self, value: int) -> int:
        return value

    def operation(self, kind, one: int, other: int) -> int:
        return one + other if kind == self.trt.DimensionOperation.SUM else one * other
