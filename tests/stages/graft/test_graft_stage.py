"""The stage graft, with the parts that the plugins register."""

from __future__ import annotations

import json
from dataclasses import replace

import onnx
import pytest

from backends.graphsurgeon.options import YoloLayerOptions
from backends.ort.options import OrtOptions
from core.artifacts import GraftedModel, QuantizedModel
from core.errors import HooklineError
from core.storage.metadata import KEY, ModelMetadata, to_properties
from stages.graft import graft, hookline_stages
from stages.graft.config import GraftConfig
from tests.support.build_tools import decoding_context
from tests.support.heads_tools import write_heads


@pytest.fixture
def context(tmp_path):
    return decoding_context(tmp_path)


def test_signature():
    (stage,) = hookline_stages()
    assert (stage.name, stage.signature.provides) == ("graft", (GraftedModel,))
    assert [item.types for item in stage.signature.inputs] == [(QuantizedModel,)]


@pytest.mark.parametrize("name", ["yolo_layer", "onnx"])
def test_metadata_are_kept_and_say_what_the_graph_gives(tmp_path, context, name):
    model = write_heads(tmp_path / "heads.onnx")
    source = onnx.load(model.path)
    source.metadata_props.add(key="author", value="me")
    source.metadata_props.add(
        key="hookline", value=to_properties(ModelMetadata(model.facts, model.contract, "heads"))[KEY]
    )
    onnx.save(source, model.path)
    decoded = graft(GraftConfig(decode=name, score_threshold=0.5), model, context)
    kept = {item.key: item.value for item in onnx.load(decoded.path).metadata_props}
    assert (kept["author"], kept["stride"]) == ("me", "32")
    assert kept["names"] == str(dict(enumerate(model.facts.names)))
    ours = json.loads(kept["hookline"])
    assert (ours["layout"], ours["score_threshold"], ours["facts"]["names"]) == (
        "decoded",
        0.5,
        list(model.facts.names),
    )


def test_a_bare_node_is_refused_before_it_is_written(tmp_path, context):
    model = write_heads(tmp_path / "heads.onnx")
    bare = replace(context, options=lambda kind, name: YoloLayerOptions("") if kind == "grafts" else OrtOptions())
    with pytest.raises(HooklineError, match=r"onnxruntime cannot run the graft 'yolo_layer'.*possible: decode=onnx"):
        graft(GraftConfig(decode="yolo_layer"), model, bare)
    assert graft(GraftConfig(decode="auto"), model, bare).graft == "onnx"
