"""Several data sets as one: one after the other, or mixed. No row is copied."""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.data.base import DatasetBase
from graft.data.rows import Rows, all_numbers
from graft.data.seeds import checked_seed
from graft.errors import DataError

Stop = Literal["first_exhausted", "all_exhausted"]
_STOPS = ("first_exhausted", "all_exhausted")
_AT_A_TIME = 1 << 16

Numbers = npt.NDArray[np.int64]


class CombineVerbs(DatasetBase):
    """Putting data sets together."""

    def concatenate(self, *others: Self) -> Self:
        """The rows of this data set and then of the others, which must have the same features."""
        _check_alike("concatenate", [self, *others])
        then = self._identity.then("concatenate", *(other._identity for other in others))
        return self._like(_joined([self, *others]), then)

    def interleave(
        self,
        *others: Self,
        weights: Sequence[float] | None = None,
        seed: int | None = 0,
        stop: Stop = "first_exhausted",
    ) -> Self:
        """The rows of this data set and of the others by turns, each in its order.

        Args:
            others: data sets with the same features.
            weights: how often a row is drawn from each, this one first, in any unit; the source of
                each row is then drawn at random. Without them, they take turns.
            seed: the same seed gives the same rows; None others each time.
            stop: "first_exhausted" ends with the last row of whichever ends first.
                "all_exhausted" goes on until all rows of each were there once; those that end
                before begin anew.

        The same rows as `interleave_datasets` of `datasets`, but for the draws of its generator.

        Raises `DataError` for other features, for weights that are none, and for a data set
        without rows.
        """
        all_of_them = [self, *others]
        _check_alike("interleave", all_of_them)
        seed = checked_seed("interleave", seed)
        check_stop(stop)
        for dataset in all_of_them:
            if len(dataset) == 0:
                raise DataError(f"interleave: {dataset.source} has no rows. Leave it out.")
        lengths = np.array([len(dataset) for dataset in all_of_them])
        if weights is None:
            rounds = lengths.min() if stop == "first_exhausted" else lengths.max()
            sources = np.tile(np.arange(len(lengths)), rounds)
        else:
            shares = shares_of(weights, len(lengths), stop)
            sources = drawn_sources(lengths, shares, seed, stop)
        rows = np.empty(len(sources), np.int64)
        starts = np.cumsum(lengths) - lengths
        for source, (start, length) in enumerate(zip(starts, lengths, strict=True)):
            own = sources == source
            rows[own] = start + np.arange(np.count_nonzero(own)) % length
        then = self._identity.then(
            "interleave",
            *(other._identity for other in others),
            None if weights is None else tuple(map(float, weights)),
            seed,
            stop,
        )
        return self._like(_joined(all_of_them).select(rows), then)


def drawn_sources(
    lengths: Numbers, shares: npt.NDArray[np.float64], seed: int, stop: Stop
) -> Numbers:
    """Which source each row of a mixture is from: int64 [rows of the mixture].

    Args:
        lengths: The rows of each source, none 0: [sources].
        shares: How often each is drawn, together 1: [sources].
        seed: The same seed gives the same rows.
        stop: See `interleave`. A source that is never drawn counts as exhausted by neither.
    """
    generator = np.random.default_rng(seed)
    bounds = np.cumsum(shares)
    bounds[np.flatnonzero(shares)[-1] :] = 1  # whatever the sum is rounded to
    left = lengths.copy()
    parts: list[Numbers] = []
    while True:
        drawn = np.searchsorted(bounds, generator.random(_AT_A_TIME), side="right")
        parts.append(drawn)
        counts = np.bincount(drawn, minlength=len(lengths))
        ended = left <= counts
        if ended.any() if stop == "first_exhausted" else ended.all():
            break
        left = left - counts
    # Where each source that ends gives its last row; those that had ended before do not count.
    lasts = [
        int(np.flatnonzero(drawn == source)[left[source] - 1]) if left[source] > 0 else -1
        for source in np.flatnonzero(ended)
    ]
    last = min(lasts) if stop == "first_exhausted" else max(lasts)
    parts[-1] = parts[-1][: last + 1]
    return np.concatenate(parts)


def check_stop(stop: str) -> None:
    """Raises `DataError` for another way to end than there are."""
    if stop not in _STOPS:
        raise DataError(f"interleave: stop={stop!r} is not known. Use {' or '.join(_STOPS)}.")


def shares_of(weights: Sequence[float], count: int, stop: Stop) -> npt.NDArray[np.float64]:
    """Weights as shares that are 1 together: [sources]. Raises `DataError` where they are none."""
    shares: npt.NDArray[np.float64] = np.asarray(list(weights), np.float64)
    if shares.shape != (count,):
        raise DataError(
            f"interleave: {len(shares)} weights for {count} data sets. Give one for each, this "
            "data set's first."
        )
    if not np.isfinite(shares).all() or (shares < 0).any() or shares.sum() == 0:
        raise DataError(
            f"interleave: weights={list(weights)} are none. Give numbers from 0 on, not all 0."
        )
    if stop == "all_exhausted" and (shares == 0).any():
        raise DataError(
            "interleave: a data set whose weight is 0 is never exhausted. Leave it out, or stop at "
            "'first_exhausted'."
        )
    return shares / float(shares.sum())


def _joined(datasets: Sequence[DatasetBase]) -> Rows:
    """The rows of all, one after the other."""
    names, schema = datasets[0].column_names, datasets[0].rows.schema
    parts = [dataset.rows for dataset in datasets]
    tables = [part.table.select(names) for part in parts]
    tables = [table if table.schema.equals(schema) else table.cast(schema) for table in tables]
    stored = pa.concat_tables(tables)
    if all(part.order is None for part in parts):
        return Rows(stored)
    orders, start = [], 0
    for part in parts:
        order = all_numbers(part.num_rows) if part.order is None else part.order
        orders.append(order.astype(np.int64) + start)
        start += part.table.num_rows
    return Rows(stored, np.concatenate(orders))


def _check_alike(verb: str, datasets: Sequence[DatasetBase]) -> None:
    first = datasets[0]
    for other in datasets[1:]:
        if not isinstance(other, DatasetBase):
            raise DataError(f"{verb}: {type(other).__name__} is no data set. Give data sets.")
        mine, theirs = first.features, other.features
        for name in {**mine, **theirs}:
            if mine.get(name) != theirs.get(name):
                there, here = (
                    f"is {found[name]} in" if name in found else "is not in"
                    for found in (mine, theirs)
                )
                raise DataError(
                    f"{verb}: the column {name!r} {there} {first.source}, but {here} "
                    f"{other.source}. Bring both to the same features with rename, remove or cast."
                )
