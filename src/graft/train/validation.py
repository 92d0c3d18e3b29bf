"""The splits to train on: a subset if asked for, and rows to validate on if there are none."""

import logging

from graft.data.dataset_dict import DatasetDict
from graft.errors import DataError, TaskError

log = logging.getLogger(__name__)

_HELD_OUT = 0.1


def with_validation(data: DatasetDict, seed: int, subset: float | None = None) -> DatasetDict:
    """A data set whose splits include "train" and "validation".

    Args:
        data: The data set; without "validation", one tenth of "train" is held out, stratified.
        seed: Decides which rows.
        subset: Keep this share of the training rows, stratified.

    Raises:
        TaskError: There is no split named "train", or it is too small to hold rows out.
    """
    if "train" not in data:
        raise TaskError(
            f"{data.source} has no split named 'train'; it has {', '.join(data)}. "
            "Name the file to train on train.csv (or .tsv, .jsonl, .parquet)."
        )
    splits = dict(data)
    if "validation" not in splits:
        train = splits["train"]
        try:
            parts = train.train_test_split(_HELD_OUT, seed, train.roles.label)
        except DataError:
            raise TaskError(
                f"{data.source} has no validation split, and its {len(train)} training rows are "
                "too few to hold some out for it. Add rows, or a file named validation.csv "
                "(or .tsv, .jsonl, .parquet)."
            ) from None
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


def split_to_report(data: DatasetDict) -> str:
    """The split that says how good a model is: "test" where it has labels, else "validation"."""
    test = data.get("test")
    if test is None or test.roles.label is None:
        return "validation"
    return "test" if test.column(test.roles.label).null_count < len(test) else "validation"
