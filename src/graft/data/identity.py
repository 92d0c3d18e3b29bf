"""Which rows a data set holds, as 32 hex digits: of its content, or of how it came from another."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from graft.data.features import Features
from graft.data.fingerprint import digest
from graft.data.roles import Roles
from graft.data.rows import Rows

_BYTES = 16
_FORMAT = "graft rows 1"


class Identity:
    """A fingerprint that is computed when it is first asked for, and then kept."""

    def __init__(self, compute: Callable[[str], str], parent: "Identity | None" = None) -> None:
        """`compute` makes the fingerprint of that of `parent`, or of "" where there is none."""
        self._known = ""
        self._compute: Callable[[str], str] | None = compute
        self._parent = parent

    @property
    def fingerprint(self) -> str:
        """32 hex digits."""
        unknown: list[Identity] = []  # a long chain of verbs is no deep recursion
        one: Identity | None = self
        while one is not None and not one._known:
            unknown.append(one)
            one = one._parent
        known = one._known if one is not None else ""
        for one in reversed(unknown):
            assert one._compute is not None
            known = one._known = one._compute(known)
            one._compute = one._parent = None  # what they hold is not needed any more
        return known

    def then(self, verb: str, *arguments: object) -> "Identity":
        """That of the rows which `verb`, with these arguments, makes of the rows of this one.

        Arguments are strings, numbers, None, features, roles, tuples and dicts of those, NumPy
        arrays, columns of Arrow, and other identities.
        """
        return Identity(lambda parent: _digest([verb, parent, *map(_plain, arguments)]), self)


def given(fingerprint: str) -> Identity:
    """The identity of a fingerprint that is known."""
    return Identity(lambda _: fingerprint)


def of_content(rows: Rows, features: Features, roles: Roles) -> Identity:
    """The identity of rows by their values; how they are cut into pieces does not count."""
    return Identity(
        lambda _: _digest(["content", repr(features), repr(roles), _content(rows.materialized())])
    )


def _content(table: pa.Table) -> str:
    return digest(table.replace_schema_metadata(None))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        content = np.ascontiguousarray(value).data
        return [str(value.dtype), hashlib.blake2b(content, digest_size=_BYTES).hexdigest()]
    if isinstance(value, Identity):
        return value.fingerprint
    if isinstance(value, pa.ChunkedArray):
        return _content(pa.table({"": value}))
    return value if isinstance(value, str | int | float | None) else repr(value)


def _digest(parts: list[Any]) -> str:
    content = json.dumps([_FORMAT, *parts])
    return hashlib.blake2b(content.encode(), digest_size=_BYTES).hexdigest()
