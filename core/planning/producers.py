"""The stages that can make an artifact of a type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from core.artifacts import Artifact
from core.containment.calls import PluginError
from core.kinds.stage import Stage
from core.storage.serial import DataclassInstance

if TYPE_CHECKING:
    from core.kinds.context import RunContext


class Producers:
    """The stages that the plan can add to make an artifact.

    Args:
        configs: Options by stage name, of all registered stages.
        context: For the stages, and for warnings about plugins that fail.
    """

    def __init__(self, configs: Mapping[str, DataclassInstance], context: RunContext) -> None:
        self._configs, self._context = configs, context

    def makers(self, kind: type[Artifact]) -> list[Stage]:
        """Return the stages that make ``kind`` without an input of the same type."""
        return [
            stage
            for stage in self._context.registry.all(Stage).values()
            if self._answer(partial(self._can_make, kind=kind), stage)
        ]

    def can_start(self, kind: type[Artifact]) -> bool:
        """Return whether the user gave the source of a stage that makes ``kind``."""
        return any(self._answer(self._is_given, stage) for stage in self.makers(kind))

    def given_instead(self, kind: type[Artifact]) -> type[Artifact] | None:
        """Return what a stage without inputs provides in this run, if it could provide ``kind``; else None."""
        for stage in self._context.registry.all(Stage).values():
            provides, config = stage.signature.provides, self._configs[stage.name]
            if len(provides) > 1 and kind in provides and stage.selected(config, self._context):
                return self.provided(stage, config)
        return None

    def provided(self, stage: Stage, config: DataclassInstance) -> type[Artifact]:
        """Return the type of the artifact that a stage provides with these options."""
        provides = stage.signature.provides
        if len(provides) == 1:
            return provides[0]
        return next((kind for kind in stage.selected(config, self._context) if kind in provides), provides[0])

    def _is_given(self, stage: Stage) -> bool:
        return stage.given is None or stage.given(self._configs[stage.name])

    def _can_make(self, stage: Stage, kind: type[Artifact]) -> bool:
        if not stage.automatic or kind not in stage.signature.provides:
            return False
        if any(kind in item.types for item in stage.signature.inputs):
            return False  # it changes an artifact of this type
        return len(stage.signature.provides) == 1 or kind is self.provided(stage, self._configs[stage.name])

    def _answer(self, question: Callable[[Stage], bool], stage: Stage) -> bool:
        """Return the answer about a stage that the user did not name. If its plugin fails, warn and return False."""
        try:
            return question(stage)
        except PluginError as error:
            self._context.warn(str(error))
            return False
