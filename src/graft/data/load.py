"""Loading a data set: one call from a path, an id or a data frame to named, typed splits."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, overload

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import Features
from graft.data.formats.bad_rows import OnBadRows
from graft.data.reading.loading import Loaded, load
from graft.data.reading.raw import told_rows
from graft.data.reading.shape import check_declared
from graft.data.reading.sources import Plan, Source, plan
from graft.data.roles import Roles
from graft.data.show import counted
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.stream.dataset import StreamingDataset, StreamingDict

_log = logging.getLogger("graft.data")
_ROWS_IN_A_MESSAGE = 10
_BAD_ROWS = ("raise", "collect")


@overload
def load_dataset(
    source: Source,
    *,
    split: None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    on_bad_rows: OnBadRows = "raise",
    cache: bool = True,
    features: Features | None = None,
    streaming: Literal[False] = False,
    **options: Any,
) -> DatasetDict: ...


@overload
def load_dataset(
    source: Source,
    *,
    split: str,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    on_bad_rows: OnBadRows = "raise",
    cache: bool = True,
    features: Features | None = None,
    streaming: Literal[False] = False,
    **options: Any,
) -> Dataset: ...


@overload
def load_dataset(
    source: Source,
    *,
    split: None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    on_bad_rows: OnBadRows = "raise",
    cache: bool = True,
    features: Features | None = None,
    streaming: Literal[True],
    **options: Any,
) -> "StreamingDict": ...


@overload
def load_dataset(
    source: Source,
    *,
    split: str,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    on_bad_rows: OnBadRows = "raise",
    cache: bool = True,
    features: Features | None = None,
    streaming: Literal[True],
    **options: Any,
) -> "StreamingDataset": ...


def load_dataset(
    source: Source,
    *,
    split: str | None = None,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
    revision: str | None = None,
    config: str | None = None,
    on_bad_rows: OnBadRows = "raise",
    cache: bool = True,
    features: Features | None = None,
    streaming: bool = False,
    **options: Any,
) -> "DatasetDict | Dataset | StreamingDict | StreamingDataset":
    """Loads a data set with its splits, the roles of its columns and its labels' names.

    Files are read once, a batch at a time, into the cache; the next call opens what is there,
    memory-mapped, unless a file, the card or an option has changed.

    Args:
        source: a file of any format that Graft reads; a folder of such files; the id of a data set
            on the hub (`owner/name`; a path that exists wins); a pandas DataFrame or
            `pyarrow.Table`; or a dict of split name -> file, list of files, or data frame.
        split: return only this split, as a `Dataset`.
        text: the column of texts; inferred when None. Lists of tokens are joined by spaces.
        text_pair: the column of second texts, for pairs; inferred when None.
        label: the column of labels, which becomes class labels; inferred when None.
        tokens: the column of words, a list a row; inferred when None, as are those that follow.
        tags: the column of the words' tags, which become classes.
        answers: the column of answers that stand in `text_pair`.
        target: the column of texts to write, such as summaries.
        revision: branch, tag or commit of a repository on the hub.
        config: one of the configurations that the card (README.md) lists.
        on_bad_rows: "raise" stops at a row that cannot be read; "collect" sets such rows aside and
            counts them in a warning: `data.bad_rows` is a table of them.
        cache: whether what is read is kept for the next time.
        features: what columns hold, by name, where that is not to be found out.
        streaming: read the rows while they are used, and keep nothing of them: the splits are
            `StreamingDataset`s, with much the same verbs. Types, classes and roles are found out
            from the first rows; labels stay as they are written where more rows follow and no
            classes are declared (`features`, the card), see `StreamingDataset.class_encode`.
        options: how files are read where it is not to be found out, such as `delimiter` and
            `encoding`; see docs/concepts/datasets.md for those of each format.

    Returns:
        The splits by name; all have the same columns. A missing text is "", a missing label null;
        empty texts are counted in a warning on the logger `graft.data`.

    Raises:
        DataError: a file is missing, empty, damaged or of an unknown encoding; a row or label does
            not fit; or the role of a column is not clear. The message names file, row and column.
        CardError: the card's YAML header is broken.
        HubError: the repository is not there, or not yours to read.
    """
    if on_bad_rows not in _BAD_ROWS:
        raise DataError(f"on_bad_rows={on_bad_rows!r} is not known. Use 'raise' or 'collect'.")
    given = Roles(text, text_pair, label, tokens, tags, answers, target).given()
    for role, column in given.items():
        if not isinstance(column, str):
            raise DataError(f"{role}={column!r}: give the name of one column, as a string.")
    if streaming:
        return _streams(source, split, revision, config, options, given, features, on_bad_rows)
    planned = plan(source, revision, config, options)
    if features:
        planned = replace(planned, declared={**planned.declared, **features})
    loaded = load(planned, given, options, collect=on_bad_rows == "collect", cache=cache)
    data = DatasetDict(loaded.splits, source=planned.name, metadata=planned.metadata)
    check_declared(data.features, features or {}, planned.name)
    _report(planned, loaded)
    data.bad_rows = loaded.bad_rows
    if split is None:
        return data
    if loaded.bad_count:
        names = pa.array([name for name, _ in loaded.files.get(split, [])], pa.string())
        data[split].bad_rows = loaded.bad_rows.filter(pc.is_in(loaded.bad_rows["file"], names))
    return data[split]


def _streams(
    source: Source,
    split: str | None,
    revision: str | None,
    config: str | None,
    options: Mapping[str, Any],
    given: Mapping[str, str],
    features: Features | None,
    on_bad_rows: OnBadRows,
) -> "StreamingDict | StreamingDataset":
    from graft.data.stream.load import check_can_be_read_again, streams

    check_can_be_read_again(source)
    planned = plan(source, revision, config, options, streaming=True)
    data = streams(planned, given, options, features or {}, on_bad_rows)
    return data if split is None else data[split]


def _report(planned: Plan, loaded: Loaded) -> None:
    for name, blank in loaded.blank.items():
        if blank.count:
            first = told_rows(loaded.files[name], blank.first[:_ROWS_IN_A_MESSAGE])
            more = ", ..." if blank.count > _ROWS_IN_A_MESSAGE else ""
            _log.warning("%s: %s%s", counted(blank.count, "empty text"), first, more)
    if loaded.bad_count:
        rows = loaded.bad_rows.slice(0, 3).to_pylist()
        _log.warning(
            "%s: %s set aside, such as %s. They are in data.bad_rows.",
            planned.name,
            counted(loaded.bad_count, "bad row"),
            _shown(rows),
        )


def _shown(rows: Iterable[dict[str, Any]]) -> str:
    places = []
    for row in rows:
        line = "" if row["line"] is None else f", line {row['line']}"
        places.append(f"{row['file']}{line}: {row['reason']}")
    return "; ".join(places)
