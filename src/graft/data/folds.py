"""Dividing rows among parts: alike in their classes, and no group in two of them."""

import numpy as np
import numpy.typing as npt

from graft.data.sampling import shuffled_groups

Rows = npt.NDArray[np.int64]


def dealt(classes: Rows, parts: int, seed: int) -> Rows:
    """The part of each row, from 0: int64 [rows]. All parts are alike, to one row of each class.

    Args:
        classes: The class of each row, from 0: [rows].
        parts: How many parts there are. They differ by one row at most.
        seed: The same seed gives the same parts.
    """
    by_class, _ = shuffled_groups(classes, seed)
    # Like cards: the next class goes on where the one before it ended.
    part = np.empty(len(classes), np.int64)
    part[by_class] = np.arange(len(classes)) % parts
    return part


def grouped(groups: Rows, classes: Rows, shares: npt.NDArray[np.float64], seed: int) -> Rows:
    """The part of each row, from 0: int64 [rows]. All rows of a group are in the same part.

    Groups are given to parts one by one, large ones first, and those of about the same size in an
    order drawn at random. Each goes where it brings the classes closest to their shares.

    Args:
        groups: The group of each row, from 0: [rows].
        classes: The class of each row, from 0, all 0 where they do not matter: [rows].
        shares: The share of the rows that each part is to have: [parts], together 1. There are at
            least as many groups as parts; no part is left empty.
        seed: The same seed gives the same parts.
    """
    sizes = np.bincount(groups)
    wanted = np.outer(shares, np.bincount(classes))
    order = np.random.default_rng(seed).permutation(len(sizes))
    order = order[np.argsort(-np.frexp(sizes[order])[1], kind="stable")]
    firsts, kinds, counts = _classes_of_groups(groups, classes)
    has = np.zeros_like(wanted)
    rows = np.zeros(len(shares))
    part_of = np.zeros(len(sizes), np.int64)
    for group in order.tolist():
        own = slice(firsts[group], firsts[group + 1])
        kind, count = kinds[own], counts[own]
        # By how much the squared distance from what is wanted grows, relative to that.
        growth = count * (count + 2 * (has[:, kind] - wanted[:, kind])) / wanted[:, kind]
        costs = growth.sum(axis=1)
        best = np.flatnonzero(costs <= costs.min() + 1e-9)
        part = best[np.argmin((rows / shares)[best])]
        has[part, kind] += count
        rows[part] += sizes[group]
        part_of[group] = part
    return _none_empty(part_of, sizes, len(shares))[groups]


def _classes_of_groups(groups: Rows, classes: Rows) -> tuple[Rows, Rows, Rows]:
    """For each group where its classes begin: [groups + 1]; and the classes and their rows."""
    most = int(classes.max()) + 1
    pairs, counts = np.unique(groups * most + classes, return_counts=True)
    firsts = np.searchsorted(pairs // most, np.arange(int(groups.max()) + 2))
    return firsts, pairs % most, counts


def _none_empty(part_of: Rows, sizes: Rows, parts: int) -> Rows:
    """Each part without a group gets the smallest one of the part that has most groups."""
    for part in range(parts):
        if not np.any(part_of == part):
            richest = np.bincount(part_of, minlength=parts).argmax()
            own = np.flatnonzero(part_of == richest)
            part_of[own[np.argmin(sizes[own])]] = part
    return part_of
