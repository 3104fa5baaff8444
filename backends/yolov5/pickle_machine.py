"""An interpreter for pickles that builds plain values only.

A pickle is a program for a stack machine. The one of Python calls whatever the program names, and what it calls may
loop, allocate or fail in its own way. This one knows no functions: names become :class:`Name`, and the caller of
:class:`Machine` decides what calling one of them gives. Each operation costs constant time and memory, apart from
what :meth:`Machine.spend` counts, so that the limit on operations is a limit on both.
"""

from __future__ import annotations

import io
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

OPERATIONS = 1_000_000
"""Operations of a pickle; as many items may be copied. That of yolov5n has 34,000, that of an interrupted training of
yolov5x6 under 500,000. A million take a second and up to 0.4 GB."""
NAME_LENGTH = 256
"""Characters of the full name of a class or function."""
INTEGER_BITS = 1024
"""Bits of a whole number: Python's time for larger ones is not constant. Seeds of random generators have 128."""


class PickleError(ValueError):
    """A pickle that is damaged, or holds what a checkpoint cannot hold."""


@dataclass(frozen=True)
class Name:
    """The full name of a class, function or constant. Nothing was imported."""

    full: str


@dataclass(eq=False)
class StandIn:
    """Stands for an object of a class that is never imported.

    Attributes:
        kind: Full name of the class.
        attributes: The state that the pickle gives the object.
    """

    kind: str
    attributes: dict[str, object] = field(default_factory=dict)


_KEYS = (str, int, float, bytes, type(None), Tensor, StandIn, Name)
"""Types of keys: the hash of each takes constant time. That of nested tuples can take for ever."""


class Machine:
    """One use, one pickle.

    Args:
        content: The pickle.
        name: Gives what a full name stands for, or raises.
        call: Gives the result of calling a name with arguments; must :meth:`spend` what it copies.
        stored: Gives what a persistent id refers to.
    """

    def __init__(
        self,
        content: bytes,
        *,
        name: Callable[[str], Name],
        call: Callable[[Machine, Name, tuple[object, ...]], object],
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
            PickleError: It is damaged, exceeds a limit, or does what no checkpoint does.
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
        except IndexError as error:  # of a stack; what ``call`` runs raises PickleError
            raise PickleError(f"nothing on the stack at byte {self._file.tell() - 1:,}") from error

    def spend(self, items: int) -> None:
        """Count the copying of ``items`` items against the limit.

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
        if value.bit_length() > INTEGER_BITS:
            raise PickleError(f"a whole number of {value.bit_length():,} bits")
        self._stack.append(value)

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
        self._push_name(module, name)

    def _stack_global(self, _: None) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        self._push_name(module, name)

    def _push_name(self, module: object, name: object) -> None:
        if not isinstance(module, str) or not isinstance(name, str) or len(module) + len(name) > NAME_LENGTH:
            raise PickleError(f"a name that is not text of up to {NAME_LENGTH} characters")
        self._stack.append(self._name(f"{module}.{name}"))

    def _reduce(self, _: None) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise PickleError(f"a call of a {type(function).__name__}")
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
        elif not isinstance(target, OrderedDict):  # a state dict has attributes, which nobody needs
            raise PickleError(f"attributes for a {type(target).__name__}")

    def _append(self, _: None) -> None:
        self._extend([self._stack.pop()])

    def _extend(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif not isinstance(target, StandIn):
            raise PickleError(f"items for a {type(target).__name__}")

    def _add_items(self, _: None) -> None:
        items, target = self._since_mark(), self._stack[-1]
        if not isinstance(target, set):
            raise PickleError(f"members for a {type(target).__name__}")
        target.update(map(checked_key, items))

    def _set_item(self, _: None) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list[object]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            _fill(target, items)
        elif not isinstance(target, StandIn):
            raise PickleError(f"keys for a {type(target).__name__}")

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


def checked_key(key: object) -> object:
    """Return ``key`` where it can be the key of a mapping or the member of a set.

    Raises:
        PickleError: Its hash may take long.
    """
    if not isinstance(key, _KEYS):
        raise PickleError(f"a {type(key).__name__} as a key")
    return key


def _fill(target: dict[object, object], items: list[object]) -> dict[object, object]:
    if len(items) % 2:
        raise PickleError("a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[checked_key(key)] = value
    return target


def _title(code: bytes) -> str:
    """Return what messages call an operation that is not supported."""
    found = pickletools.code2op.get(code.decode("latin-1"))  # type: ignore[attr-defined]
    return found.name if found else f"0x{code.hex()}" if code else "STOP missing"


def _pushed(make: Callable[[Machine], object]) -> Callable[[Machine, object], None]:
    return lambda machine, _: machine._stack.append(make(machine))


def _tuple_of(count: int) -> Callable[[Machine, object], None]:
    def work(machine: Machine, _: object) -> None:
        stack = machine._stack
        if len(stack) < count:
            raise PickleError("nothing on the stack for a tuple")
        stack[-count:] = [tuple(stack[-count:])]

    return work


_LITERALS = (
    *("INT", "BININT", "BININT1", "BININT2", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
)
_WORK: dict[str, Callable[[Machine, Any], None] | None] = {
    **dict.fromkeys(_LITERALS, None),
    **dict.fromkeys(("LONG", "LONG1", "LONG4"), Machine._integer),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, argument: None),  # noqa: ARG005
    "NONE": _pushed(lambda _: None),
    "NEWTRUE": _pushed(lambda _: True),
    "NEWFALSE": _pushed(lambda _: False),
    "EMPTY_LIST": _pushed(lambda _: []),
    "EMPTY_TUPLE": _pushed(lambda _: ()),
    "EMPTY_DICT": _pushed(lambda _: {}),
    "EMPTY_SET": _pushed(lambda _: set()),
    "LIST": _pushed(Machine._since_mark),
    "TUPLE": _pushed(lambda machine: tuple(machine._since_mark())),
    "DICT": _pushed(lambda machine: _fill({}, machine._since_mark())),
    "FROZENSET": _pushed(lambda machine: frozenset(map(checked_key, machine._since_mark()))),
    "TUPLE1": _tuple_of(1),
    "TUPLE2": _tuple_of(2),
    "TUPLE3": _tuple_of(3),
    "MARK": Machine._mark,
    "POP": Machine._pop,
    "POP_MARK": Machine._pop_mark,
    "DUP": _pushed(lambda machine: machine._stack[-1]),
    "APPEND": Machine._append,
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "ADDITEMS": Machine._add_items,
    "SETITEM": Machine._set_item,
    "SETITEMS": lambda machine, _: machine._set_items(machine._since_mark()),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), Machine._get),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), Machine._put),
    "MEMOIZE": Machine._memoize,
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), Machine._reduce),
    "NEWOBJ_EX": Machine._new_with_keywords,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
}
_OPERATIONS = {
    opcode.code.encode("latin-1"): (opcode.arg.reader if opcode.arg else None, _WORK[opcode.name])
    for opcode in pickletools.opcodes
    if opcode.name in _WORK
}
"""By the byte of an operation: what reads its argument, and what it does; without that, the argument is pushed."""
