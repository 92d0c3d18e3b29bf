"""The scheme of a column of tags: told, checked, and another one instead."""

from collections.abc import Sequence

import pyarrow as pa

from graft.data.tags.schemes import SCHEMES, Tagset, scheme_named, schemes_by_letters, tag_names
from graft.data.tags.words import TagProblem, as_column, distinct_in, tagset_in, words_of
from graft.errors import DataError

_MOST_PROBLEMS = 100
_SHOWN = 12


def scheme_of(column: pa.ChunkedArray, names: Sequence[str] | None = None) -> str | None:
    """The scheme that the tags of a column are in: "IOB1", "IOB2", "BIOES", "BILOU" or "BMES".

    IOB1 and IOB2 have the same tags: it is the one that fewer words go against, and IOB2 where
    nothing tells. `names` are the tags' names where the column holds numbers.

    Returns None for tags of no scheme, such as parts of speech.
    """
    tags = tagset_in(column, names)
    if tags is None or not tags.labels:
        return None
    schemes = schemes_by_letters(tags.letters)
    if not {"IOB1", "IOB2"} <= set(schemes):
        return schemes[0] if schemes else None
    against = dict.fromkeys(("IOB2", "IOB1"), 0)
    for words in words_of(column, tags):
        for name in against:
            against[name] += int(words.against(name).sum())
    return min(against, key=lambda name: against[name])


def check_tags(
    column: pa.ChunkedArray,
    scheme: str | None = None,
    names: Sequence[str] | None = None,
    *,
    limit: int = _MOST_PROBLEMS,
) -> list[TagProblem]:
    """The tags that their scheme does not allow where they stand, in order; at most `limit`.

    Args:
        column: lists of tags, or of their numbers.
        scheme: the one that counts; that of the column when None.
        names: the tags' names where the column holds numbers.
        limit: so many problems are enough.

    Raises `DataError` when the tags are of no scheme.
    """
    tags, scheme = known_tags(column, names, scheme)
    problems: list[TagProblem] = []
    for words in words_of(column, tags):
        problems += words.problems(scheme, limit - len(problems))
    return problems


def convert_tags(
    column: pa.ChunkedArray,
    to: str,
    scheme: str | None = None,
    names: Sequence[str] | None = None,
    *,
    repair: bool = False,
) -> tuple[pa.ChunkedArray, list[str]]:
    """The same spans in the tags of another scheme.

    Args:
        column: lists of tags, or of their numbers.
        to: the scheme wanted, such as "BIOES".
        scheme: the one they are in; told from the tags when None.
        names: the tags' names where the column holds numbers.
        repair: whether tags that are not legal where they stand become legal ones; they keep
            the spans that the CoNLL evaluations read.

    Returns the column, tags or numbers as before, and the names of all tags of the new scheme,
    "O" first: what its numbers count.

    Raises `DataError` naming the first tag that is not legal, unless `repair`.
    """
    to = scheme_named(to)
    tags, scheme = known_tags(column, names, scheme)
    if not repair:
        for problem in check_tags(column, scheme, names, limit=1):
            raise DataError(
                f"The tags are not all legal in {scheme}: {problem}. Correct it, or convert with "
                "repair=True; check_tags lists all."
            )
    new_names = tag_names(tags.labels, to, tags.separator)
    table = tags.numbers(to, new_names)
    written = pa.array(new_names, pa.string()) if names is None else None
    chunks = [
        as_column(words.lists, words.in_scheme(to, table), words.missing, written)
        for words in words_of(column, tags)
    ]
    value = pa.int64() if written is None else pa.string()
    return pa.chunked_array(chunks, pa.list_(value)), new_names


def known_tags(
    column: pa.ChunkedArray, names: Sequence[str] | None, scheme: str | None
) -> tuple[Tagset, str]:
    """The tags of a column and their scheme. Raises `DataError` where they are of none."""
    tags = tagset_in(column, names)
    found = scheme_of(column, names) if scheme is None else scheme_named(scheme)
    if tags is not None and not tags.labels:
        return tags, found or "IOB2"  # there are no spans: every scheme is right
    if tags is None or found is None:
        written = distinct_in(column) if names is None else list(names)
        raise DataError(
            f"These are not tags of a scheme that Graft knows ({', '.join(SCHEMES)}): "
            f"{', '.join(map(str, written[:_SHOWN]))}."
        )
    return tags, found
