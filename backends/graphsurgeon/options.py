"""Options of the graft ``yolo_layer``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class YoloLayerOptions:
    """Options of the graft ``yolo_layer``.

    Attributes:
        namespace: ONNX domain and plugin namespace of the node. Empty: the bare node for C++ builds of the plugin,
            which ONNX Runtime cannot run.
    """

    namespace: str = "hookline"
