"""The columns of a tokenized data set, by the names that the ecosystem has for them."""

from typing import TYPE_CHECKING

import numpy as np

from graft.data.tokens.batches import TokenizedRows
from graft.data.tokens.lists import ListColumn
from graft.data.tokens.names import INPUT_IDS, LABELS, TYPE_IDS
from graft.data.tokens.plan import check_tokenized
from graft.data.tokens.targets import targets_of
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.dataset import Dataset


def tokenized_rows(dataset: "Dataset", targets: str | None = None) -> TokenizedRows:
    """The rows of a tokenized data set, of which batches can be made.

    Args:
        dataset: With a column `input_ids` of lists of whole numbers, and perhaps `token_type_ids`.
        targets: The column of what the loss compares with; None for the aligned tags in `labels`,
            or else the label, where there is one.

    Raises:
        DataError: It is not tokenized, a column is not there or holds something else, labels are
            missing, or a row has no tokens.
    """
    check_tokenized(dataset)
    rows = dataset.rows
    table, order = rows.table, rows.order

    def lists(name: str) -> ListColumn:
        return ListColumn(table.column(name), _told(dataset, name), order)

    ids = lists(INPUT_IDS)
    _check_filled(ids, dataset)
    type_ids = lists(TYPE_IDS) if TYPE_IDS in dataset.column_names else None
    name = targets or _target_column(dataset)
    if name is None:
        return TokenizedRows(ids, type_ids)
    if name not in dataset.column_names:
        dataset.column(name)  # says what columns there are
    found = targets_of(
        table.column(name),
        dataset.features[name],
        ids,
        _told(dataset, name),
        order,
        of_rows=name == dataset.roles.label,
    )
    return TokenizedRows(ids, type_ids, found)


def _check_filled(ids: ListColumn, dataset: "Dataset") -> None:
    empty = np.flatnonzero(ids.lengths == 0)
    if len(empty):
        raise DataError(
            f"{dataset.source}: {len(empty)} rows have no tokens, which no model can read; the "
            f"first is row {empty[0]}. Remove them (select, filter), or tokenize with special "
            "tokens."
        )


def _target_column(dataset: "Dataset") -> str | None:
    if LABELS in dataset.column_names:
        return LABELS
    return dataset.roles.label


def _told(dataset: "Dataset", column: str) -> str:
    return f"{dataset.source}, column {column!r}"
