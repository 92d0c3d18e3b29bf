"""Which column is the text, its pair and the label: from names, from content, or as given."""

import pyarrow as pa
import pytest

from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError


def table(**columns):
    return pa.table(columns)


LONG = ["some longer words", "and others that follow", "with no end", "and so on"]
SHORT = ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("columns", "roles"),
    [
        ({"text": LONG, "label": SHORT}, ("text", None, "label")),
        ({"Sentence": LONG, "Class": SHORT}, ("Sentence", None, "Class")),
        ({"label": SHORT, "label_text": SHORT, "text": LONG}, ("text", None, "label")),
        ({"text": LONG, "category": SHORT, "label": SHORT}, ("text", None, "label")),
        ({"title": SHORT, "content": LONG, "topic": SHORT}, ("content", None, "topic")),
        (
            {"premise": LONG, "hypothesis": LONG, "label": SHORT},
            ("premise", "hypothesis", "label"),
        ),
        ({"question1": LONG, "question2": LONG, "y": [0, 1] * 2}, ("question1", "question2", "y")),
        ({"text": LONG, "text_pair": LONG}, ("text", "text_pair", None)),
        ({"phrase": LONG, "kind": SHORT, "n": [1, 2, 3, 4]}, ("phrase", None, "kind")),
        ({"question": LONG, "passage": LONG, "answer": [True, False] * 2},
         ("question", "passage", "answer")),
        ({"text": LONG, "id": [1, 2, 3, 4], "score": [0.5] * 2 + [0.1] * 2}, ("text", None, None)),
        ({"source": LONG, "target": ["x" * 90 + w for w in LONG]}, ("target", None, None)),
    ],
)  # fmt: skip
def test_roles_are_inferred(columns, roles):
    assert load_dataset(table(**columns))["train"].roles == Roles(*roles)


def test_tokens_become_a_text_column():
    tokens = [["add", "a", "song"], [], None, ["play"]]
    data = load_dataset(table(tokens=tokens, tags=[["O"]] * 4, intent=SHORT))["train"]
    assert data.roles == Roles("text", None, "intent", "tokens")
    assert data["text"] == ["add a song", "", "", "play"]
    assert data["tokens"] == tokens


def test_given_roles_win():
    columns = table(text=LONG, title=LONG, label=SHORT, mood=["u", "v", "v", "u"])
    data = load_dataset(columns, text="title", text_pair="text", label="mood")["train"]
    assert data.roles == Roles("title", "text", "mood")
    assert data.label_names == ["u", "v"]


@pytest.mark.parametrize(
    ("columns", "given", "said"),
    [
        ({"question": LONG, "query": LONG}, {}, ["question, query", "text='question'"]),
        ({"a": LONG, "b": LONG}, {}, ["a, b", "text='a' or text='b'", "text_pair"]),
        (
            {"text": LONG, "coarse_label": SHORT, "fine_label": SHORT},
            {},
            ["coarse_label, fine_label", "label='coarse_label' or label='fine_label'"],
        ),
        ({"text": LONG, "k": SHORT, "m": SHORT}, {}, ["k, m", "label='k' or label='m'"]),
        ({"n": [1, 2]}, {}, ["no column of text", "n", "text='<column>'"]),
        ({"text": LONG}, {"label": "gone"}, ["no column 'gone'", "label='gone'", "are: text"]),
        ({"text": LONG, "n": [1] * 4}, {"text": "n"}, ["column 'n'", "int64"]),
        ({"text": LONG}, {"label": "text", "text": "text"}, ["three different columns"]),
    ],
)
def test_what_is_not_clear_is_asked(columns, given, said):
    with pytest.raises(DataError) as caught:
        load_dataset(table(**columns), **given)
    for words in said:
        assert words in str(caught.value)
