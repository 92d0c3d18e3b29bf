"""XML: a row per element of one name; its attributes and children are the columns.

A file is read twice, each time from front to back: first for what its rows hold, as the columns and
their types have to stand before the first row, then for the rows.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

import pyarrow as pa

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, DataFile, Format, Options
from graft.errors import DataError

_BLOCK = 1 << 16
_ROWS = 1000
_DEEPEST = 64
_TEXT = "text"
_NAMED = 8


@dataclass
class Shape:
    """What elements of one name hold, over all of a file's rows.

    Attributes:
        attributes: names of their attributes and of their children.
        children: the children's shapes, by name.
        several: children that an element has more than one of.
        has_text: whether any has text of its own.
        mixed: whether any has text between its children: it is text as a whole then.
    """

    attributes: dict[str, None] = field(default_factory=dict)
    children: dict[str, "Shape"] = field(default_factory=dict)
    several: set[str] = field(default_factory=set)
    has_text: bool = False
    mixed: bool = False

    @property
    def is_text(self) -> bool:
        """Whether such an element is no more than a text."""
        return self.mixed or not (self.attributes or self.children)

    def fields(self) -> list[pa.Field]:
        """The attributes, then the children, then the text, as fields of Arrow."""
        fields = {name: pa.string() for name in self.attributes}
        for name, shape in self.children.items():
            if self.mixed:
                break
            key = name if name not in fields else f"{name}_element"
            own = pa.string() if shape.is_text else pa.struct(shape.fields())
            fields[key] = pa.list_(own) if name in self.several else own
        if self.has_text or self.mixed:
            fields[_TEXT if _TEXT not in fields else "text_content"] = pa.string()
        return [pa.field(name, own) for name, own in fields.items()]


@dataclass
class _Element:
    """An element that is being read."""

    name: str
    attributes: dict[str, str]
    children: list["_Element"] = field(default_factory=list)
    # Its own texts and those of its children, in the order of the file.
    texts: list[str] = field(default_factory=list)
    own: bool = False


def read_xml(file: DataFile, options: Options, _bad: BadRows) -> Content:
    """The elements of one name as rows.

    The option `element` is that name (a namespace's prefix is left out); where it is not given, it
    is the one name that all children of the root have. An attribute is a column of text, and so is
    a child that holds text alone; one with attributes or children of its own is a record, and one
    that an element has several of is a list. Text of the element itself is the column `text`.
    An element that has text between its children (`a <b>bold</b> word`) is the text of it all.

    Raises `DataError` naming the line for a file that is not well-formed, and for one with a
    document type: that can hold entities, which Graft does not expand.
    """
    element = options.get("element")
    name = _only_name(file) if element is None else str(element)
    shape, found = Shape(), 0
    for item in _elements(file, name):
        found += 1
        _widen(shape, item)
    if not found:
        raise DataError(f"{file.name}: there is no element <{name}>. {_names_in(file)}")
    if not shape.fields():
        raise DataError(f"{file.name}: the elements <{name}> have no attributes, children or text.")
    return Content(_batches(file, name, shape), untyped=True)


def _batches(file: DataFile, name: str, shape: Shape) -> Iterator[pa.RecordBatch]:
    schema = pa.schema(shape.fields())
    rows: list[dict[str, Any]] = []
    for item in _elements(file, name):
        rows.append(_record(item, shape))
        if len(rows) == _ROWS:
            yield pa.RecordBatch.from_pylist(rows, schema)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, schema)


def _widen(shape: Shape, item: _Element) -> None:
    """Makes `shape` one that `item` has too."""
    shape.attributes.update(dict.fromkeys(item.attributes))
    shape.has_text |= item.own
    shape.mixed |= item.own and bool(item.children)
    counts = Counter(child.name for child in item.children)
    shape.several.update(name for name, count in counts.items() if count > 1)
    for child in item.children:
        _widen(shape.children.setdefault(child.name, Shape()), child)


def _record(item: _Element, shape: Shape) -> dict[str, Any]:
    """The values of an element by the names that `Shape.fields` gives them."""
    values: dict[str, Any] = dict(item.attributes)
    if not shape.mixed:
        for child in item.children:
            inner = shape.children[child.name]
            key = child.name if child.name not in shape.attributes else f"{child.name}_element"
            value = _text(child) if inner.is_text else _record(child, inner)
            if child.name in shape.several:
                values.setdefault(key, []).append(value)
            else:
                values[key] = value
    if item.own or shape.mixed:
        taken = {*shape.attributes, *({} if shape.mixed else shape.children)}
        values[_TEXT if _TEXT not in taken else "text_content"] = _text(item)
    return values


def _text(item: _Element) -> str:
    return "".join(item.texts).strip()


class _Reader:
    """Collects the elements of one name while a file is parsed."""

    def __init__(self, file: DataFile, name: str) -> None:
        self._file, self._name = file, name
        self._open: list[_Element] = []
        self.done: list[_Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = _local(name)
        if not self._open and name != self._name:
            return
        if len(self._open) == _DEEPEST:
            raise DataError(
                f"{self._file.name}: elements are nested more than {_DEEPEST} deep within a row."
            )
        self._open.append(_Element(name, {_local(key): text for key, text in attributes.items()}))

    def text(self, text: str) -> None:
        if self._open:
            self._open[-1].texts.append(text)
            self._open[-1].own |= not text.isspace()

    def end(self, name: str) -> None:
        if not self._open:
            return
        item = self._open.pop()
        if not self._open:
            self.done.append(item)
            return
        self._open[-1].children.append(item)
        self._open[-1].texts += item.texts


def _elements(file: DataFile, name: str) -> Iterator[_Element]:
    """The elements of a name, in the order of the file; those within another are part of it."""
    reader = _Reader(file, name)
    for _ in _parsed(file, reader.start, reader.end, reader.text):
        yield from reader.done
        reader.done.clear()


def _parsed(
    file: DataFile,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None],
    text: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Parses a file block by block, calling back for what it holds; stops after each block."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text

    def refuse(*_: object) -> None:
        raise DataError(
            f"{file.name}, line {parser.CurrentLineNumber}: the file has a document type "
            "(<!DOCTYPE ...>), which can define entities; Graft does not expand any. Remove it."
        )

    parser.StartDoctypeDeclHandler = refuse
    try:
        with file.open() as stream:
            while block := stream.read(_BLOCK):
                parser.Parse(block, False)
                yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(
            f"{file.name}, line {error.lineno}, column {error.offset + 1}: broken XML ({reason}). "
            "Correct it there, or write or download the file again."
        ) from error


def _children_of_root(file: DataFile) -> Counter[str]:
    """How many children of each name the root has."""
    counts: Counter[str] = Counter()
    depth = 0

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal depth
        if depth == 1:
            counts[_local(name)] += 1
        depth += 1

    def end(_: str) -> None:
        nonlocal depth
        depth -= 1

    for _ in _parsed(file, start, end):
        pass
    return counts


def _only_name(file: DataFile) -> str:
    counts = _children_of_root(file)
    if len(counts) == 1:
        return next(iter(counts))
    raise DataError(
        f"{file.name}: which element is a row? {_told(counts)} Give its name: element='...'."
    )


def _names_in(file: DataFile) -> str:
    return _told(_children_of_root(file))


def _told(counts: Counter[str]) -> str:
    if not counts:
        return "The root has no elements in it."
    named = ", ".join(f"<{name}> ({count:,})" for name, count in counts.most_common(_NAMED))
    return f"The root holds: {named}."


def _local(name: str) -> str:
    return name.rsplit(":", 1)[-1]


XML = Format("XML", (".xml",), read_xml, frozenset(["element"]))
