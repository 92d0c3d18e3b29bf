"""What texts are made of: letters by script; and texts by their letters and digits alone.

All is done with arrays over the bytes of a column (UTF-8): no Python object per text.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.describe.script_table import RANGES

Bytes = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.int64]

KINDS = list(RANGES)
"""The scripts, "other scripts" and "digits"; the kind of a character is a place in it from 1."""

_DIGITS = KINDS.index("digits") + 1
_LATIN = KINDS.index("Latin") + 1
_CHARACTERS = 0x110000
# The first byte of a character of n bytes is at least the n-th of these; those from 0x80 on follow.
_FIRST_OF = (0, 0xC0, 0xE0, 0xF0)


@cache
def kind_table() -> Bytes:
    """`uint8[0x110000]`: the kind of each character, 0 for what is neither letter nor digit."""
    table = np.zeros(_CHARACTERS, np.uint8)
    for number, ranges in enumerate(RANGES.values(), 1):
        for part in ranges.split():
            first, _, last = part.partition("-")
            table[int(first, 16) : int(last or first, 16) + 1] = number
    return table


@dataclass(frozen=True)
class Texts:
    """The bytes of a column of texts and what each is of.

    Attributes:
        data: `uint8[bytes]`, the texts laid end to end.
        offsets: `int64[texts + 1]`, where in `data` each begins.
        kinds: `uint8[bytes]`: at the first byte of each character its kind, else 0.
        wide: `int64[characters]`, where in `data` characters of two bytes or more begin.
    """

    data: Bytes
    offsets: Counts
    kinds: Bytes
    wide: Counts

    @classmethod
    def of(cls, texts: pa.Array) -> "Texts":
        """Those of an array of strings; a missing one is empty."""
        texts = pc.fill_null(texts.cast(pa.large_string()), "")
        _, offset_bytes, content = texts.buffers()
        if len(texts) == 0 or content is None:
            nothing = np.zeros(0, np.uint8)
            none = np.zeros(len(texts) + 1, np.int64)
            return cls(nothing, none, nothing, none[:0])
        offsets = np.frombuffer(offset_bytes, np.int64)[texts.offset :][: len(texts) + 1]
        data = np.frombuffer(content, np.uint8)[offsets[0] : offsets[-1]]
        wide = np.flatnonzero(data >= _FIRST_OF[1])
        kinds = np.append(kind_table()[:128], np.zeros(128, np.uint8))[data]
        kinds[wide] = kind_table()[_characters_at(data, wide)]
        return cls(data, offsets - offsets[0], kinds, wide)

    def by_script(self) -> Counts:
        """`int64[texts, 1 + kinds]`: how many letters of each script each text has."""
        rows = len(self.offsets) - 1
        width = len(KINDS) + 1
        row_of = np.searchsorted(self.offsets, self.wide, side="right") - 1
        cells = row_of * width + self.kinds[self.wide]
        counts = np.bincount(cells, minlength=rows * width).reshape(rows, width)
        latin = (self.kinds == _LATIN) & (self.data < _FIRST_OF[1])  # the only letters in ASCII
        counts[:, _LATIN] += _sums(latin, self.offsets)
        counts[:, [0, _DIGITS]] = 0
        return counts

    def letters_and_digits(self) -> pa.Array:
        """The texts without all other characters: `large_string[texts]`."""
        keep = self.kinds > 0
        for bytes_before in (1, 2, 3):  # the bytes that follow a first one go with it
            long = self.wide[self.data[self.wide] >= _FIRST_OF[bytes_before]]
            keep[long + bytes_before] = keep[long]
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(_sums(keep, self.offsets))])
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(self.data[keep])]
        return pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers)


def normalised(texts: pa.Array) -> pa.Array:
    """Texts by their letters and digits alone: "It's  FINE!" and "its fine" are one.

    Letters are in lower case, and forms that look alike (full width, ligatures) in one (NFKC).
    """
    plain = texts.cast(pa.large_string())
    folded = pc.utf8_lower(pc.utf8_normalize(plain, form="NFKC"))
    return Texts.of(folded).letters_and_digits()


def main_scripts(by_script: Counts) -> Counts:
    """`int64[texts]`: the kind that most letters of each text are of, 0 where it has none."""
    found: Counts = by_script.argmax(axis=1)
    return found


def script_counts(counts: npt.NDArray[Any]) -> dict[str, int]:
    """Counts by kind (`[1 + kinds]`) as counts by the scripts' names, the most first."""
    named = [(name, count) for name, count in zip(KINDS, counts[1:].tolist(), strict=True) if count]
    return dict(sorted(named, key=lambda pair: -pair[1]))


def _characters_at(data: Bytes, firsts: Counts) -> Counts:
    """The code points of the characters that begin at `firsts`, each of two bytes or more."""
    first = data[firsts].astype(np.int64)
    codes = first & 0x1F
    more = first >= _FIRST_OF[2]
    most = first >= _FIRST_OF[3]
    codes[more] &= 0x0F
    codes[most] &= 0x07
    for following, has in ((1, slice(None)), (2, more), (3, most)):
        codes[has] = codes[has] << 6 | (data[firsts[has] + following] & 0x3F)
    return codes


def _sums(flags: npt.NDArray[np.bool_], offsets: Counts) -> Counts:
    """How many flags are set within each text: `int64[texts]`."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)])
    return np.diff(before[offsets])
