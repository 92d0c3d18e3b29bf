"""Finding the columns of words, their tags, answers and texts to write, by names and content."""

import pyarrow as pa
import pyarrow.compute as pc

_TOKENS = ("tokens", "words", "form")
# An earlier name wins. Those of the second kind also name classes of whole texts.
_TAGS = (
    *("tags", "ner_tags", "ner", "slots", "bio_tags", "upos", "pos_tags", "pos"),
    *("xpos", "chunk_tags", "chunk"),
)
_TAGS_OR_LABELS = ("labels", "label")
_TARGETS = [
    ("source", "target"),
    ("article", "highlights"),
    ("document", "summary"),
    ("article", "summary"),
    ("dialogue", "summary"),
    ("text", "summary"),
    ("report", "summary"),
    ("article", "abstract"),
]


def is_text(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds strings."""
    return bool(pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type))


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds a list per row."""
    return bool(pa.types.is_list(arrow_type) or pa.types.is_large_list(arrow_type))


def is_tokens(arrow_type: pa.DataType) -> bool:
    """Whether a column of this type holds a list of strings per row."""
    return is_list(arrow_type) and is_text(arrow_type.value_type)


def find_tokens(table: pa.Table) -> str | None:
    """The column of words: lists of strings of a usual name."""
    by_lower: dict[str, str] = {name.lower(): name for name in table.column_names}
    named = [by_lower[name] for name in _TOKENS if name in by_lower]
    for name in named:
        if is_tokens(table.schema.field(name).type):
            return name
    return None


def find_tags(table: pa.Table, tokens: str) -> str | None:
    """The column with a tag for every word of the column `tokens`."""
    names: list[str] = table.column_names
    by_lower = {name.lower(): name for name in names if name != tokens}
    for name in (*_TAGS, *_TAGS_OR_LABELS):
        column = by_lower.get(name)
        if column is not None and _is_aligned(table[column], table[tokens]):
            return column
    return None


def find_answers(table: pa.Table) -> str | None:
    """The column of answers found in a text: records of `text` and `answer_start`."""
    for field in table.schema:
        record = field.type.value_type if is_list(field.type) else field.type
        if pa.types.is_struct(record):
            names = {inner.name for inner in record}
            if {"text", "answer_start"} <= names:
                return str(field.name)
    return None


def find_target(table: pa.Table, text: str | None) -> tuple[str, str] | None:
    """The columns of a text and of the shorter one to write from it, such as its summary.

    `text` is the first where it is known.
    """
    by_lower = {name.lower(): name for name in table.column_names}
    for first, second in _TARGETS:
        source, target = by_lower.get(first), by_lower.get(second)
        if source is None or target is None or text not in (None, source):
            continue
        lengths = [_characters(table[name]) for name in (source, target)]
        if None not in lengths and (lengths[0] or 0) > (lengths[1] or 0):
            return source, target
    return None


def _is_aligned(tags: pa.ChunkedArray, tokens: pa.ChunkedArray) -> bool:
    if not is_list(tags.type):
        return False
    kind = tags.type.value_type
    if not (is_text(kind) or pa.types.is_integer(kind)):
        return False
    lengths = [pc.fill_null(pc.list_value_length(column), 0) for column in (tags, tokens)]
    return bool(pc.all(pc.equal(*lengths)).as_py())


def _characters(column: pa.ChunkedArray) -> int | None:
    """The bytes of all texts of a column; None where it holds no texts."""
    flat = pc.list_flatten(column) if is_tokens(column.type) else column
    if not is_text(flat.type):
        return None
    return int(pc.sum(pc.binary_length(flat)).as_py() or 0)
