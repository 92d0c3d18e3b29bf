"""The walk over all that a value reaches: values are written into digests, code is followed."""

import hashlib
import re
import struct
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from graft.errors import DataError

_REMEDY = "Make it inside the function, from values that can be captured."
_OTHER_REMEDIES = (
    "Or give its class a method __graft_fingerprint__ that returns a string for all that matters "
    "of it, or give cache=False."
)
_DEEPEST_SET = 4


class Unfingerprintable(DataError):
    """An object that has no content to go by: the message names it and says what to do."""


class Walk:
    """Finds all that values reach, and gives each piece of it a digest.

    Functions, classes, modules and objects are nodes: where one is met, its name stands in the
    digest, and its own pieces follow. So recursion ends, and a change shows in one piece alone.
    """

    def __init__(self, parent: "Walk | None" = None) -> None:
        """Begins a walk; elements of sets are walked each on its own, with the set's as parent."""
        self._parent = parent
        self._depth: int = 0 if parent is None else parent._depth + 1
        self._names: dict[int, str] = {}
        self._taken: set[str] = set()
        # Nodes are held here as long as their ids stand for them.
        self._nodes: list[object] = []
        self._waiting: deque[tuple[object, str, str]] = deque()
        self._pieces: dict[str, str] = {}
        self._places: list[str] = []

    def name_of(self, node: object) -> str:
        """The name of a node, under which its pieces are found; a new one is walked later."""
        known = self._known(node)
        if known is not None:
            return known
        plain = name = _plain_name(node)
        count = 1
        while name in self._taken:
            count += 1
            name = f"{plain}#{count}"
        self._taken.add(name)
        self._names[id(node)] = name
        self._nodes.append(node)
        self._waiting.append((node, name, self.place()))
        return name

    def _known(self, node: object) -> str | None:
        walk: Walk | None = self
        above = ""
        while walk is not None:
            if id(node) in walk._names:
                return above + walk._names[id(node)]
            walk, above = walk._parent, f"{above}../"
        return None

    def inner(self) -> "Walk":
        """A walk for one element of a set, whose order is not to count.

        Raises `Unfingerprintable` where sets stand in sets without an end to be seen.
        """
        if self._depth >= _DEEPEST_SET:
            raise self.refusal("sets within sets", "Use lists.")
        return Walk(self)

    def add(self, piece: str, value: object, place: str | None = None) -> None:
        """Writes a value into a piece of its own; `place` is what errors call it."""
        with self.writing(piece, place) as writer:
            writer.value(value)

    @contextmanager
    def writing(self, piece: str, place: str | None = None) -> Iterator["Writer"]:
        """A piece to write to; `place` is what errors call it."""
        writer = Writer(self)
        with self.at(piece if place is None else place):
            yield writer
        self._pieces[piece] = writer.hexdigest()

    def pieces(self) -> dict[str, str]:
        """The digest of every piece, by name, after all nodes have been walked."""
        from graft.data.fingerprint.code import write_node

        while self._waiting:
            node, name, place = self._waiting.popleft()
            with self.at(place):
                write_node(self, node, name)
        return self._pieces

    def digest(self) -> str:
        """32 hex digits of all pieces."""
        hashed = hashlib.blake2b(digest_size=16)
        for name, piece in self.pieces().items():
            hashed.update(f"{len(name)}:{name}{piece}".encode("utf-8", "surrogatepass"))
        return hashed.hexdigest()

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Where the walk is while the block runs, for errors."""
        self._places.append(place)
        try:
            yield
        except RecursionError:
            raise self.refusal("nested too deep", "Give it a flatter form.") from None
        finally:
            self._places.pop()

    def place(self) -> str:
        """Where the walk is: the innermost place first."""
        places = list(filter(None, reversed(self._places)))
        above = self._parent.place() if self._parent is not None else ""
        return ", in ".join([*places, above] if above else places)

    def refusal(self, what: str, remedy: str = "") -> Unfingerprintable:
        """The error for the object that the walk has come to."""
        place = self.place() or "The value"
        return Unfingerprintable(
            f"{place} ({what}) cannot be fingerprinted. {remedy or _REMEDY} {_OTHER_REMEDIES}"
        )


def _plain_name(node: object) -> str:
    if isinstance(node, FunctionType) and hasattr(node, "__wrapped__"):
        return node.__code__.co_qualname.rpartition("<locals>.")[2]  # not that of what it wraps
    if isinstance(node, FunctionType | type):
        return node.__qualname__.rpartition("<locals>.")[2].replace("<lambda>", "lambda")
    if isinstance(node, ModuleType):
        return f"module {node.__name__.rpartition('.')[2]}"
    return f"{type(node).__qualname__.rpartition('<locals>.')[2]}()"


class Writer:
    """Writes values into one digest: each with its type and length, so that none runs into another.

    Lists, dicts and other plain values are written as they stand; for nodes, their name.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self._hash = hashlib.blake2b(digest_size=16)
        self._open: list[int] = []

    def hexdigest(self) -> str:
        """32 hex digits of what has been written."""
        return self._hash.hexdigest()

    def put(self, tag: str, content: bytes | memoryview = b"") -> None:
        """Writes bytes of a kind."""
        self._hash.update(f"{tag} {len(content)}:".encode())
        self._hash.update(content)

    def text(self, tag: str, content: str) -> None:
        """Writes text of a kind."""
        self.put(tag, content.encode("utf-8", "surrogatepass"))

    def node(self, value: object) -> None:
        """Writes the name of a node, which is walked later."""
        self.text("node", self.walk.name_of(value))

    def value(self, value: Any) -> None:
        """Writes any value.

        Raises `Unfingerprintable` where it has no content to go by.
        """
        plain = _PLAIN.get(type(value))
        if plain is None:
            from graft.data.fingerprint.objects import write_object

            write_object(self, value)
        elif plain in _NESTED:
            self._nested(plain, value)
        else:
            plain(self, value)

    def at(self, place: str, value: Any) -> None:
        """Writes a value whose place errors are to name."""
        with self.walk.at(place):
            self.value(value)

    def _nested(self, write: Callable[["Writer", Any], None], value: Any) -> None:
        if id(value) in self._open:
            self.text("cycle", str(len(self._open) - self._open.index(id(value))))
            return
        self._open.append(id(value))
        try:
            write(self, value)
        finally:
            self._open.pop()


def _write_items(tag: str) -> Callable[[Writer, Any], None]:
    def write(writer: Writer, items: Any) -> None:
        writer.text(tag, str(len(items)))
        for position, item in enumerate(items):
            if type(item) is str:
                writer.text("str", item)
            elif type(item) in _SIMPLE:
                writer.value(item)
            else:
                writer.at(f"item {position}", item)

    return write


def _write_dict(writer: Writer, items: dict[Any, Any]) -> None:
    writer.text("dict", str(len(items)))
    for key, value in items.items():
        writer.value(key)
        if type(value) in _SIMPLE:
            writer.value(value)
        else:
            writer.at(f"item {key!r}" if type(key) in _SIMPLE else "an item", value)


def _write_set(tag: str) -> Callable[[Writer, Any], None]:
    def write(writer: Writer, items: Any) -> None:
        digests = []
        for item in items:
            if type(item) in _SIMPLE:
                alone = Writer(writer.walk)
                alone.value(item)
                digests.append(alone.hexdigest())
            else:
                walk = writer.walk.inner()
                walk.add("an item", item)
                digests.append(walk.digest())
        writer.text(tag, " ".join(sorted(digests)))

    return write


def _write_pattern(writer: Writer, pattern: re.Pattern[Any]) -> None:
    writer.text("pattern", str(pattern.flags))
    writer.value(pattern.pattern)


def _write_complex(writer: Writer, number: complex) -> None:
    writer.put("complex", struct.pack("<dd", number.real, number.imag))


_NESTED: set[Any] = set()
_PLAIN: dict[type, Callable[[Writer, Any], None]] = {
    type(None): lambda writer, _: writer.put("None"),
    type(...): lambda writer, _: writer.put("Ellipsis"),
    type(NotImplemented): lambda writer, _: writer.put("NotImplemented"),
    bool: lambda writer, value: writer.put("bool", b"1" if value else b"0"),
    int: lambda writer, value: writer.text("int", f"{value:x}"),
    float: lambda writer, value: writer.put("float", struct.pack("<d", value)),
    complex: _write_complex,
    str: lambda writer, value: writer.text("str", value),
    bytes: lambda writer, value: writer.put("bytes", value),
    bytearray: lambda writer, value: writer.put("bytearray", bytes(value)),
    memoryview: lambda writer, value: writer.put("memoryview", value.tobytes()),
    range: lambda writer, value: writer.text("range", str(value)),
    slice: lambda writer, value: writer.value(["slice", value.start, value.stop, value.step]),
    re.Pattern: _write_pattern,
}
_SIMPLE = set(_PLAIN)
for _kind, _write in (
    (list, _write_items("list")),
    (tuple, _write_items("tuple")),
    (dict, _write_dict),
    (set, _write_set("set")),
    (frozenset, _write_set("frozenset")),
):
    _PLAIN[_kind] = _write
    _NESTED.add(_write)
