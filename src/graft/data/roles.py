"""Which column plays which part: the text, the text it is paired with, the label, and others."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import ClassLabel, Features
from graft.data.role_finder import (
    find_answers,
    find_tags,
    find_target,
    find_tokens,
    is_list,
    is_text,
    is_tokens,
)
from graft.data.tokens.names import INPUT_IDS, LABELS, OFFSETS, SOURCE_ROW, TYPE_IDS, WORD_IDS
from graft.errors import DataError

__all__ = ["Roles", "columns_of", "infer_roles", "is_list", "is_text", "is_tokens"]

_PAIRS = [
    ("premise", "hypothesis"),
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("text", "text_pair"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("sentence_a", "sentence_b"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("query", "document"),
]
# An earlier row wins; names within a row are equals, and two of them in one file are ambiguous.
_TEXT_NAMES = [
    "text",
    "sentence",
    "question review content query utterance comment tweet message document body input "
    "statement prompt headline description",
]
_LABEL_NAMES = [
    "label",
    "labels",
    "class category categories intent intents target sentiment topic topics emotion emotions "
    "coarse_label fine_label gold_label class_label rating stars y",
]
_TOKEN_NAMES = ("tokens", "words", "form")
# Longer than this on average, a column holds texts of its own (a summary), not names of classes.
_LONGEST_MEAN_LABEL = 80
# A column with more values than this, and in most rows another one, is no label either.
_MOST_CLASSES = 1000


@dataclass(frozen=True)
class Roles:
    """The columns that tasks read, each None where there is no such column.

    Attributes:
        text: the text; the question, where there are answers.
        text_pair: the second text of a pair; the context that answers stand in.
        label: the class, the classes or the number to predict.
        tokens: the words of a text, a list a row.
        tags: the tag of each word, a list a row.
        answers: the answers to the text found in its pair: records of `text` and `answer_start`.
        target: the text to write: a summary, a translation.
    """

    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    tokens: str | None = None
    tags: str | None = None
    answers: str | None = None
    target: str | None = None

    def of(self, column: str) -> str | None:
        """The role of `column` ("text", "text_pair", "label", ...), or None."""
        return next((role for role, name in self.given().items() if name == column), None)

    def given(self) -> dict[str, str]:
        """The columns that play a part: role -> column."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {role: column for role, column in named if column is not None}

    def renamed(self, names: Mapping[str, str]) -> "Roles":
        """The same roles after columns got other names: old -> new."""
        return Roles(**{role: names.get(name, name) for role, name in self.given().items()})

    def without(self, columns: Iterable[str]) -> "Roles":
        """The same roles without those of `columns`."""
        gone = set(columns)
        return Roles(**{role: name for role, name in self.given().items() if name not in gone})


def infer_roles(
    table: pa.Table,
    features: Features,
    *,
    where: str,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    tokens: str | None = None,
    tags: str | None = None,
    answers: str | None = None,
    target: str | None = None,
) -> Roles:
    """The roles of the columns of `table`: those given, and the others from names and content.

    `features` are the declared features (a declared class label is a label). `where` names the
    source in errors. Raises `DataError` when a given column is missing or does not fit, and when
    several columns could be the text or the label: the message lists them.
    """
    given = {"text": text, "text_pair": text_pair, "label": label}
    others = {"tokens": tokens, "tags": tags, "answers": answers, "target": target}
    for role, column in {**given, **others}.items():
        if column is not None:
            _check_given(table, role, column, where)
    taken = {column for column in given.values() if column is not None}
    if len(taken) < sum(column is not None for column in given.values()):
        raise DataError("text, text_pair and label must be three different columns.")

    answers = answers or find_answers(table)
    tokens = tokens or find_tokens(table)
    tags = tags or (tokens and find_tags(table, tokens))
    if target is None and text_pair is None and (found := find_target(table, text)):
        text, target = found
    if target is None and (text is None or text_pair is None):
        text, text_pair = _infer_pair(table, text, text_pair, taken)
    made = _made_by_tokenizing(table.schema)
    if label is None:
        label = _label_by_name(table, features, {text, text_pair, tags, target} | made, where)
    if text is None and not (made and _no_text(table.schema)):
        text = _infer_text(table, {text_pair, label, target}, where)
    if label is None and answers is None and target is None and not made:
        label = _label_by_content(table, {text, text_pair, tags}, where)
    return Roles(text, text_pair, label, tokens, tags, answers, target)


def columns_of(table: pa.Table | pa.Schema) -> str:
    """The columns of a table as an error message lists them."""
    names = table.names if isinstance(table, pa.Schema) else table.column_names
    return ", ".join(names) or "none"


def _check_given(table: pa.Table, role: str, column: str, where: str) -> None:
    if column not in table.column_names:
        raise DataError(
            f"{where} has no column {column!r} (given as {role}={column!r}). "
            f"Its columns are: {columns_of(table)}."
        )
    arrow_type = table.schema.field(column).type
    if role in ("tokens", "tags", "answers", "target"):
        _check_kind(role, column, arrow_type, where)
        return
    readable = pa.types.is_null(arrow_type) or is_text(arrow_type)
    if role != "label" and not (readable or is_tokens(arrow_type)):
        raise DataError(
            f"{where}, column {column!r}: a text column was expected ({role}={column!r}), "
            f"but it holds {arrow_type}. Its columns are: {columns_of(table)}."
        )
    if role == "label" and not _can_be_label(arrow_type):
        raise DataError(
            f"{where}, column {column!r}: labels were expected (label={column!r}), but it holds "
            f"{arrow_type}. Labels are strings, whole numbers, true/false, or lists of those."
        )


def _check_kind(role: str, column: str, arrow_type: pa.DataType, where: str) -> None:
    fit, wanted = {
        "tokens": (is_tokens(arrow_type), "lists of words"),
        "tags": (is_list(arrow_type), "a list of tags a row"),
        "answers": (
            pa.types.is_struct(arrow_type) or is_list(arrow_type),
            "records of text and answer_start",
        ),
        "target": (is_text(arrow_type) or is_tokens(arrow_type), "texts, or lists of them"),
    }[role]
    if not fit and not pa.types.is_null(arrow_type):
        raise DataError(
            f"{where}, column {column!r}: {wanted} were expected ({role}={column!r}), but it holds "
            f"{arrow_type}."
        )


def _infer_pair(
    table: pa.Table, text: str | None, text_pair: str | None, taken: set[str]
) -> tuple[str | None, str | None]:
    by_lower = {
        name.lower(): name for name in table.column_names if is_text(table.schema.field(name).type)
    }
    for first, second in _PAIRS:
        left, right = by_lower.get(first), by_lower.get(second)
        if left is None or right is None:
            continue
        if text is None and text_pair is None and not {left, right} & taken:
            return left, right
        if text == left and right not in taken:
            return text, right
        if text_pair == right and left not in taken:
            return left, text_pair
    return text, text_pair


def _made_by_tokenizing(schema: pa.Schema) -> set[str | None]:
    """The columns that tokenizing made, none of which is a label; {} where rows are no tokens."""
    if INPUT_IDS not in schema.names or not is_list(schema.field(INPUT_IDS).type):
        return set()
    made: set[str | None] = {INPUT_IDS, TYPE_IDS, OFFSETS, WORD_IDS, SOURCE_ROW}
    if LABELS in schema.names and is_list(schema.field(LABELS).type):
        made.add(LABELS)
    return made


def _no_text(schema: pa.Schema) -> bool:
    return not any(is_text(each.type) or is_tokens(each.type) for each in schema)


def _infer_text(table: pa.Table, taken: set[str | None], where: str) -> str:
    names: list[str] = table.column_names
    candidates = [
        name for name in names if name not in taken and is_text(table.schema.field(name).type)
    ]
    named = _by_name(candidates, _TEXT_NAMES)
    if len(named) == 1:
        return named[0]
    if named:
        raise _ambiguous("text", named, where)
    tokens = [
        name
        for name in names
        if name.lower() in _TOKEN_NAMES and is_tokens(table.schema.field(name).type)
    ]
    if len(tokens) == 1:
        return tokens[0]
    if not candidates:
        raise DataError(
            f"{where} has no column of text. Its columns are: {columns_of(table)}. "
            f"{_advice_without_text(table.schema, table.num_rows)}"
        )
    ranked = sorted(candidates, key=lambda name: _mean_length(table[name]), reverse=True)
    if len(ranked) > 1 and _mean_length(table[ranked[0]]) < 2 * _mean_length(table[ranked[1]]):
        raise _ambiguous("text", candidates, where)
    return ranked[0]


def _advice_without_text(schema: pa.Schema, rows: int) -> str:
    if rows == 1 and all(is_list(each.type) or pa.types.is_struct(each.type) for each in schema):
        return (
            "It holds one row, each column of which is a list or record: where these are the "
            "columns of many rows, read the file yourself and give load_dataset a dict of lists; "
            "pandas writes rows with to_json(path, orient='records', lines=True)."
        )
    return "Give the one to read: text='<column>'."


def _label_by_name(
    table: pa.Table, features: Features, taken: set[str | None], where: str
) -> str | None:
    # Names come first: to count the distinct values of other columns costs as much as to read them.
    usual = _by_name(table.column_names, [" ".join(_LABEL_NAMES)])
    declared = [name for name in table.column_names if isinstance(features.get(name), ClassLabel)]
    candidates = [
        name
        for name in dict.fromkeys([*usual, *declared])
        if name not in taken and _looks_like_label(table[name])
    ]
    named = _by_name(candidates, _LABEL_NAMES)
    named = named or [name for name in declared if name in candidates]
    if len(named) > 1:
        raise _ambiguous("label", named, where)
    return named[0] if named else None


def _label_by_content(table: pa.Table, taken: set[str | None], where: str) -> str | None:
    most = min(_MOST_CLASSES, table.num_rows // 2)
    found = []
    for name in table.column_names:
        column = table[name]
        discrete = not (is_list(column.type) or pa.types.is_floating(column.type))
        if name in taken or not discrete or not _looks_like_label(column):
            continue
        if 2 <= pc.count_distinct(column, mode="only_valid").as_py() <= most:
            found.append(name)
    if len(found) > 1:
        raise _ambiguous("label", found, where)
    return found[0] if found else None


def _by_name(candidates: Iterable[str], ranks: list[str]) -> list[str]:
    by_lower: dict[str, list[str]] = {}
    for name in candidates:
        by_lower.setdefault(name.lower(), []).append(name)
    for rank in ranks:
        named = [name for lower in rank.split() for name in by_lower.get(lower, [])]
        if named:
            return named
    return []


def _can_be_label(arrow_type: pa.DataType) -> bool:
    if is_list(arrow_type):
        return not is_list(arrow_type.value_type) and _can_be_label(arrow_type.value_type)
    kinds = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_floating, pa.types.is_null)
    return is_text(arrow_type) or any(kind(arrow_type) for kind in kinds)


def _looks_like_label(column: pa.ChunkedArray) -> bool:
    if not _can_be_label(column.type):
        return False
    values = pc.list_flatten(column) if is_list(column.type) else column
    if not is_text(values.type):
        return not pa.types.is_null(values.type)
    most = max(_MOST_CLASSES, len(column) // 2)
    return (
        _mean_length(values) <= _LONGEST_MEAN_LABEL
        and pc.count_distinct(values, mode="only_valid").as_py() <= most
    )


def _mean_length(column: pa.ChunkedArray) -> float:
    mean = pc.mean(pc.binary_length(column)).as_py()
    return 0.0 if mean is None else float(mean)


def _ambiguous(role: str, candidates: list[str], where: str) -> DataError:
    choices = " or ".join(f"{role}={name!r}" for name in candidates)
    also = ", and text_pair for the second text of a pair" if role == "text" else ""
    return DataError(
        f"{where}: which column is the {role}? These could be: {', '.join(candidates)}. "
        f"Give one: {choices}{also}."
    )
