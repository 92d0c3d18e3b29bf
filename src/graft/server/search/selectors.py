"""What repositories are chosen by: each selector stands for a set of them.

A selector that few repositories have is looked up at once, and its list of ids is the beginning of
the search. One that thousands have is kept as a bit for each repository, so that no request walks
through all of them: for some seconds, and longer while no repository changes.
"""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Select, and_, false, func, select

from graft.server.db.database import Reader
from graft.server.db.tables import AccountRow, RepositoryRow, TagRow
from graft.server.records import Kind, Query
from graft.server.search import text
from graft.server.search.kept import Kept

FEW = 500
"""A selector that no more repositories have is looked up anew for every request."""
KEPT_SECONDS = 60.0
KEPT_SETS = 1000
CURRENT_SECONDS = 10.0
"""A set that is kept counts so long at least, whatever changes meanwhile."""

Bits = npt.NDArray[np.bool_]
"""For each id whether it is among those chosen: `bits[id]`."""

_R = RepositoryRow.__table__.c
# Of each kind by itself: an index begins with the kind.
_NEWEST = select(
    *(
        select(func.max(_R.updated_at)).where(_R.kind == kind.value).scalar_subquery()
        for kind in Kind
    )
)
_NAME_CHARACTERS = re.compile(r"[a-z0-9._/-]+")


@dataclass(frozen=True)
class Selector:
    """One condition: `key` names it, `ids` finds who fulfils it."""

    key: Hashable
    ids: Callable[[Reader], Select[Any]]


@dataclass(frozen=True)
class _Set:
    """Who fulfilled a selector, eight to a byte, and what of the database it was read from."""

    packed: npt.NDArray[np.uint8]
    size: int
    made: float
    changes: tuple[Any, ...]
    """When a repository of each kind had changed last."""

    @property
    def bits(self) -> Bits:
        return np.unpackbits(self.packed, count=self.size).view(np.bool_)


class CommonSets:
    """The sets of selectors that thousands of repositories have."""

    def __init__(self) -> None:
        self._kept: Kept[_Set | set[int]] = Kept(KEPT_SECONDS, KEPT_SETS)

    def choose(self, reader: Reader, selectors: Sequence[Selector]) -> "list[int] | Bits | None":
        """Which ids fulfil all selectors: a list where they are few, bits where they are many, None
        where there is nothing to choose by."""
        few: set[int] | None = None
        many: Bits | None = None
        changes = _Changes(reader)
        for selector in selectors:
            chosen = self._look_up(reader, selector, changes)
            if isinstance(chosen, set):
                few = chosen if few is None else few & chosen
            else:
                many = chosen if many is None else _both(many, chosen)
        if few is not None:
            return [i for i in few if many is None or (i < len(many) and many[i])]
        if many is None:
            return None
        return np.flatnonzero(many).tolist() if np.count_nonzero(many) <= FEW else many

    def _look_up(self, reader: Reader, selector: Selector, changes: "_Changes") -> set[int] | Bits:
        kept = self._kept.get(selector.key)
        if isinstance(kept, _Set):
            if monotonic() - kept.made < CURRENT_SECONDS or kept.changes == changes.newest:
                return kept.bits
            self._kept.forget(selector.key)
        # All at once: to see first whether they are few takes as long where a word is frequent.
        found = self._kept.get_or_make(
            selector.key,
            lambda: _read(reader, selector, changes),
            keep=lambda found: isinstance(found, _Set),
        )
        return found.bits if isinstance(found, _Set) else found


def selectors_of(query: Query) -> list[Selector]:
    """What a query chooses by, words first."""
    found: list[Selector] = []
    found += _words(query.words.lower())
    found += [_tag(query.kind, tag) for tag in query.tags]
    if query.author:
        found.append(_author(query.kind, query.author.lower()))
    if query.gated:
        found.append(_gated(query.kind))
    return found


def _words(pattern: str) -> list[Selector]:
    """A selector for each piece of what was typed in, as spaces divide it."""
    pieces = pattern.split()
    with_words = [piece for piece in pieces if text.words_of(piece)]
    found = [_piece(piece) for piece in (with_words or pieces)[: text.MAX_QUERY_WORDS]]
    return list({selector.key: selector for selector in found}.values())


def _piece(piece: str) -> Selector:
    words = tuple(text.words_of(piece))
    if words:
        return Selector(("words", words), lambda reader: text.with_words(reader, words))
    if _NAME_CHARACTERS.fullmatch(piece):
        in_name = RepositoryRow.key.contains(piece, autoescape=True)
        return Selector(("name", piece), lambda _: select(RepositoryRow.id).where(in_name))
    # No name has such a character, and no word: nothing can be found by it.
    return Selector(("none",), lambda _: select(RepositoryRow.id).where(false()))


def _tag(kind: Kind, tag: str) -> Selector:
    # Clients name a language or a library with its prefix or without.
    names = list(dict.fromkeys([tag, f"language:{tag}", tag.removeprefix("library:")]))

    def ids(_: Reader) -> Select[Any]:
        tagged = and_(TagRow.kind == kind.value, TagRow.tag.in_(names))
        return select(TagRow.repository_id).where(tagged).distinct()

    return Selector(("tag", kind, tag), ids)


def _author(kind: Kind, key: str) -> Selector:
    def ids(_: Reader) -> Select[Any]:
        owner = select(AccountRow.id).where(AccountRow.key == key).scalar_subquery()
        mine = and_(RepositoryRow.owner_id == owner, RepositoryRow.kind == kind.value)
        return select(RepositoryRow.id).where(mine)

    return Selector(("author", kind, key), ids)


def _gated(kind: Kind) -> Selector:
    gated = and_(RepositoryRow.gated.is_not(None), RepositoryRow.kind == kind.value)
    return Selector(("gated", kind), lambda _: select(RepositoryRow.id).where(gated))


class _Changes:
    """When a repository of each kind has changed last; asked for once, where it matters."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @cached_property
    def newest(self) -> tuple[Any, ...]:
        return tuple(self._reader.execute(_NEWEST).one())


def _read(reader: Reader, selector: Selector, changes: _Changes) -> _Set | set[int]:
    """Who fulfils a selector: as a set of ids where they are few."""
    made = monotonic()
    ids = text.ids_of(reader, selector.ids(reader))
    if len(ids) <= FEW:
        return set(ids.tolist())
    size = int(reader.scalar(select(func.max(RepositoryRow.id))) or 0) + 1
    bits = np.zeros(max(size, int(ids.max()) + 1), dtype=np.bool_)
    bits[ids] = True
    return _Set(np.packbits(bits), len(bits), made, changes.newest)


def _both(one: Bits, other: Bits) -> Bits:
    length = min(len(one), len(other))
    return one[:length] & other[:length]


def within(query: Query) -> list[ColumnElement[bool]]:
    """The conditions that are looked at row by row."""
    conditions: list[ColumnElement[bool]] = [_R.kind == query.kind.value]
    if query.gated is False:
        conditions.append(_R.gated.is_(None))
    if query.min_parameters is not None:
        conditions.append(_R.parameters >= query.min_parameters)
    if query.max_parameters is not None:
        conditions.append(_R.parameters <= query.max_parameters)
    if query.sort == "parameters":
        conditions.append(_R.parameters.is_not(None))
    return conditions
