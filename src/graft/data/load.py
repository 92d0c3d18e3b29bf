"""Loading a data set: one call from a path, an id or a data frame to named, typed splits."""

import logging
from typing import overload

from graft.data.dataset import Dataset, DatasetDict
from graft.data.shape import shape
from graft.data.show import counted
from graft.data.sources import RawData, Source, read_source

_log = logging.getLogger("graft.data")
_ROWS_IN_A_MESSAGE = 10


@overload
def load_dataset(
    source: Source,
    *,
    split: None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    revision: str | None = None,
    config: str | None = None,
) -> DatasetDict: ...


@overload
def load_dataset(
    source: Source,
    *,
    split: str,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    revision: str | None = None,
    config: str | None = None,
) -> Dataset: ...


def load_dataset(
    source: Source,
    *,
    split: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    revision: str | None = None,
    config: str | None = None,
) -> DatasetDict | Dataset:
    """Loads a data set with its splits, the roles of its columns and its labels' names.

    Args:
        source: a CSV, TSV, JSON Lines or Parquet file; a folder of such files; the id of a data set
            on the hub (`owner/name`; a path that exists wins); a pandas DataFrame or
            `pyarrow.Table`; or a dict of split name -> file, list of files, or data frame.
        split: return only this split, as a `Dataset`.
        text: the column of texts; inferred when None. Lists of tokens are joined by spaces.
        text_pair: the column of second texts, for pairs; inferred when None.
        label: the column of labels, which becomes class labels; inferred when None.
        revision: branch, tag or commit of a repository on the hub.
        config: one of the configurations that the card (README.md) lists.

    Returns:
        The splits by name; all have the same columns. A missing text is "", a missing label null;
        empty texts are counted in a warning on the logger `graft.data`.

    Raises:
        DataError: a file is missing, empty, damaged or not UTF-8; a row or label does not fit; or
            the role of a column is not clear. The message names file, row and column.
        CardError: the card's YAML header is broken.
        HubError: the repository is not there, or not yours to read.
    """
    raw = read_source(source, revision, config)
    data = shape(raw, text=text, text_pair=text_pair, label=label)
    _report_empty_texts(raw, data)
    return data if split is None else data[split]


def _report_empty_texts(raw: RawData, data: DatasetDict) -> None:
    for name, dataset in data.items():
        rows = dataset.empty_texts()
        if rows:
            first = raw.splits[name].where_rows(rows[:_ROWS_IN_A_MESSAGE])
            more = ", ..." if len(rows) > _ROWS_IN_A_MESSAGE else ""
            _log.warning("%s: %s%s", counted(len(rows), "empty text"), first, more)
