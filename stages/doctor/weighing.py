"""How much a finding weighs for what was asked: an absent GPU is no error where none is needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from core.checks import Asked, Finding, State
from stages.doctor.running import Examined


def weigh(examined: Examined, asked: Asked) -> Examined:
    """The same findings in the states that they have for what was asked."""
    if not examined.needed_by:
        return examined
    needed = bool(examined.needed_by & {asked.backend, asked.processor, kind_of(asked.device)})
    change = {State.absent: State.error} if needed else {State.error: State.warning}
    findings = (replace(item, state=change.get(item.state, item.state)) for item in examined.findings)
    return replace(examined, findings=tuple(findings))


def kind_of(device: str) -> str:
    """``cuda`` for ``cuda:1``: checks of what any use of such a device needs name it beside runtimes and processors."""
    return device.partition(":")[0]


def counts(examined: Iterable[Examined]) -> dict[str, int]:
    """How many findings there are in each state."""
    counter = Counter(finding.state for item in examined for finding in item.findings)
    return {state.name: counter[state] for state in State}


def errors(examined: Iterable[Examined]) -> list[Finding]:
    """What must be put right before what was asked for can work."""
    return [finding for item in examined for finding in item.findings if finding.state is State.error]
