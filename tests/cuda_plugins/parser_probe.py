"""Run the real ONNX parser of TensorRT-RTX with the plugin; test_parser.py runs this in a child process.

``python -m tests.cuda_plugins.parser_probe [attribute to leave out ...]`` prints what the parser passes to the plugin.
TensorRT-RTX does not support Python plugins: its parser ends the process after creating one.
"""

from __future__ import annotations

import sys

import tensorrt_rtx as trt

from cuda_plugins import tensorrt_types as callbacks
from cuda_plugins import yolo_layer_plugin
from tests.cuda_plugins import engine_probe


def main() -> None:
    for _ in range(2):
        yolo_layer_plugin.register(trt)
    print("registered:", yolo_layer_plugin.registered_form(trt))
    made = yolo_layer_plugin.plugin_class(trt)

    def show(settings):
        print("made with:", settings, flush=True)
        return made(settings)

    yolo_layer_plugin.plugin_class = lambda _: show
    logger = trt.Logger(trt.Logger.INTERNAL_ERROR)
    network = trt.Builder(logger).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    print("parsed:", trt.OnnxParser(network, logger).parse(engine_probe.node_alone(*sys.argv[1:])))
    print("errors:", *callbacks.take_errors())


if __name__ == "__main__":
    main()
