"""The splits to train on: a subset if asked for, and rows to validate on if there are none."""

import logging

from graft.data.dataset_dict import DatasetDict
from graft.data.features import Sequence
from graft.errors import TaskError

log = logging.getLogger(__name__)

_HELD_OUT = 0.1


def with_validation(data: DatasetDict, seed: int, subset: float | None = None) -> DatasetDict:
    """A data set whose splits include "train" and "validation".

    Args:
        data: The data set; without "validation", one tenth of "train" is held out, stratified.
        seed: Decides which rows.
        subset: Keep this share of the training rows, stratified.

    Raises:
        TaskError: There is no split named "train".
    """
    if "train" not in data:
        raise TaskError(
            f"{data.source} has no split named 'train'; it has {', '.join(data)}. "
            "Name the file to train on train.csv (or .tsv, .jsonl, .parquet)."
        )
    splits = dict(data)
    if "validation" not in splits:
        train = splits["train"]
        label = train.roles.label
        several = label is not None and isinstance(train.features[label], Sequence)
        parts = train.train_test_split(_HELD_OUT, seed, None if several else label)
        splits |= {"train": parts["train"], "validation": parts["test"]}
        log.warning(
            "%s has no validation split: %d of the %d training rows are held out for it.",
            data.source,
            len(parts["test"]),
            len(train),
        )
    if subset is not None:
        splits["train"] = splits["train"].subset(subset, seed)
    return DatasetDict(splits, source=data.source, metadata=data.metadata)
