"""The option ``model`` of stages that open a model: which artifact of the chain they open."""

from __future__ import annotations

from enum import Enum

from core.artifacts import AnyModel, Checkpoint, Engine, GraftedModel, OnnxModel, QuantizedModel


class ModelForm(str, Enum):
    """The artifact of the chain that a stage opens: the type of options such as ``predict.model``.

    ``engine``: the deployed engine. ``grafted``: the ONNX file from which the engine is built. ``quantized``: the model
    before the graft, with all class scores. ``heads``: the exported float32 model. ``checkpoint``: the weights in the
    framework of the model family.
    """

    engine = "engine"
    grafted = "grafted"
    quantized = "quantized"
    heads = "heads"
    checkpoint = "checkpoint"


ARTIFACTS: dict[ModelForm, type[AnyModel]] = {
    ModelForm.engine: Engine,
    ModelForm.grafted: GraftedModel,
    ModelForm.quantized: QuantizedModel,
    ModelForm.heads: OnnxModel,
    ModelForm.checkpoint: Checkpoint,
}
"""The artifact type of each form, for ``Stage.select``."""
