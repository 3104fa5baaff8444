"""Kernels compiled for a card are kept, and reused if they fit."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from backends.trt_rtx.opening import RtxKernelCache
from tests.backends.trt.engines import EngineShim, session_on

TRT = SimpleNamespace(ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user's"))


class Cache:
    """An ``IRuntimeCache`` that contains the compiled kernels."""

    def __init__(self):
        self.content = b""

    def deserialize(self, blob):
        if not blob.startswith(b"of this card"):
            return False
        self.content = blob
        return True

    def serialize(self):
        return self.content


class Config:
    """``IRuntimeConfig``."""

    def __init__(self):
        self.strategy = self.cache = None

    def set_execution_context_allocation_strategy(self, strategy):
        self.strategy = strategy

    def create_runtime_cache(self):
        return Cache()

    def set_runtime_cache(self, cache):
        self.cache = cache
        return True


class Engine:
    """An ``ICudaEngine`` whose contexts compile."""

    def __init__(self):
        self.configs = []

    def create_runtime_config(self):
        self.configs.append(Config())
        return self.configs[-1]

    def create_execution_context(self, config):
        config.cache.content += b"of this card" if not config.cache.content else b" and more"
        return config


def test_kernels_are_kept_from_program_to_program(tmp_path):
    path = tmp_path / "new" / "a.cache"
    first = RtxKernelCache(TRT, Engine(), path)
    assert first.new_context().strategy == "user's"
    first.keep()
    assert path.read_bytes() == b"of this card"
    second = RtxKernelCache(TRT, Engine(), path)
    second.new_context()
    second.keep()
    assert path.read_bytes() == b"of this card and more"
    assert [item.name for item in path.parent.iterdir()] == ["a.cache"]


def test_what_is_damaged_or_of_another_card_is_begun_anew(tmp_path):
    path = tmp_path / "a.cache"
    path.write_bytes(b"of another card")
    kernels = RtxKernelCache(TRT, Engine(), path)
    kernels.new_context()
    kernels.keep()
    assert path.read_bytes() == b"of this card"


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path, caplog):
    (tmp_path / "file").touch()
    kernels = RtxKernelCache(TRT, Engine(), tmp_path / "file" / "a.cache")
    kernels.new_context()
    kernels.keep()
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("graphs", [True, False])
def test_a_session_takes_its_contexts_from_there_and_keeps_what_it_compiled(graphs):
    device, told = EngineShim(), []
    session, engine = session_on(device, graphs=graphs, kernels=lambda engine: Told(engine, told))
    with session:
        assert told == ["context"]
    assert told == ["context", "kept"]
    assert len(engine.contexts) == 1


class Told:
    """A kernel cache that records its calls."""

    def __init__(self, engine, told):
        self.engine, self.told = engine, told

    def new_context(self):
        self.told.append("context")
        return self.engine.create_execution_context("user's")

    def keep(self):
        self.told.append("kept")
