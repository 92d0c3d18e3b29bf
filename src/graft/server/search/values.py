"""Values that files say, brought to what JSON, UTF-8 and the database can hold."""

import json
import math
from collections.abc import Callable
from typing import Any

from graft.server.errors import EntryNotFoundError
from graft.server.records import Entry

MAX_COUNT = 2**63 - 1
"""The most that the database can count to."""
MAX_INTEGER_BITS = 1024

Read = Callable[[Entry, int, int], bytes]
"""(entry, start, length) -> that part of the file, large files included.

Raises EntryNotFoundError where the repository does not hold the file's bytes."""


def plain(value: Any) -> Any:
    """`value` with nothing in it that JSON, UTF-8 or the database cannot say."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_INTEGER_BITS else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    # PostgreSQL's texts hold no zero.
    return str(value).encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def text_of(value: Any) -> str | None:
    """A text that is not empty, or None."""
    return value.strip() or None if isinstance(value, str) else None


def texts_of(value: Any) -> list[str]:
    """The texts in a field that may be one or a list of them."""
    values = value if isinstance(value, list) else [value]
    return [text for item in values if (text := text_of(item))]


def dict_of(value: Any) -> dict[str, Any]:
    """`value` where it is a mapping; otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def read_json(entry: Entry | None, read: Read, most: int) -> dict[str, Any]:
    """A JSON file's mapping; empty where there is none that can be read, of `most` bytes."""
    if entry is None or not entry.is_file or entry.size > most:
        return {}
    try:
        return dict_of(plain(json.loads(read(entry, 0, entry.size))))
    except (ValueError, RecursionError, EntryNotFoundError):
        return {}
