"""Which texts may be alike, without comparing every two of them: MinHash and banding.

Of the runs of words of a text, numbered anew by a random function, the least number is the same for
two texts with the probability of their Jaccard similarity (the runs in both over the runs in
either; Broder 1997). Several such numbers make a band, which two alike texts share often and two
others hardly ever; of many bands, alike texts share at least one (Indyk and Motwani 1998).
"""

import math
from dataclasses import dataclass

import numpy as np

from graft.data.duplicates.shingles import Hashes, Shingles, mixed

# Of two texts that are just as alike as asked for, this share shares no band.
_MISSED = 0.001
_MOST_NUMBERS = 128
_SEED = 20


@dataclass(frozen=True)
class Bands:
    """How many bands there are, and how many least numbers are in each.

    Attributes:
        count: of the bands.
        depth: least numbers in each.
    """

    count: int
    depth: int

    @classmethod
    def for_similarity(cls, near: float) -> "Bands":
        """The deepest bands that miss one of a thousand pairs of texts which are `near` alike."""
        deepest = 1
        for depth in range(1, _MOST_NUMBERS + 1):
            if depth * _bands_needed(near, depth) <= _MOST_NUMBERS:
                deepest = depth
        return cls(_bands_needed(near, deepest), deepest)

    def digests(self, shingles: Shingles) -> Hashes:
        """The digest of each band of each text: `uint64[bands, texts]`."""
        generator = np.random.default_rng(_SEED)
        factors = generator.integers(0, 1 << 64, (self.count, self.depth), np.uint64) | np.uint64(1)
        terms = generator.integers(0, 1 << 64, (self.count, self.depth), np.uint64)
        firsts = shingles.offsets[:-1]
        found = np.zeros((self.count, len(firsts)), np.uint64)
        numbers = np.empty_like(shingles.hashes)
        for band in range(self.count if len(firsts) else 0):
            for factor, term in zip(factors[band], terms[band], strict=True):
                np.multiply(shingles.hashes, factor, out=numbers)
                np.add(numbers, term, out=numbers)
                found[band] = mixed(found[band] + np.minimum.reduceat(numbers, firsts))
        return found


def _bands_needed(near: float, depth: int) -> int:
    together = near**depth
    if together >= 1:
        return 1
    if together <= 0:
        return _MOST_NUMBERS + 1
    return math.ceil(math.log(_MISSED) / math.log1p(-together))
