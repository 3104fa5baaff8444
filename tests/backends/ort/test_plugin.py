"""The descriptor of the runtime."""

from __future__ import annotations

from backends.ort.plugin import probe


def test_runtime_is_available_where_the_package_is(monkeypatch):
    assert probe().usable
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert not probe().usable
    assert probe().hint == "pip install onnxruntime"
