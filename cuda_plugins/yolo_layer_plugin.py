"""Register ``YoloLayer_TRT`` as a Python plugin (``IPluginV3``) of TensorRT 10 and 11.

An engine with this plugin needs the plugin creator wherever it runs. :mod:`cuda_plugins.yolo_layer_aot` builds engines
that do not. The base classes come from the TensorRT module, so the subclasses are created once it is imported.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Literal

from core.errors import HooklineError
from cuda_plugins.signature import NAMESPACE, OPERATOR, VERSION
from cuda_plugins.tensorrt_types import PluginField, reported
from cuda_plugins.yolo_layer_callbacks import YoloLayerCallbacks, fields_of
from cuda_plugins.yolo_layer_settings import Settings, from_arrays

_registered: list[object] = []


def register(trt: ModuleType) -> None:
    """Register the plugin once per process. Call this before parsing a network or deserialising an engine.

    Args:
        trt: The module ``tensorrt``.

    Raises:
        HooklineError: TensorRT refuses the plugin, or this process has registered the ahead-of-time form.
    """
    form = registered_form(trt)
    if form == "ahead of time":
        raise HooklineError(
            f"the ahead-of-time form of {NAMESPACE}::{OPERATOR} is already registered",
            "a process can hold one form only: run this in another process",
        )
    if form is None:
        creator = creator_class(trt)()
        if not trt.get_plugin_registry().register_creator(creator, NAMESPACE):
            raise HooklineError(
                f"TensorRT {trt.__version__} refuses the plugin {NAMESPACE}::{OPERATOR}",
                "read its log messages above for the reason",
            )
        _registered.append(creator)


def registered_form(trt: ModuleType) -> Literal["python", "ahead of time"] | None:
    """Return the form of the plugin that this process has registered. Logs nothing, unlike ``get_creator``."""
    wanted, quick = (OPERATOR, VERSION, NAMESPACE), getattr(trt, "IPluginCreatorV3Quick", ())  # since TensorRT 10.6
    for creator in trt.get_plugin_registry().all_creators:
        names = (getattr(creator, name, "") for name in ("name", "plugin_version", "plugin_namespace"))
        if tuple(names) == wanted:
            return "ahead of time" if isinstance(creator, quick) else "python"
    return None


@functools.cache
def creator_class(trt: ModuleType) -> Callable[[], object]:
    """Return the plugin creator class: a subclass of ``trt.IPluginCreatorV3One``."""

    class YoloLayerCreator(trt.IPluginCreatorV3One):  # type: ignore[misc, name-defined]
        """Creates plugins from the attributes of a node or from the fields stored in an engine."""

        def __init__(self) -> None:
            trt.IPluginCreatorV3One.__init__(self)
            self.name = OPERATOR
            self.plugin_version = VERSION
            self.plugin_namespace = NAMESPACE
            self.fields = fields_of(trt, Settings(1, 1, (1.0, 1.0)))
            self.field_names = trt.PluginFieldCollection(self.fields)

        @reported
        def create_plugin(self, name: str, field_collection: Iterable[PluginField], phase: object) -> object:  # noqa: ARG002
            return plugin_class(trt)(from_arrays((field.name, field.data) for field in field_collection))

    return YoloLayerCreator


@functools.cache
def plugin_class(trt: ModuleType) -> Callable[[Settings], object]:
    """Return the plugin class: :class:`YoloLayerCallbacks` with the base classes of this TensorRT module."""
    bases = (trt.IPluginV3, trt.IPluginV3OneCore, trt.IPluginV3OneBuild, trt.IPluginV3OneRuntime)

    class YoloLayer(YoloLayerCallbacks, *bases):  # type: ignore[misc]
        """The plugin of one node."""

        def __init__(self, settings: Settings) -> None:
            for base in bases:
                base.__init__(self)
            super().__init__(trt, settings)

        @reported
        def clone(self) -> YoloLayer:
            return YoloLayer(self.settings)

    return YoloLayer
