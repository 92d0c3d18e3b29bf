"""Finding repositories by words: FTS5 in SQLite, a GIN index in PostgreSQL, behind one interface.

Both databases are given words that were taken apart here, so that both find the same. A repository
is found by the beginning of each of its words; and by any part of its name, whatever stands between
the letters there: its index holds the name's letters and digits from each of them on, as words of
their own with a mark before them.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    BigInteger,
    Select,
    Text,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    text,
)
from sqlalchemy.orm import Session

from graft.server.db.database import Dialect, Reader, dialect_of

MAX_TEXT_CHARACTERS = 200_000
MAX_WORD_CHARACTERS = 64
MAX_QUERY_WORDS = 16
MAX_PART = 32
"""How many letters of a name are compared at most."""
Ids = npt.NDArray[np.int64]
_MARK = "\u00b7"
"""Before the parts of names; no word of a text holds it."""

_WORD = re.compile(r"[^\W_]+")


def words_of(content: str) -> list[str]:
    """The words of a text, each once, in lower case and without accents: `Naïve` gives `naive`."""
    content = content[:MAX_TEXT_CHARACTERS]
    if not content.isascii():
        parts = unicodedata.normalize("NFKD", content.casefold())
        content = "".join(part for part in parts if not unicodedata.combining(part))
    found = _WORD.findall(content.lower())
    return list(dict.fromkeys(word[:MAX_WORD_CHARACTERS] for word in found))


def index_words(name: str, texts: Iterable[str]) -> str:
    """All that the repository `name` is found by, beside each other."""
    words = dict.fromkeys(words_of(name))
    joined = "".join(words)
    words.update(dict.fromkeys(_MARK + joined[at : at + MAX_PART] for at in range(len(joined) - 1)))
    for content in texts:
        words.update(dict.fromkeys(words_of(content)))
    return " ".join(words)


def write(session: Session, repository_id: int, name: str, texts: Iterable[str]) -> None:
    """Replaces the words that the repository `name` is found by."""
    remove(session, repository_id)
    given = {"id": repository_id, "words": index_words(name, texts)}
    session.execute(text(_INSERT[dialect_of(session)]), given)


def remove(session: Session, repository_id: int) -> None:
    """Forgets a repository's words."""
    session.execute(text("DELETE FROM repository_search WHERE rowid = :id"), {"id": repository_id})


def with_words(reader: Reader, words: Sequence[str]) -> Select[int]:
    """The ids of all repositories that have, for each of the words, one that begins with it, or
    whose name has all the words' letters in a row. There must be at least one word."""
    words, joined = words[:MAX_QUERY_WORDS], "".join(words)[:MAX_PART]
    if dialect_of(reader) == "sqlite":
        condition = "repository_search MATCH :pattern"
        begins, either, both = '"{}"*', " OR ", " AND "
    else:
        # As it is: `to_tsquery` would take the marks away.
        condition = "words @@ CAST(:pattern AS tsquery)"
        begins, either, both = "'{}':*", " | ", " & "
    pattern = both.join(begins.format(word) for word in words)
    if len(joined) > 1:
        pattern = f"({pattern}){either}{begins.format(_MARK + joined)}"
    return (
        select(column("rowid", BigInteger))
        .select_from(text("repository_search"))
        .where(text(condition).bindparams(bindparam("pattern", pattern, unique=True)))
    )


def among(reader: Reader, ids: Iterable[int]) -> Select[int]:
    """A query that answers just these ids, which travel as one value: there may be thousands."""
    return listed_ids(dialect_of(reader)).params(listed=as_list(ids))


def listed_ids(dialect: Dialect) -> Select[int]:
    """A query that answers the ids of the parameter `listed`, which `as_list` makes."""
    if dialect == "sqlite":
        source, value = "json_each(:listed)", "value"
    else:
        source = "json_array_elements_text(CAST(:listed AS JSON)) AS listed(value)"
        value = "CAST(value AS BIGINT)"
    return select(literal_column(value, BigInteger)).select_from(text(source))


def as_list(ids: Iterable[int]) -> str:
    """Ids as the parameter `listed`."""
    return json.dumps(list(ids))


def ids_of(reader: Reader, query: Select[Any]) -> Ids:
    """The ids that a query answers, in its order."""
    return read_ids(reader, joined_ids(dialect_of(reader), query))


def joined_ids(dialect: Dialect, query: Select[Any]) -> Select[Any]:
    """A query that answers the ids of another as one text: a row for each of a hundred thousand
    would take ten times as long."""
    found = query.subquery()
    column_ = found.c[0]
    if dialect == "sqlite":
        joined = func.group_concat(column_)
    else:
        joined = func.string_agg(cast(column_, Text), literal(","))
    return select(joined).select_from(found)


def read_ids(reader: Reader, joined: Select[Any], values: Mapping[str, Any] | None = None) -> Ids:
    """The ids that a query of `joined_ids` answers; `values` are its parameters."""
    listed = reader.scalar(joined, values)
    return np.fromstring(listed or "", dtype=np.int64, sep=",")


_INSERT = {
    "sqlite": "INSERT INTO repository_search (rowid, words) VALUES (:id, :words)",
    "postgresql": "INSERT INTO repository_search (rowid, words) "
    "VALUES (:id, array_to_tsvector(string_to_array(:words, ' ')))",
}
