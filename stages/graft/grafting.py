"""Append the decode to a model, check what the graft wrote, and write its metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from core.artifacts import GraftedModel, QuantizedModel
from core.containment.calls import Fault
from core.containment.failures import faults_of
from core.containment.model_results import read_written
from core.errors import shown
from core.files.onnx_file import read_onnx
from core.files.paths import output_path
from core.kinds.head import DecodedHead
from core.kinds.lookup import Parts
from core.model_facts import DECODED
from core.planning.known import known_of
from core.storage.metadata import KEY, ModelMetadata, to_properties
from stages.graft.choosing import fitting_problems, settled

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from stages.graft.config import GraftConfig


def graft_decode(config: GraftConfig, model: QuantizedModel, context: RunContext) -> GraftedModel:
    """Append the decode step to ``model``.

    Raises:
        HooklineError: No graft fits the family and the runtime of the model.
        PluginError: The graft did not write the outputs of a decoded model.
    """
    for problem in fitting_problems(config, known_of(model), context):
        raise problem
    name = settled(config, model, context).decode
    target = output_path(context.workdir, f"{model.facts.variant}-{model.precision.value}-decoded.onnx")
    head = context.head(model.facts, model.layout)
    operators = context.graft(name).append(model, head, target, score_threshold=config.score_threshold)
    _finish(target, model, name, config.score_threshold, context.registry)
    return GraftedModel(
        path=target,
        notes=model.notes,
        facts=model.facts,
        contract=model.contract,
        layout=DECODED,
        precision=model.precision,
        runtime=model.runtime,
        fixed_sizes=model.fixed_sizes,
        graft=name,
        score_threshold=config.score_threshold,
        operators=operators,
    )


def _finish(target: Path, model: QuantizedModel, graft: str, score_threshold: float, registry: Parts) -> None:
    """Check the outputs of ``target`` and write its metadata; keep the metadata of ``model``.

    Args:
        target: The file that the graft wrote.
        model: The input of the graft.
        graft: The name of the graft.
        score_threshold: The score threshold in the file.
        registry: The registry, which knows the plugin of the graft.

    Raises:
        PluginError: The graft did not write the outputs of a decoded model.
    """
    with faults_of("grafts", graft, registry):
        grafted = read_written(target)
        found = [output.name for output in grafted.graph.output]
        wanted = list(DecodedHead(model.facts).outputs(model.contract))
        if sorted(found) != sorted(wanted):
            raise Fault(f"wrote the outputs {shown(found)}, not {shown(wanted)}")
    ours = to_properties(ModelMetadata(model.facts, model.contract, DECODED))
    ours[KEY] = json.dumps(json.loads(ours[KEY]) | {"score_threshold": score_threshold}, sort_keys=True)
    kept = {item.key: item.value for item in [*read_onnx(model.path).metadata_props, *grafted.metadata_props]}
    onnx.helper.set_model_props(grafted, dict(sorted((kept | ours).items())))
    onnx.save(grafted, target)
