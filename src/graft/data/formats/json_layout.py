"""Where the rows of a JSON file are: one a line, in an array, under a key, or in splits."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from graft.data.cache import Step, cached
from graft.data.cache.files import EntryWriter
from graft.data.fingerprint.files import file_digest
from graft.data.formats.data_file import DataFile, Options
from graft.data.formats.encoding import Text, text_of
from graft.data.formats.json_stream import JsonStream
from graft.errors import DataError

_FIRST = 1 << 20
_SPLIT_WORDS = frozenset(
    ["train", "training", "validation", "valid", "val", "dev", "test", "testing", "eval"]
)


@dataclass(frozen=True)
class Layout:
    """Where the rows are.

    Attributes:
        kind: "lines" (an object on each), "array" (of rows), or "squad" (articles of paragraphs).
        path: the keys that lead to the array; () where it is the document.
        splits: the keys below `path` whose arrays are splits; () where there is but one array.
    """

    kind: str
    path: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()


def layout_of(file: DataFile, options: Options, text: Text | None = None) -> Layout:
    """Where the rows of a file are; the option `field` is the path to them, keys joined by dots.

    `text` is the file in its encoding, where that has been found out already.

    Raises `DataError` where there are none, or where it is not clear which are meant.
    """
    field = options.get("field")
    if field is None:
        start = _start(file)
        if start.startswith(b"["):
            return Layout("array")
        if _has_lines(start):
            return Layout("lines")
    # A document is to be walked through to its end, which is done once.
    parts = {
        "file": file.remote or file_digest(file.path),
        "member": file.member or "",
        "encoding": str(options.get("encoding")),
        "field": field or "",
    }

    def write(writer: EntryWriter) -> None:
        whole = text or text_of(file, options.get("encoding"))
        writer.metadata.update(asdict(_found(whole, field)))

    about = cached(Step("layout of JSON", parts), write).metadata
    return Layout(about["kind"], tuple(about["path"]), tuple(about["splits"]))


def _found(text: Text, field: str | None) -> Layout:
    path = tuple(field.split(".")) if field else ()
    with JsonStream(text) as stream:
        _descend(stream, text, path)
        start = stream.peek()
        if start == "[":
            return Layout("array", path)
        if start != "{":
            raise DataError(
                f"{text.file.name}: {f'under {field!r}' if field else 'in the file'} stands a "
                "single value. Rows are one object per line, or an array of objects."
            )
        arrays, others = _arrays(stream)
    where = text.file.name + (f", under {field!r}" if field else "")
    return _layout(arrays, others, path, where)


def open_rows(text: Text, path: tuple[str, ...]) -> JsonStream:
    """A stream at the array to which `path` leads."""
    stream = JsonStream(text)
    _descend(stream, text, path)
    return stream


def _layout(arrays: dict[str, Any], others: list[str], path: tuple[str, ...], where: str) -> Layout:
    """The layout of an object with these keys of arrays, of which the first item is known."""
    rows = [key for key, first in arrays.items() if isinstance(first, dict | list)]
    if len(rows) == 1 and isinstance(arrays[rows[0]], dict) and "paragraphs" in arrays[rows[0]]:
        return Layout("squad", (*path, rows[0]))
    # Where every key holds rows, and one is named like a split, the keys are splits.
    if rows and len(rows) == len(arrays) and not others and any(map(_names_split, rows)):
        return Layout("array", path, tuple(rows))
    if len(rows) == 1:
        return Layout("array", (*path, rows[0]))
    keys = ", ".join([*arrays, *others][:20]) or "none"
    if rows:
        dotted = ".".join([*path, rows[0]])
        raise DataError(
            f"{where}: several arrays could be the rows: {', '.join(rows)}. "
            f"Give the one that is meant: field={dotted!r}."
        )
    raise DataError(
        f"{where}: no array of rows is there. Its keys are: {keys}. Give the path to the rows, "
        "field='<key>.<key>'."
    )


def _names_split(key: str) -> bool:
    return any(word in _SPLIT_WORDS for word in re.split(r"[-_. ]+", key.lower()))


def _arrays(stream: JsonStream) -> tuple[dict[str, Any], list[str]]:
    """The keys of an object whose values are arrays, each with its first item; and the others."""
    arrays: dict[str, Any] = {}
    others = []
    for key in stream.pairs():
        if stream.peek() != "[":
            others.append(key)
            stream.skip()
            continue
        items = stream.items()
        first = next(items, None)
        if first is None:
            others.append(key)
        else:
            arrays[key] = first.value
        for _ in items:
            pass
    return arrays, others


def _descend(stream: JsonStream, text: Text, path: tuple[str, ...]) -> None:
    for depth, wanted in enumerate(path):
        there = []
        if stream.peek() == "{":
            for key in stream.pairs():
                if key == wanted:
                    break
                there.append(key)
                stream.skip()
            else:
                raise _no_such_key(text, path[: depth + 1], there)
        else:
            raise _no_such_key(text, path[: depth + 1], there)


def _no_such_key(text: Text, path: tuple[str, ...], there: list[str]) -> DataError:
    above = f" under {'.'.join(path[:-1])!r}" if len(path) > 1 else ""
    keys = ", ".join(there[:20]) or "none"
    return DataError(
        f"{text.file.name} has no key {path[-1]!r}{above} (field={'.'.join(path)!r}). "
        f"The keys there are: {keys}."
    )


def _start(file: DataFile) -> bytes:
    """How a file starts, white space and marks left out; UTF-16 need not be told from JSON."""
    with file.open() as stream:
        return stream.read(_FIRST).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").replace(b"\0", b"")


def _has_lines(start: bytes) -> bool:
    """Whether a file that starts so holds an object on each line."""
    if not start.startswith(b"{"):
        return True
    line, _, rest = start.partition(b"\n")
    try:
        first = json.loads(line)
    except ValueError:
        # Broken, or the start of a document that goes on below.
        return bool(rest.lstrip().startswith(b"{"))
    if rest.strip():
        return True
    return not any(
        isinstance(item, list) and item and isinstance(item[0], dict | list)
        for item in first.values()
    )
