"""What a large object is made of: runs of chunks, each in a xorb."""

import struct
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from graft.server.xet.hashes import from_text, to_text

_TERM = struct.Struct("<32sIII")


@dataclass(frozen=True, slots=True)
class Term:
    """A run of chunks: those of `xorb` from number `first` up to, not including, `end`; `size` are
    their bytes."""

    xorb: str
    first: int
    end: int
    size: int


class Layout:
    """The terms of one object, in their order."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = tuple(terms)
        self.ends = array("Q", accumulate(term.size for term in terms))
        """Where in the object each term ends."""

    @property
    def size(self) -> int:
        """The object's bytes."""
        return self.ends[-1] if self.ends else 0

    @property
    def xorbs(self) -> list[str]:
        """Each xorb once, in the order of their first terms."""
        return list(dict.fromkeys(term.xorb for term in self.terms))

    def term_at(self, position: int) -> int:
        """The number of the term in which a byte of the object lies."""
        return bisect_right(self.ends, position)

    def start_of(self, number: int) -> int:
        """Where in the object a term begins."""
        return self.ends[number - 1] if number else 0

    def encode(self) -> bytes:
        """The terms as the database keeps them."""
        raw = {name: from_text(name) for name in self.xorbs}
        return b"".join(
            _TERM.pack(raw[term.xorb], term.first, term.end, term.size) for term in self.terms
        )


def decode(data: bytes) -> Layout:
    """The layout that `encode` wrote."""
    names: dict[bytes, str] = {}
    terms = []
    for raw, first, end, size in _TERM.iter_unpack(data):
        name = names.get(raw) or names.setdefault(raw, to_text(raw))
        terms.append(Term(name, first, end, size))
    return Layout(terms)


def join(terms: Iterable[Term]) -> list[Term]:
    """The same terms, those that follow each other within a xorb made one."""
    joined: list[Term] = []
    for term in terms:
        last = joined[-1] if joined else None
        if last is not None and last.xorb == term.xorb and last.end == term.first:
            joined[-1] = Term(term.xorb, last.first, term.end, last.size + term.size)
        else:
            joined.append(term)
    return joined
