"""From raw splits to a data set: one set of columns, roles, types and classes over all splits."""

import difflib

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.card import card_roles
from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import (
    Feature,
    Features,
    Value,
    arrow_type_of,
    class_label_in,
    feature_of,
    fits,
)
from graft.data.labels import Where, encode_labels
from graft.data.roles import Roles, columns_of, infer_roles, is_tokens
from graft.data.sources import RawData, RawSplit, concatenate
from graft.data.texts import join_tokens
from graft.errors import DataError

_INTEGER = r"^-?(0|[1-9]\d{0,17})$"
_DECIMAL = r"^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$"

_Columns = dict[str, pa.ChunkedArray]


def shape(
    raw: RawData, *, text: str | None, text_pair: str | None, label: str | None
) -> DatasetDict:
    """The data set that raw splits make up; roles that are None come from the card or are inferred.

    Raises `DataError` when columns, types, roles or labels do not fit together.
    """
    arguments = {"text": text, "text_pair": text_pair, "label": label}
    whole = concatenate({split.where: split.table for split in raw.splits.values()})
    declared: Features = {}
    for split in reversed(raw.splits.values()):
        declared.update(split.declared)
    declared.update(raw.declared)
    given = {
        **card_roles(raw.metadata),
        **{role: column for role, column in arguments.items() if column is not None},
    }
    roles = infer_roles(whole, declared, where=raw.name, **given)
    for split in raw.splits.values():
        _check_columns(split, roles, raw)

    whole, roles = _with_texts(whole, roles)
    features: Features = {}
    for position, name in enumerate(whole.column_names):
        column, features[name] = _typed(raw, roles, name, whole.column(name), declared.get(name))
        whole = whole.set_column(position, name, column)
    return _cut(raw, whole, features, roles)


def _check_columns(split: RawSplit, roles: Roles, raw: RawData) -> None:
    """The texts must be in every split; labels may be missing, but not by a slip of the pen."""
    for column in (roles.text, roles.text_pair):
        if column is not None and column not in split.table.column_names:
            raise DataError(
                f"{split.where} has no column {column!r}, which other splits have. "
                f"Its columns are: {columns_of(split.table)}."
            )
    if roles.label is None or roles.label in split.table.column_names:
        return
    usual = {
        name
        for other in raw.splits.values()
        if roles.label in other.table.column_names
        for name in other.table.column_names
    }
    own = [name for name in split.table.column_names if name not in usual]
    for close in difflib.get_close_matches(roles.label, own, n=1):
        raise DataError(
            f"{split.where} has no column {roles.label!r}, but {close!r}. Its columns are: "
            f"{columns_of(split.table)}. Name the column of labels alike in all splits."
        )


def _with_texts(table: pa.Table, roles: Roles) -> tuple[pa.Table, Roles]:
    """Texts as strings without nulls; lists of tokens become a text column of their own."""
    names = {}
    for role, column in (("text", roles.text), ("text_pair", roles.text_pair)):
        if column is None:
            continue
        values = table.column(column)
        names[role] = column
        if is_tokens(values.type):
            names[role] = role if role not in table.column_names else f"{column}_text"
            table = table.append_column(names[role], join_tokens(values))
        else:
            values = values.cast(pa.string())
            filled = pc.fill_null(values, "") if values.null_count else values
            table = table.set_column(table.column_names.index(column), column, filled)
    return table, Roles(names["text"], names.get("text_pair"), roles.label)


def _typed(
    raw: RawData, roles: Roles, name: str, column: pa.ChunkedArray, declared: Feature | None
) -> tuple[pa.ChunkedArray, Feature]:
    """A column of the rows of all splits with its type settled."""
    if name in (roles.text, roles.text_pair):
        return column, Value("string")
    is_measure = isinstance(declared, Value) and declared.dtype.startswith("float")
    if class_label_in(declared) is not None or (name == roles.label and not is_measure):
        encoded, feature = encode_labels(_per_split(raw, column), declared, _where(raw, name))
        chunks = [chunk for split in encoded.values() for chunk in split.chunks]
        return pa.chunked_array(chunks, arrow_type_of(feature)), feature
    if all(split.untyped for split in raw.splits.values()):
        column = _with_numbers(raw.name, name, column, declared)
    feature = feature_of(column.type)
    return column, declared if declared is not None and fits(declared, column.type) else feature


def _with_numbers(
    where: str, name: str, column: pa.ChunkedArray, declared: Feature | None
) -> pa.ChunkedArray:
    """A column of a file without types as the card declares it, else as numbers if all are."""
    if declared == Value("string"):
        return column
    filled = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    if isinstance(declared, Value):
        try:
            return filled.cast(arrow_type_of(declared))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{where}, column {name!r}: the card declares {declared.dtype}, but {reason}. "
                "Correct the file, or dataset_info in README.md."
            ) from error
    if filled.null_count == len(filled):
        return column
    for pattern, arrow_type in ((_INTEGER, pa.int64()), (_DECIMAL, pa.float64())):
        if pc.all(pc.match_substring_regex(filled, pattern)).as_py():
            return filled.cast(arrow_type)
    return column


def _where(raw: RawData, column: str) -> Where:
    return lambda split, row: f"{raw.splits[split].where_rows([row])}, column {column!r}"


def _per_split(raw: RawData, column: pa.ChunkedArray) -> _Columns:
    columns, start = {}, 0
    for name, split in raw.splits.items():
        columns[name] = column.slice(start, split.table.num_rows)
        start += split.table.num_rows
    return columns


def _cut(raw: RawData, whole: pa.Table, features: Features, roles: Roles) -> DatasetDict:
    datasets, start = {}, 0
    for name, split in raw.splits.items():
        rows = whole.slice(start, split.table.num_rows)
        datasets[name] = Dataset(rows, features=features, roles=roles, source=split.where)
        start += split.table.num_rows
    return DatasetDict(datasets, source=raw.name, metadata=raw.metadata)
