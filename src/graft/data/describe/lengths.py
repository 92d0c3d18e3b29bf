"""How long texts are, counted while they go by: a histogram and exact figures."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# The same for every data set, so that histograms can be compared: 0, 1, 2, 3, 4, 6, 8, 12, 16, ...
# The lengths at which models cut are among them.
_EDGES = np.array([0, 1, *sorted([*(2 << n for n in range(40)), *(3 << n for n in range(40))])])
_COUNTED_EXACTLY = 1 << 20
_NO_COUNTS = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Bin:
    """How many rows are at least `start` and less than `stop` long."""

    start: int
    stop: int
    rows: int


@dataclass(frozen=True)
class Lengths:
    """Figures of lengths.

    Attributes:
        unit: What they count: "characters", "tokens", "words", "values".
        total: All rows together.
        min, mean, median, p95, max: Of the rows; 95 % of them are at most `p95` long.
        bins: The histogram, from the first bin with rows to the last.
    """

    unit: str
    total: int
    min: int
    mean: float
    median: float
    p95: float
    max: int
    bins: list[Bin] = field(default_factory=list)


class LengthCounter:
    """Counts lengths while batches go by, in memory of at most 8 MB.

    Lengths from 1,048,576 on count as that for median and percentile; all else is exact.
    """

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self._counts = _NO_COUNTS
        self._bins = np.zeros(len(_EDGES), np.int64)
        self._total = self._max = 0
        self._min = -1

    def add(self, lengths: npt.NDArray[np.int64]) -> None:
        """Counts some rows: `int64[rows]`."""
        if len(lengths) == 0:
            return
        counts = np.bincount(np.minimum(lengths, _COUNTED_EXACTLY))
        shorter, longer = sorted((self._counts, counts), key=len)
        longer[: len(shorter)] += shorter
        self._counts = longer
        places = np.searchsorted(_EDGES, lengths, side="right") - 1
        self._bins += np.bincount(places, minlength=len(_EDGES))
        self._total += int(lengths.sum())
        self._max = max(self._max, int(lengths.max()))
        least = int(lengths.min())
        self._min = least if self._min < 0 else min(self._min, least)

    def figures(self) -> Lengths | None:
        """What was counted; None where nothing was."""
        rows = int(self._bins.sum())
        if rows == 0:
            return None
        below = np.cumsum(self._counts)

        def at(place: int) -> int:
            """The length of the row at this place in the order of lengths."""
            return int(np.searchsorted(below, place, side="right"))

        used = np.flatnonzero(self._bins)
        bins = [
            Bin(int(_EDGES[number]), int(_EDGES[number + 1]), int(self._bins[number]))
            for number in range(used[0], used[-1] + 1)
        ]
        return Lengths(
            unit=self.unit,
            total=self._total,
            min=self._min,
            mean=self._total / rows,
            median=(at((rows - 1) // 2) + at(rows // 2)) / 2,
            p95=at(-(-95 * rows // 100) - 1),
            max=self._max,
            bins=bins,
        )
