"""What a pickle would import, found by walking through its instructions: nothing of it is run.

A pickle is a program for a small machine with a stack (Python's documentation of `pickletools`).
What it can do is bounded by what it imports: the instructions that import take two names, which
stand in the pickle itself or lie on the stack. The walk keeps a stack of texts and of things that
are no texts; where a name cannot be told, that itself is suspicious.
"""

import codecs
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

from graft.errors import HubError
from graft.server.scan.verdicts import UNKNOWN

MAX_INSTRUCTIONS = 5_000_000
MAX_IMPORTS = 1000
MAX_TEXT_BYTES = 512
"""Longer texts are no names: they are passed over unread."""
MAX_DEPTH = 1_000_000
MAX_MEMO = 1_000_000
SKIP_BYTES = 1024**2

# Of a module, or of something in one. Modules are named after files, so that a hyphen is possible.
_PART_OF_NAME = re.compile(r"[\w-]+")


class NotAPickleError(HubError):
    """The bytes are no pickle, or end in the middle of one."""


class TooLongError(HubError):
    """More than is looked at: a pickle that is made to keep readers busy."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.imports: dict[tuple[str, str], None] = {}
        """What was found before."""


class _Mark:
    """What MARK puts on the stack."""


_MARK = _Mark()
_Item = str | _Mark | None


@dataclass
class Walk:
    """What was found so far; `imports` in the order in which the pickle would make them."""

    imports: dict[tuple[str, str], None] = field(default_factory=dict)
    instructions: int = 0
    check: Callable[[], None] = lambda: None
    """Called now and then; raises where the time is over."""
    is_whole: bool = True
    """False where something could not be looked through that others may be able to read."""

    def found(self, module: str, name: str) -> None:
        """Notes an import.

        Raises:
            NotAPickleError: names that nothing can have: the bytes are something else.
        """
        if not (_is_name(module) and _is_name(name)):
            raise NotAPickleError("Not the names of a module and of something in it.")
        if len(self.imports) >= MAX_IMPORTS:
            raise TooLongError(f"The pickle imports more than {MAX_IMPORTS} names.")
        self.imports[module, name] = None


def walk_pickle(file: IO[bytes], walk: Walk) -> None:
    """Walks through one pickle, from where `file` stands to behind its end.

    Raises:
        NotAPickleError: no pickle, or one cut off; what was found before is kept in `walk`.
        TooLongError: more instructions or imports than are looked at.
    """
    _Machine(file, walk).run()


class _Machine:
    def __init__(self, file: IO[bytes], walk: Walk) -> None:
        self._file = file
        self._walk = walk
        self._stack: list[_Item] = []
        self._memo: dict[int, _Item] = {}
        self._is_declared = False
        """Whether it says which protocol it is of: then it is a pickle and nothing else."""

    def run(self) -> None:
        walk = self._walk
        while True:
            code = self._file.read(1)
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise NotAPickleError("Not an instruction of a pickle.")
            walk.instructions += 1
            if walk.instructions % 10_000 == 0:
                walk.check()
            if walk.instructions > MAX_INSTRUCTIONS:
                raise TooLongError(f"The pickle has more than {MAX_INSTRUCTIONS} instructions.")
            name = operation.name
            if name == "STOP":
                return
            self._do(operation, name, self._argument(operation))

    def _do(self, operation: pickletools.OpcodeInfo, name: str, argument: str | int | None) -> None:
        stack = self._stack
        if name in _TEXTS:
            stack.append(argument if isinstance(argument, str) else None)
        elif name == "PROTO":
            self._is_declared = True
        elif name in ("GLOBAL", "INST"):
            module, _, imported = str(argument).partition("\n")
            if self._is_declared:
                module, imported = _name(module), _name(imported)
            self._walk.found(module, imported)
            if name == "INST":
                self._pop_to_mark()
            stack.append(None)
        elif name == "STACK_GLOBAL":
            imported_, module_ = self._pop(), self._pop()
            self._walk.found(_name(module_), _name(imported_))
            stack.append(None)
        elif name in ("EXT1", "EXT2", "EXT4"):
            # A number of copyreg's registry: what it stands for is known to the reader alone.
            self._walk.found(UNKNOWN, UNKNOWN)
            stack.append(None)
        elif name in _PUTS:
            index = argument if isinstance(argument, int) else len(self._memo)
            if len(self._memo) >= MAX_MEMO:
                raise TooLongError(f"The pickle keeps more than {MAX_MEMO} values.")
            self._memo[index] = stack[-1] if stack else None
        elif name in _GETS:
            stack.append(self._memo.get(argument) if isinstance(argument, int) else None)
        elif name == "DUP":
            stack.append(stack[-1] if stack else None)
        elif name == "MARK":
            stack.append(_MARK)
        else:
            self._other(operation)
        if len(stack) > MAX_DEPTH:
            raise TooLongError(f"The pickle's stack has more than {MAX_DEPTH} values.")

    def _other(self, operation: pickletools.OpcodeInfo) -> None:
        """Takes from the stack and puts on it as many values as the instruction does."""
        before = operation.stack_before
        if pickletools.markobject in before:
            self._pop_to_mark()
            for _ in range(before.index(pickletools.markobject)):
                self._pop()
        else:
            for _ in before:
                self._pop()
        self._stack.extend(None for _ in operation.stack_after)

    def _pop(self) -> _Item:
        return self._stack.pop() if self._stack else None

    def _pop_to_mark(self) -> None:
        while self._stack and self._stack.pop() is not _MARK:
            pass

    def _argument(self, operation: pickletools.OpcodeInfo) -> str | int | None:
        """The instruction's argument, where it is a short text or a number of the memo."""
        kind = operation.arg
        if kind is None:
            return None
        if kind.n == pickletools.UP_TO_NEWLINE:
            lines = [self._line() for _ in range(2 if operation.name in ("GLOBAL", "INST") else 1)]
            return _line_argument(operation.name, lines)
        if kind.n >= 0:
            return int.from_bytes(self._exactly(kind.n), "little")
        length = int.from_bytes(self._exactly(_LENGTHS[kind.n]), "little", signed=kind.n in _SIGNED)
        if length < 0:
            raise NotAPickleError("A length below zero.")
        if length > MAX_TEXT_BYTES or operation.name not in _TEXTS:
            self._skip(length)
            return None
        return self._exactly(length).decode("utf-8", "replace")

    def _exactly(self, length: int) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise NotAPickleError("The pickle is cut off.")
        return data

    def _skip(self, length: int) -> None:
        while length > 0:
            piece = self._file.read(min(length, SKIP_BYTES))
            if not piece:
                raise NotAPickleError("The pickle is cut off.")
            length -= len(piece)
            self._walk.check()

    def _line(self) -> bytes:
        line = self._file.readline(MAX_TEXT_BYTES)
        while line and not line.endswith(b"\n"):  # too long for a name: the rest is passed over
            more = self._file.readline(MAX_TEXT_BYTES)
            self._walk.check()
            if not more:
                raise NotAPickleError("The pickle is cut off.")
            if more.endswith(b"\n"):
                return b""
        if not line:
            raise NotAPickleError("The pickle is cut off.")
        return line[:-1]


def _line_argument(name: str, lines: list[bytes]) -> str | int | None:
    if name in ("GLOBAL", "INST"):
        return "\n".join(line.decode("utf-8", "replace") for line in lines)
    if name in ("GET", "PUT"):
        try:
            return int(lines[0])
        except ValueError:
            raise NotAPickleError("Not a number of the memo.") from None
    return _unescaped(name, lines[0]) if name in _TEXTS else None


def _unescaped(name: str, line: bytes) -> str | None:
    """The text that a line stands for, as Python reads it: it may say `\\x6fs` for `os`."""
    try:
        if name == "STRING":
            return codecs.escape_decode(line.strip()[1:-1])[0].decode("latin-1")
        return line.decode("raw-unicode-escape")
    except ValueError:
        return None


def _is_name(name: str) -> bool:
    return name == UNKNOWN or all(map(_PART_OF_NAME.fullmatch, name.split(".")))


def _name(item: _Item) -> str:
    """A name that is known; one that is too long to be kept, or made while the pickle runs, and
    what nothing is called are not."""
    return item if isinstance(item, str) and _is_name(item) else UNKNOWN


_OPERATIONS = {operation.code.encode("latin-1"): operation for operation in pickletools.opcodes}
_TEXTS = frozenset(
    {
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE"),
        *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    }
)
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_SIGNED = frozenset({pickletools.TAKEN_FROM_ARGUMENT4})
