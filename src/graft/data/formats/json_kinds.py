"""What kind of value stands under each key of JSON rows: the rows that differ, named by place."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graft.data.formats.bad_rows import BadRows
from graft.errors import DataError

_SHOWN = 60
_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list"}
_EXAMPLE = '{"text": "...", "label": "..."}'


class Place(NamedTuple):
    """Where a row stands: the unit that is counted ("line", "item"), its number, and the text."""

    unit: str
    number: int
    raw: str

    def __str__(self) -> str:
        return f"{self.unit} {self.number}"


@dataclass
class Kinds:
    """The kind of value under each key, as the first row with it has it.

    Attributes:
        name: of the file.
        seen: key -> (kind, the place that has it first).
    """

    name: str
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def good_rows(self, places: Iterable[Place], bad: BadRows) -> Iterator[Place]:
        """The rows that are whole objects of the same kinds as those before.

        Others go to `bad`.
        """
        for place in places:
            try:
                self._check(place)
            except _Bad as refused:
                line = place.number if place.unit == "line" else None
                bad.refuse(self.name, line, refused.reason, place.raw, refused.error)
            else:
                yield place

    def _check(self, place: Place) -> None:
        where = f"{self.name}, {place}"
        try:
            row = json.loads(place.raw, object_pairs_hook=_checked)
        except (ValueError, RecursionError) as error:
            raise _broken(where, place.raw, error) from error
        if not isinstance(row, dict):
            reason = f"{kind_of(row)} stands where an object was expected"
            raise _Bad(reason, DataError(f"{where}: {reason}, such as {_EXAMPLE}."))
        values = list(_values_in(row, ""))
        for key, value in values:
            if not isinstance(value, int) or -(2**63) <= value < 2**63:
                continue
            reason = f"column {key!r}: {value} is more than a whole number of 64 bits holds"
            advice = "Write such numbers as text."
            raise _Bad(reason, DataError(f"{where}, {reason}. {advice}"))
        found = [(key, kind_of(value)) for key, value in values]
        for key, kind in found:
            usual, first = self.seen.get(key, (kind, ""))
            if usual != kind:
                raise _Bad(
                    f"column {key!r}: {kind} in place of {usual}",
                    DataError(
                        f"{where}, column {key!r}: {kind}, but {first} has {usual} there. "
                        "Write all values of a column in one way."
                    ),
                )
        for key, kind in found:
            self.seen.setdefault(key, (kind, str(place)))


class _Bad(Exception):
    """A row that does not fit: why, in a few words and as an error."""

    def __init__(self, reason: str, error: DataError) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return _KINDS.get(type(value), "an object" if isinstance(value, dict) else "null")


def _values_in(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """All values within a row but nulls, by the keys that lead there; what holds others, first."""
    if isinstance(value, dict):
        inside = [(f"{path}.{key}" if path else key, inner) for key, inner in value.items()]
    elif isinstance(value, list):
        inside = [(f"{path}[]", inner) for inner in value]
    else:
        return
    for place, inner in inside:
        if inner is not None:
            yield place, inner
            yield from _values_in(inner, place)


def _broken(where: str, raw: str, error: Exception) -> _Bad:
    at = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
    shown = raw if len(raw) <= _SHOWN else f"{raw[:_SHOWN]}..."
    return _Bad(
        f"broken JSON ({reason})",
        DataError(
            f"{where}{at}: broken JSON ({reason}): {shown}\n"
            f"Each line must be one whole object, such as {_EXAMPLE}."
        ),
    )


def _checked(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands there twice")
    return values
