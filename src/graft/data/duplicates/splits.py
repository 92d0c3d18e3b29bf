"""Rows of one split that another split has already: leakage, when the one is trained on."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from graft.data.dataset import Dataset


def deduplicated(
    splits: "Mapping[str, Dataset]", columns: Sequence[str] | None, near: float | None, words: int
) -> "dict[str, Dataset]":
    """The splits without rows that come again in any of them, of which later splits keep theirs.

    See `Dataset.deduplicate`.
    """
    names = [*reversed(list(splits))]
    whole = splits[names[0]].concatenate(*(splits[name] for name in names[1:]))
    gone = whole.duplicates(columns, near, words=words).column("row").to_numpy()
    kept, start = {}, 0
    for name in names:
        split = splits[name]
        stays = np.ones(len(split), np.bool_)
        stays[gone[(gone >= start) & (gone < start + len(split))] - start] = False
        kept[name] = split if stays.all() else split.select(np.flatnonzero(stays))
        start += len(split)
    return {name: kept[name] for name in splits}
