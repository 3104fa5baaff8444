"""The signature of the operator ``YoloLayer_TRT``, shared by graft, runtimes and plugin.

Inputs are the heads ``p3 p4 p5 (p6)``, float32 [B, A*(5+nc), H, W] after the sigmoid. Outputs are :data:`OUTPUTS` with
N = A * sum(H*W) rows: ``DecodeNumDetection`` of them hold boxes, the others are zero. Rows with a score above zero are
valid, in any position (docs/contracts.md).
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
