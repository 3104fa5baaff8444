"""Compare the attributes of a session with its model: a session of a plugin can describe another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from core.errors import HooklineError, shown
from core.model_facts import InputContract, ModelFacts, Preprocessing

_MEMBERS = ("facts", "contract", "layout", "score_threshold", "run", "__enter__", "__exit__")
_COMPARED = ("height", "width", *(item.name for item in fields(Preprocessing)))
"""Values of the contract that the model determines; the session determines the batch."""

HINT = "open it with another backend, or report this to the author of the plugin"
"""The remedy for a session that does not keep to its protocol."""


@dataclass(frozen=True)
class SessionFacts:
    """Required values of the attributes of a session, see :class:`core.kinds.session.Session`."""

    facts: ModelFacts
    contract: InputContract
    layout: str
    score_threshold: float = 0.0


def check_session_facts(session: object, title: str, wanted: SessionFacts) -> None:
    """Compare the attributes of an opened session with the model.

    Args:
        session: The result of ``open``.
        title: The model and the part that opened it, in messages.
        wanted: Required values of its attributes.

    Raises:
        HooklineError: The value is not a session, or its attributes differ.
    """
    if missing := [name for name in _MEMBERS if not hasattr(session, name)]:
        raise HooklineError(f"the session of {title} is {shown(session)}, which has no '{missing[0]}'", HINT)
    found = {name: getattr(session, name) for name in vars(wanted)}
    for name, kind in {"facts": ModelFacts, "contract": InputContract}.items():
        if not isinstance(found[name], kind):
            raise HooklineError(f"the session of {title} has {shown(found[name])} as '{name}'", HINT)
    for (name, value), (_, right) in zip(_values(found), _values(vars(wanted)), strict=True):
        if value != right:
            raise HooklineError(f"the session of {title} has {name}={shown(value)}, not {shown(right)}", HINT)


def _values(stated: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """Yield the values of facts and contract one by one, so that a message names the value that differs."""
    for name, value in stated.items():
        if isinstance(value, ModelFacts):
            yield from ((f"facts.{key}", item) for key, item in vars(value).items())
        elif isinstance(value, InputContract):
            yield from ((f"contract.{key}", getattr(value, key)) for key in _COMPARED)
        else:
            yield name, value
