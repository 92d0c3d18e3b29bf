"""Texts as sets of runs of words, each a number of 64 bits, by arrays over a column's bytes.

Words are runs of letters, digits and symbols, whatever their case; punctuation and spaces stand
between them. Where a script has no spaces between words, each character is a word.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

_WITHOUT_SPACES = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])"
_BETWEEN = r"[\p{P}\p{Z}\p{C}]+"
# An odd number, so that it has an inverse: bytes are digits of a number in this base.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)


@dataclass(frozen=True)
class Shingles:
    """The runs of words of each text.

    Attributes:
        hashes: `uint64[runs]`, one text after the other. A run may come several times.
        offsets: `int64[texts + 1]`, where in `hashes` each text begins; each has at least one.
    """

    hashes: Hashes
    offsets: Places

    def distinct(self) -> "Shingles":
        """Each run once, in ascending order within a text."""
        rows = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        order = np.lexsort((self.hashes, rows))
        hashes, rows = self.hashes[order], rows[order]
        first = np.ones(len(hashes), np.bool_)
        first[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
        counts = np.bincount(rows[first], minlength=len(self.offsets) - 1)
        return Shingles(hashes[first], np.concatenate([[0], np.cumsum(counts)]))


def shingles_of(texts: pa.Array, words: int) -> Shingles:
    """The runs of `words` words of each text: `string[texts]`, a missing one is empty.

    A text of fewer words is one run; a text without a word is one run of all its characters.
    """
    offsets, data = _bytes_of(_spaced(pc.fill_null(texts, "")))
    numbers = _RunsOfBytes(data)
    starts, ends = _words(offsets, data)
    hashes = numbers.between(starts, ends)
    counts = np.diff(np.searchsorted(starts, offsets))
    last = np.repeat(np.cumsum(counts), counts)  # for each word, the word after its text
    first = last - np.repeat(counts, counts)
    places = np.arange(len(hashes))
    begins = np.flatnonzero((places + words <= last) | (places == first))
    total = np.zeros(len(begins), np.uint64)
    padded = np.concatenate([hashes, np.zeros(words, np.uint64)])
    for number in range(words):
        within = begins + number < last[begins]
        total = total * np.uint64(_BASE) + np.where(within, padded[begins + number], 0)
    runs = np.maximum(counts - words + 1, 1)
    found = np.empty(int(runs.sum()), np.uint64)
    has_words = np.repeat(counts > 0, runs)
    found[has_words] = mixed(total)
    wordless = counts == 0
    found[~has_words] = numbers.between(offsets[:-1][wordless], offsets[1:][wordless])
    return Shingles(found, np.concatenate([[0], np.cumsum(runs)]))


def mixed(numbers: Hashes) -> Hashes:
    """Numbers whose bits each depend on all bits of these (the finalizer of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


class _RunsOfBytes:
    """Numbers for any runs of bytes: equal for equal runs, wherever they stand."""

    def __init__(self, data: npt.NDArray[np.uint8]) -> None:
        powers = np.cumprod(np.full(len(data), _BASE, np.uint64))
        self._sums = np.zeros(len(data) + 1, np.uint64)
        np.cumsum((data.astype(np.uint64) + np.uint64(1)) * powers, out=self._sums[1:])
        self._inverses = np.ones(len(data) + 1, np.uint64)
        np.cumprod(np.full(len(data), _INVERSE, np.uint64), out=self._inverses[1:])

    def between(self, starts: Places, ends: Places) -> Hashes:
        """`uint64[runs]`: that of the bytes from each start to its end."""
        return mixed((self._sums[ends] - self._sums[starts]) * self._inverses[starts])


def _spaced(texts: pa.Array) -> pa.Array:
    """Texts in small letters, in which only what is of ASCII stands between words."""
    wide = pc.not_equal(pc.binary_length(texts), pc.utf8_length(texts))
    if not pc.any(wide).as_py():
        return texts  # ASCII is made small byte by byte
    found = pc.utf8_lower(pc.utf8_normalize(texts.filter(wide), "NFKC"))
    found = pc.replace_substring_regex(found, _WITHOUT_SPACES, r" \1 ")
    found = pc.replace_substring_regex(found, _BETWEEN, " ")
    return pc.replace_with_mask(texts, wide, found)


def _bytes_of(texts: pa.Array) -> tuple[Places, npt.NDArray[np.uint8]]:
    """Where each text begins, and the bytes of all of them, with small letters in ASCII."""
    texts = texts.cast(pa.large_string())
    _, offsets, content = texts.buffers()
    if content is None or len(texts) == 0:
        return np.zeros(len(texts) + 1, np.int64), np.zeros(0, np.uint8)
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(content, np.uint8)[bounds[0] : bounds[-1]]
    return bounds - bounds[0], _SMALL[data]


def _words(offsets: Places, data: npt.NDArray[np.uint8]) -> tuple[Places, Places]:
    """Where each word begins and ends: no word goes on into the next text."""
    inside = _IN_WORDS[data]
    before = np.concatenate([[False], inside[:-1]])
    before[offsets[:-1][offsets[:-1] < len(data)]] = False
    after = np.concatenate([inside[1:], [False]])[: len(data)]
    after[offsets[1:][offsets[1:] > 0] - 1] = False
    return np.flatnonzero(inside & ~before[: len(data)]), np.flatnonzero(inside & ~after) + 1


_SMALL = np.arange(256, dtype=np.uint8)
_SMALL[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
_IN_WORDS = np.array([byte >= 0x80 or chr(byte).isalnum() for byte in range(256)])
