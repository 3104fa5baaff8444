"""summary.json lists the distributions of the outside plugins that a run uses, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.artifacts import Engine
from core.execution.used_plugins import UsedPlugins
from core.kinds.lifecycle import Summary
from core.kinds.lookup import Origin
from core.kinds.stage import Stage
from core.model_facts import Precision
from core.planning.planner import make_plan
from core.plugins.hooks import Hooks
from core.plugins.hookspecs import hookimpl
from core.plugins.registry import Registry
from tests.support import toys


class Observer:
    """A plugin with a lifecycle hook."""

    @hookimpl
    def hookline_before_run(self) -> None: ...


class Silent:
    """A plugin with a registration hook only."""

    @hookimpl
    def hookline_stages(self) -> list[object]:
        return []


def shipped_by(registry: Registry, kind: str, name: str, distribution: str) -> None:
    part = registry.part(kind, name)
    registry._parts[kind][name] = (part, Origin(name, distribution, "2", name))


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    return Summary(tmp_path / "summary.json", "", [])


def test_plugins_of_the_plan_and_with_lifecycle_hooks(tmp_path: Path, summary: Summary) -> None:
    registry, hooks = toys.registry(), Hooks()
    for stage in registry.all(Stage).values():
        shipped_by(registry, "stages", stage.name, "hookline")
    shipped_by(registry, "stages", "quantize", "mine")
    shipped_by(registry, "stages", "sharpen", "not-asked")
    shipped_by(registry, "runtimes", "cpu", "$HOOKLINE_PLUGINS")
    shipped_by(registry, "runtimes", "gpu", "not-usable")
    hooks.add(Observer(), Origin("watch", "hookline-watch", "3", "watch"))
    hooks.add(Silent(), Origin("silent", "hookline-silent", "4", "silent"))
    context = toys.context(tmp_path, registry)
    used = UsedPlugins(summary, context, hooks)
    used.hookline_before_run(make_plan(["quantize"], toys.configs(), context))
    expected = {"mine": "2", "$HOOKLINE_PLUGINS cpu": "2", "hookline-watch": "3"}
    assert summary.distributions == expected
    versions = summary.as_json()["versions"]
    assert isinstance(versions, dict)
    assert versions.items() > expected.items()
    assert "distributions" not in summary.as_json()


def test_plugins_of_artifacts_and_of_loaded_parts(tmp_path: Path, summary: Summary) -> None:
    registry = toys.registry()
    shipped_by(registry, "runtimes", "cpu", "of-the-engine")
    shipped_by(registry, "runtimes", "gpu", "loaded")
    context = toys.context(tmp_path, registry)
    used = UsedPlugins(summary, context, Hooks())
    engine = Engine(
        path=tmp_path,
        facts=toys.FACTS,
        contract=toys.CONTRACT,
        layout="heads",
        precision=Precision.fp32,
        runtime="cpu",
        score_threshold=0.0,
        machine={},
    )
    used.hookline_after_stage(engine)
    assert summary.distributions == {"of-the-engine": "2"}
    context.runtime("gpu")
    used.hookline_stage_failed()
    assert summary.distributions == {"of-the-engine": "2", "loaded": "2"}
