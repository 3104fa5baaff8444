"""An interpreter for pickles that calls no function and imports no name.

A pickle is a program for a stack machine. Python's own machine calls every function that the program names. This one
turns names into :class:`Name`, and the caller of :class:`PickleMachine` decides what a call of a name returns. Each
operation takes constant time and memory, except what :meth:`PickleMachine.spend` counts: the limit on operations
bounds both.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from backends.yolov5.pickle_values import Name, PickleError, StandIn, checked_integer, checked_key, checked_name, fill
from core.errors import with_article

OPERATIONS = 1_000_000
"""Maximum number of operations in a pickle, and of copied items. The pickle of yolov5n has 34,000 operations, that of
an interrupted training run of yolov5x6 under 500,000. A million take a second and up to 0.4 GB."""


class PickleMachine:
    """Interpreter of one pickle.

    Args:
        content: The pickle.
        name: Returns the :class:`Name` of a full name, or raises if it is not allowed.
        call: Returns the result of calling a name with arguments; must :meth:`spend` the items that it copies.
        stored: Returns the storage of a persistent id.
    """

    def __init__(
        self,
        content: bytes,
        *,
        name: Callable[[str], Name],
        call: Callable[[PickleMachine, Name, tuple[object, ...]], object],
        stored: Callable[[object], object],
    ) -> None:
        self._file = io.BytesIO(content)
        self._name, self._call, self._stored = name, call, stored
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}
        self._budget = OPERATIONS

    def run(self) -> object:
        """Return the value that the pickle describes.

        Raises:
            PickleError: It is damaged, exceeds a limit, or has an operation that no checkpoint needs.
        """
        read, stack = self._file.read, self._stack
        try:
            for _ in range(OPERATIONS):
                code = read(1)
                known = _OPERATIONS.get(code)
                if known is None:
                    if code == b".":
                        return stack.pop()
                    raise PickleError(f"operation {_title(code)} at byte {self._file.tell() - 1:,}")
                reader, work = known
                argument = reader(self._file) if reader else None
                if work is None:
                    stack.append(argument)
                else:
                    work(self, argument)
            raise PickleError(f"more than {OPERATIONS:,} operations")
        except IndexError as error:  # the stack is empty; ``call`` raises PickleError only
            raise PickleError(f"nothing on the stack at byte {self._file.tell() - 1:,}") from error

    def spend(self, items: int) -> None:
        """Count ``items`` copied items against the limit.

        Raises:
            PickleError: The limit is exceeded.
        """
        self._budget -= items
        if self._budget < 0:
            raise PickleError(f"more than {OPERATIONS:,} copied items")

    def _since_mark(self) -> list[object]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _integer(self, value: int) -> None:
        self._stack.append(checked_integer(value))

    def _mark(self, _: None) -> None:
        self._marks.append(len(self._stack))

    def _pop(self, _: None) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._stack.pop()

    def _pop_mark(self, _: None) -> None:
        self._since_mark()

    def _global(self, names: str) -> None:
        module, _, name = names.partition(" ")
        self._stack.append(self._name(checked_name(module, name)))

    def _stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._stack.append(self._name(checked_name(module, name)))

    def _reduce(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleError(f"a call of {with_article(type(function).__name__)}")
        self._stack.append(self._call(self, function, arguments))

    def _new_with_keywords(self, _: None) -> None:
        self._stack.pop()
        self._reduce(None)

    def _build(self, _: None) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, StandIn):
            for part in state if isinstance(state, tuple) and len(state) == 2 else (state,):  # (attributes, slots)
                if isinstance(part, dict):
                    self.spend(len(part))
                    target.attributes.update({key: value for key, value in part.items() if isinstance(key, str)})
        elif not isinstance(target, OrderedDict):  # the attributes of a state dict are not needed
            raise PickleError(f"attributes for {with_article(type(target).__name__)}")

    def _append(self, _: None) -> None:
        self._extend([self._stack.pop()])

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, StandIn):
            raise PickleError(f"items for {with_article(type(target).__name__)}")

    def _add_items(self, _: None) -> None:
        items, target = self._since_mark(), self._stack[-1]
        if not isinstance(target, set):
            raise PickleError(f"members for {with_article(type(target).__name__)}")
        target.update(map(checked_key, items))

    def _set_item(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            fill(target, items)
        elif not isinstance(target, StandIn):
            raise PickleError(f"keys for {with_article(type(target).__name__)}")

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise PickleError(f"no memo entry {index}")
        self._stack.append(self._memo[index])

    def _put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _persistent(self, _: None) -> None:
        self._stack.append(self._stored(self._stack.pop()))


def _title(code: bytes) -> str:
    """Return the name of an unsupported operation for messages."""
    found = pickletools.code2op.get(code.decode("latin-1"))  # type: ignore[attr-defined]
    return found.name if found else f"0x{code.hex()}" if code else "STOP missing"


def _pushed(make: Callable[[PickleMachine], object]) -> Callable[[PickleMachine, object], None]:
    return lambda machine, _: machine._stack.append(make(machine))


def _tuple_of(count: int) -> Callable[[PickleMachine, object], None]:
    def work(machine: PickleMachine, _: object) -> None:
        stack = machine._stack
        if len(stack) < count:
            raise PickleError("nothing on the stack for a tuple")
        stack[-count:] = [tuple(stack[-count:])]

    return work


_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
_WORK: dict[str, Callable[[PickleMachine, Any], None] | None] = {
    **dict.fromkeys(_LITERALS, None),
    **dict.fromkeys(("LONG", "LONG1", "LONG4"), PickleMachine._integer),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, argument: None),  # noqa: ARG005
    "NONE": _pushed(lambda _: None),
    "NEWTRUE": _pushed(lambda _: True),
    "NEWFALSE": _pushed(lambda _: False),
    "EMPTY_LIST": _pushed(lambda _: []),
    "EMPTY_TUPLE": _pushed(lambda _: ()),
    "EMPTY_DICT": _pushed(lambda _: {}),
    "EMPTY_SET": _pushed(lambda _: set()),
    "LIST": _pushed(PickleMachine._since_mark),
    "TUPLE": _pushed(lambda machine: tuple(machine._since_mark())),
    "DICT": _pushed(lambda machine: fill({}, machine._since_mark())),
    "FROZENSET": _pushed(lambda machine: frozenset(map(checked_key, machine._since_mark()))),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "MARK": PickleMachine._mark,
    "POP": PickleMachine._pop,
    "POP_MARK": PickleMachine._pop_mark,
    "DUP": _pushed(lambda machine: machine._stack[-1]),
    "APPEND": PickleMachine._append,
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "ADDITEMS": PickleMachine._add_items,
    "SETITEM": PickleMachine._set_item,
    "SETITEMS": lambda machine, _: machine._set_items(machine._since_mark()),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), PickleMachine._get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), PickleMachine._put),
    "MEMOIZE": PickleMachine._memoize,
    "GLOBAL": PickleMachine._global,
    "STACK_GLOBAL": PickleMachine._stack_global,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), PickleMachine._reduce),
    "NEWOBJ_EX": PickleMachine._new_with_keywords,
    "BUILD": PickleMachine._build,
    "BINPERSID": PickleMachine._persistent,
}
_OPERATIONS = {
    opcode.code.encode("latin-1"): (opcode.arg.reader if opcode.arg else None, _WORK[opcode.name])
    for opcode in pickletools.opcodes
    if opcode.name in _WORK
}
"""For the byte of each operation: the reader of its argument and the method that executes it. Without a method the
argument is pushed."""
