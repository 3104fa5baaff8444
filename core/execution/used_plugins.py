"""The distributions of outside plugins that a run uses, for ``versions`` in summary.json."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from core.artifacts import AnyModel, Artifact, Engine
from core.kinds.lookup import Origin
from core.options.fields import named_parts
from core.plugins.contained_hooks import REGISTRATION
from core.plugins.hooks import Hooks
from core.plugins.hookspecs import hookimpl

if TYPE_CHECKING:
    from core.kinds.context import RunContext
    from core.kinds.lifecycle import Plan, Summary


class UsedPlugins:
    """Lifecycle plugin of one run: records the outside plugins that the run uses in its :class:`Summary`.

    A run uses a plugin if it provides a stage of the plan, a part that an option names, a loaded part, the runtime or
    the model family of an artifact, or a lifecycle hook.

    Args:
        summary: Gets the distributions.
        context: Context of the run.
        hooks: Hooks of the loaded plugins.
    """

    def __init__(self, summary: Summary, context: RunContext, hooks: Hooks) -> None:
        self._summary = summary
        self._context = context
        self._hooks = hooks

    @hookimpl
    def hookline_before_run(self, plan: Plan) -> None:
        """Add the plugins of stages, parts and lifecycle hooks in the plan."""
        self._add(origin for origin in self._hooks.origins() if self._hooks.hooks_of(origin.plugin) - REGISTRATION)
        for step in plan.steps:
            self._add_parts([("stages", step.stage.name), *named_parts(step.config)])

    @hookimpl
    def hookline_after_stage(self, artifact: Artifact) -> None:
        """Add the plugins of parts that the stage has loaded or that its artifact needs."""
        self._add_parts([*self._context.loaded, *parts_of_artifact(artifact)])

    @hookimpl
    def hookline_stage_failed(self) -> None:
        """Add the plugins of parts that the stage has loaded."""
        self._add_parts(self._context.loaded)

    def _add_parts(self, parts: Iterable[tuple[str, str]]) -> None:
        owners = (self._context.registry.owner(kind, name) for kind, name in parts)
        self._add(owner for owner in owners if owner)

    def _add(self, origins: Iterable[Origin]) -> None:
        for origin in origins:
            if origin.outside:
                title = origin.distribution if origin.installed else f"{origin.distribution} {origin.plugin}"
                self._summary.distributions[title] = origin.version


def parts_of_artifact(artifact: Artifact) -> Iterator[tuple[str, str]]:
    """Yield kind and name of the parts that an artifact needs: the runtime of an engine, the family of a model."""
    if isinstance(artifact, Engine):
        yield "runtimes", artifact.runtime
    if isinstance(artifact, AnyModel):
        yield "models", artifact.facts.family
