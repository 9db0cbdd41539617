"""A pickle, read without running anything of it.

A pickle is a program. Here it is one without calls: a class or function that it names becomes an
``Inert`` object, which only keeps what it would have been called with and set to, not what it was
filled with as a list or a dict. The few that are known (see ``Call``) give plain values; which,
says whoever reads.

Bounds, whatever the pickle says:

- It is walked once, an operation at a time, by ``pickletools.genops``, which reads arguments within
  the pickle's end and runs nothing. No operation copies what another made, so that reading takes
  time and memory in proportion to the pickle: at most 150 bytes for each of ``MAX_OPERATIONS``, and
  4 for each byte of text.
- Nothing recurses: depth costs no stack. What walks the result must see to its own bounds, for
  parts may be shared or contain themselves.
- Nothing is hashed at a price that the pickle can set: sets become lists; keys are text (whose
  hashes Python salts) or one of ``MAX_OTHER_KEYS`` numbers, or stand as an ``Inert``.
- Numbers are at most ``MAX_NUMBER`` bytes, above which arithmetic and printing stop being cheap.

What only protocols 0 and 1 write, numbers as text for example, is refused: torch.save writes 2, or
a later one that it is asked for.

Source of the operations: CPython 3.11 Lib/pickletools.py, ``opcodes``.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from converter.errors import CheckpointError

# 88 layers of convolution, batch norm and activation, pickled as modules by PyTorch 2.13, twice,
# with their optimizer, take 117,000.
MAX_OPERATIONS = 1_000_000
# Optimizers number their parameters, and models their classes. So many take a second if they all
# collide in a dict.
MAX_OTHER_KEYS = 10_000
MAX_NUMBER = 255  # what LONG1 takes

_SCALARS = (bool, bytes, float, int, type(None))
# What to do about a file that holds too much beside its tensors.
STATE_DICT_ALONE = "save the state dict alone: torch.save(model.state_dict(), PATH)"


class Inert:
    """What stands where a pickle names a class, or has made an object of one.

    Attributes:
        name: the class or function: module, dot, qualified name.
        args: what it was called with; None for the class itself.
        state: what the object's attributes were set to, usually a dict; None if they were not.
    """

    __slots__ = ("args", "name", "state")

    def __init__(self, name: str, args: tuple[Any, ...] | None = None) -> None:
        self.name, self.args = name, args
        self.state: Any = None

    def __repr__(self) -> str:
        return f"<{self.name}>"  # not its parts, which may contain it


# What a known name gives for its arguments, in constant time and memory: NotImplemented for an
# Inert. A ValueError says why it refuses.
Call = Callable[[tuple[Any, ...]], Any]
Persistent = Callable[[Any], Any]


def read_pickle(
    stream: io.BytesIO,
    path: Path,
    place: str | None = None,
    *,
    calls: Mapping[str, Call] | None = None,
    persistent: Persistent | None = None,
) -> Any:
    """The value of the pickle that begins where ``stream`` stands; leaves it after its end.

    It is of None, bool, int, float, str, bytes, bytearray, tuple, list, dict, ``Inert`` and what
    ``calls`` and ``persistent`` give.

    Args:
        stream: bytes in memory.
        path: the file that they are from, for errors.
        place: where in it they are, for errors.
        calls: what known names give.
        persistent: what an identifier of something outside the pickle stands for.

    Raises:
        CheckpointError: naming the byte at which it is damaged, or beyond the bounds.
    """
    machine = _Machine(calls or {}, persistent or _no_persistent)
    at, count = stream.tell(), 0
    try:
        for operation, argument, position in pickletools.genops(stream):
            at, count = position or 0, count + 1
            if count > MAX_OPERATIONS:
                raise _BoundError(f"more than {MAX_OPERATIONS:,} operations")
            if operation.name == "STOP":
                return machine.pop()
            machine.run(operation.name, argument)
    except ValueError as error:
        problem, remedy = f"is a damaged pickle: {error}", "download or copy it again"
        if isinstance(error, _BoundError):
            problem, remedy = f"is a pickle of {error}", STATE_DICT_ALONE
        where = f"byte {at}" if place is None else f"{place}, byte {at}"
        raise CheckpointError(problem, path=path, place=where, remedy=remedy) from error
    raise AssertionError("genops ends with STOP or an error")


class _BoundError(ValueError):
    """It goes beyond a bound, in words that follow "a pickle of"."""


class _Machine:
    """The stack and the memo that the operations work on."""

    def __init__(self, calls: Mapping[str, Call], persistent: Persistent) -> None:
        self._calls, self._persistent = calls, persistent
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks below each mark
        self._memo: dict[int, Any] = {}
        self._other_keys = 0

    def run(self, name: str, argument: Any) -> None:
        """Do one operation."""
        if name in _PUSHED:
            if type(argument) is int and argument.bit_length() > 8 * MAX_NUMBER:
                raise _BoundError(f"a number of more than {MAX_NUMBER} bytes")
            self._push(argument)
        elif name in _CONSTANTS:
            self._push(_CONSTANTS[name])
        elif name in _EMPTY:
            self._push(_EMPTY[name]())
        elif name in _OPERATIONS:
            _OPERATIONS[name](self, argument)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"has the operation {name}, which no PyTorch writes")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        """Take the topmost value."""
        if not self._stack:
            raise ValueError("takes a value from an empty stack")
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise ValueError("uses a value of an empty stack")
        return self._stack[-1]

    def _mark(self, _: None) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        if not self._below:
            raise ValueError("goes back to a mark that it never set")
        values, self._stack = self._stack, self._below.pop()
        return values

    def _discard(self, _: None) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._since_mark()

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _memoize(self, _: None) -> None:
        self._memo[len(self._memo)] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise ValueError(f"uses the value {index}, which it never stored")
        self._push(self._memo[index])

    def _tuple_of(self, count: int) -> None:
        values = tuple(self.pop() for _ in range(count))
        self._push(values[::-1])

    def _dict(self, _: None) -> None:
        values = self._since_mark()
        self._push({})
        self._fill(values)

    def _extend(self, values: list[Any]) -> None:
        target = self._top()
        if isinstance(target, list):
            target.extend(values)
        elif not isinstance(target, Inert):
            raise ValueError("appends to what is no list")

    def _set_item(self, _: None) -> None:
        value, key = self.pop(), self.pop()
        self._fill([key, value])

    def _fill(self, values: list[Any]) -> None:
        """Put keys and values, in turns, into what is on top."""
        if len(values) % 2:
            raise ValueError("has a key without a value")
        target = self._top()
        if isinstance(target, dict):
            target.update(self._keyed(zip(values[::2], values[1::2], strict=True)))
        elif not isinstance(target, Inert):
            raise ValueError("sets a key of what is no dict")

    def _keyed(self, pairs: Iterable[tuple[Any, Any]]) -> Iterable[tuple[Any, Any]]:
        for key, value in pairs:
            if type(key) is str:
                yield key, value
            elif type(key) in _SCALARS:
                self._other_keys += 1
                if self._other_keys > MAX_OTHER_KEYS:
                    raise _BoundError(f"more than {MAX_OTHER_KEYS:,} keys that are no text")
                yield key, value
            else:
                yield Inert("key", (key,)), value

    def _stack_global(self, _: None) -> None:
        name, module = self.pop(), self.pop()
        if type(name) is not str or type(module) is not str:
            raise ValueError("names a class by what is no text")
        if len(name) + len(module) > 1000:
            raise ValueError("names a class by more than 1000 characters")
        self._push(Inert(f"{module}.{name}"))

    def _call(self, _: None) -> None:
        args, function = self.pop(), self.pop()
        self._push(self._made(function, args))

    def _call_with_keywords(self, _: None) -> None:
        _keywords, args, function = self.pop(), self.pop(), self.pop()
        self._push(self._made(function, args))

    def _made(self, function: Any, args: Any) -> Any:
        if not isinstance(function, Inert) or not isinstance(args, tuple):
            raise ValueError("calls what is no function")
        call = self._calls.get(function.name) if function.args is None else None
        made = call(args) if call else NotImplemented
        return Inert(function.name, args) if made is NotImplemented else made

    def _build(self, _: None) -> None:
        """Set attributes, which only an Inert has: those of other objects do not concern us."""
        state = self.pop()
        target = self._top()
        if isinstance(target, Inert):
            target.state = state


def _no_persistent(_: Any) -> Any:
    raise ValueError("refers to something outside it")


# Operations that push their argument.
_PUSHED = {
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": list}
_OPERATIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": _Machine._mark,
    "POP": _Machine._discard,
    "POP_MARK": lambda machine, _: machine._since_mark(),
    "DUP": lambda machine, _: machine._push(machine._top()),
    "BINPUT": _Machine._put,
    "LONG_BINPUT": _Machine._put,
    "MEMOIZE": _Machine._memoize,
    "BINGET": _Machine._get,
    "LONG_BINGET": _Machine._get,
    "TUPLE": lambda machine, _: machine._push(tuple(machine._since_mark())),
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "LIST": lambda machine, _: machine._push(machine._since_mark()),
    "FROZENSET": lambda machine, _: machine._push(machine._since_mark()),
    "DICT": _Machine._dict,
    "APPEND": lambda machine, _: machine._extend([machine.pop()]),
    "APPENDS": lambda machine, _: machine._extend(machine._since_mark()),
    "ADDITEMS": lambda machine, _: machine._extend(machine._since_mark()),
    "SETITEM": _Machine._set_item,
    "SETITEMS": lambda machine, _: machine._fill(machine._since_mark()),
    "GLOBAL": lambda machine, words: machine._push(Inert(words.replace(" ", "."))),
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._call,
    "NEWOBJ": _Machine._call,
    "NEWOBJ_EX": _Machine._call_with_keywords,
    "BUILD": _Machine._build,
    "BINPERSID": lambda machine, _: machine._push(machine._persistent(machine.pop())),
}
