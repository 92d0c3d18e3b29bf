"""Questions on texts in the layout of SQuAD: articles of paragraphs of questions and answers."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from graft.data.formats.encoding import Text
from graft.data.formats.json_layout import open_rows
from graft.errors import DataError

_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("context", pa.string()),
        ("question", pa.string()),
        (
            "answers",
            pa.struct([("text", pa.list_(pa.string())), ("answer_start", pa.list_(pa.int32()))]),
        ),
    ]
)
_ROWS = 1000


def squad_rows(text: Text, path: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """A row per question, with the columns that the ecosystem gives them.

    These are `id`, `title`, `context`, `question`, and `answers`: a record of lists, `text` and
    `answer_start` (in characters of the context); both are empty where there is no answer. `path`
    leads to the articles.

    Raises `DataError` for an article that has not this layout, naming it and its line.
    """
    rows: list[dict[str, Any]] = []
    with open_rows(text, path) as stream:
        for number, article in enumerate(stream.items(), start=1):
            where = f"{text.file.name}, article {number} (line {article.line})"
            rows += _rows_of(article.value, where)
            while len(rows) >= _ROWS:
                yield _batch(rows[:_ROWS], where)
                rows = rows[_ROWS:]
    yield _batch(rows, text.file.name)


def _rows_of(article: Any, where: str) -> Iterator[dict[str, Any]]:
    try:
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                answers = question.get("answers") or []
                yield {
                    "id": str(question["id"]),
                    "title": article.get("title"),
                    "context": paragraph["context"],
                    "question": question["question"],
                    "answers": {
                        "text": [answer["text"] for answer in answers],
                        "answer_start": [answer["answer_start"] for answer in answers],
                    },
                }
    except (KeyError, TypeError, AttributeError) as error:
        missing = f"no {error.args[0]!r}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{where}: not in the layout of SQuAD ({missing}). An article has paragraphs, each "
            "with its context and qas: id, question and answers of text and answer_start."
        ) from error


def _batch(rows: list[dict[str, Any]], where: str) -> pa.RecordBatch:
    try:
        return pa.RecordBatch.from_pylist(rows, _SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(
            f"{where} or those before it: a value is not what the layout of SQuAD has there "
            f"({str(error).splitlines()[0]}). Texts are strings, answer_start whole numbers."
        ) from error
