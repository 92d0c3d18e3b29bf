"""How a client puts a file together itself (specification: "Download Protocol")."""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graft.server.storage.layout import Layout, Term
from graft.server.storage.xorbs import Xorbs
from graft.server.xet.xorb import XorbIndex


@dataclass(frozen=True, slots=True)
class Extent:
    """Chunks of a xorb, and the bytes of its frames in which they lie: `last` is the last byte."""

    xorb: str
    first: int
    end: int
    start: int
    last: int
    is_whole: bool
    """Whether these are all chunks of the xorb."""


def reconstruct(
    xorbs: Xorbs, layout: Layout, start: int, end: int, address: Callable[[Extent], str]
) -> dict[str, Any]:
    """The answer about the bytes from `start` up to `end`, which may not be none.

    Args:
        address: where the frames of an extent can be fetched.

    Raises:
        BlobNotFoundError, StorageError: a xorb that storage does not have.
    """
    terms, skip = _cover(xorbs, layout, start, end)
    ranges: dict[str, list[tuple[int, int]]] = {}
    for term in terms:
        ranges.setdefault(term.xorb, []).append((term.first, term.end))
    fetch: dict[str, list[dict[str, Any]]] = {}
    for name, found in ranges.items():
        index = xorbs.index(name)
        extents = [_extent(name, index, first, stop) for first, stop in merged(found)]
        fetch[name] = [
            {
                "range": {"start": extent.first, "end": extent.end},
                "url": address(extent),
                "url_range": {"start": extent.start, "end": extent.last},
            }
            for extent in extents
        ]
    return {
        "offset_into_first_range": skip,
        "terms": [
            {
                "hash": term.xorb,
                "unpacked_length": term.size,
                "range": {"start": term.first, "end": term.end},
            }
            for term in terms
        ],
        "fetch_info": fetch,
    }


def merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers as ranges that neither overlap nor touch: clients count on that."""
    joined: list[tuple[int, int]] = []
    for first, end in sorted(ranges):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined


def _cover(xorbs: Xorbs, layout: Layout, start: int, end: int) -> tuple[list[Term], int]:
    """The terms in which the bytes lie, those at the ends cut down to the chunks that do; and how
    many bytes of the first to leave out."""
    first, last = layout.term_at(start), bisect_left(layout.ends, end)
    terms = list(layout.terms[first : last + 1])
    skip = start - layout.start_of(first)
    surplus = layout.ends[last] - end
    if surplus:
        terms[-1] = _without_end(xorbs.index(terms[-1].xorb), terms[-1], surplus)
    if skip:
        terms[0], skip = _without_start(xorbs.index(terms[0].xorb), terms[0], skip)
    return terms, skip


def _without_start(index: XorbIndex, term: Term, skip: int) -> tuple[Term, int]:
    base = index.unpacked_start(term.first)
    first = index.chunk_at(base + skip)
    left_out = index.unpacked_start(first) - base
    return Term(term.xorb, first, term.end, term.size - left_out), skip - left_out


def _without_end(index: XorbIndex, term: Term, surplus: int) -> Term:
    base = index.unpacked_start(term.first)
    last = index.chunk_at(base + term.size - surplus - 1)
    return Term(term.xorb, term.first, last + 1, index.unpacked_ends[last] - base)


def _extent(name: str, index: XorbIndex, first: int, end: int) -> Extent:
    start, last = index.packed_start(first), index.packed_ends[end - 1] - 1
    return Extent(name, first, end, start, last, first == 0 and end == len(index))
