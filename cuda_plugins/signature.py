"""The signature of the operator ``YoloLayer_TRT``: one definition for the graft, the runtimes and the plugin.

Inputs are the heads ``p3 p4 p5 (p6)``, float32 [B, A*(5+nc), H, W] with the sigmoid applied. Outputs are
:data:`OUTPUTS`, with N = A * sum(H*W) rows of which ``DecodeNumDetection`` are used and the rest is
zero. Those with a score above zero are valid, wherever they stand (docs/contracts.md).
"""

from __future__ import annotations

OPERATOR = "YoloLayer_TRT"
NAMESPACE = "hookline"
VERSION = "1"

MAX_STRIDE = "max_stride"
NUM_CLASSES = "num_classes"
ANCHORS = "anchors"
THRESHOLD = "prenms_score_threshold"
PLUGIN_NAMESPACE = "plugin_namespace"
PLUGIN_VERSION = "plugin_version"
ATTRIBUTES = (MAX_STRIDE, NUM_CLASSES, ANCHORS, THRESHOLD, PLUGIN_NAMESPACE, PLUGIN_VERSION)

NUM = "DecodeNumDetection"
BOXES = "DecodeDetectionBoxes"
SCORES = "DecodeDetectionScores"
CLASSES = "DecodeDetectionClasses"
OUTPUTS = (NUM, BOXES, SCORES, CLASSES)
