"""What `describe` tells of rows, texts, labels and columns, and how it is shown."""

import json
import math
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

import graft
from graft.data.cache import explain
from graft.data.dataset import Dataset, DatasetDict
from graft.data.describe.characters import KINDS, Texts, normalised, script_counts
from graft.data.describe.figures import Description
from graft.data.describe.lengths import LengthCounter
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.roles import Roles
from graft.errors import DataError
from graft.text.tokenizer import Tokenizer

SPLITS = {
    "train": [
        ("Who wrote Hamlet?", "a"),
        ("who  wrote hamlet", "b"),
        ("Who wrote Hamlet?", "a"),
        ("", "a"),
        ("Кто написал Гамлета?", "a"),
        ("!!!", None),
        ("???", "b"),
    ],
    "test": [
        ("WHO WROTE HAMLET!", "a"),
        ("Who wrote Hamlet?", "a"),
        ("A new one", "a"),
        (" ", "a"),
    ],
}


def made(rows: list[tuple[str, str | None]]) -> Dataset:
    names = ["a", "b", "c"]
    numbers = [None if label is None else names.index(label) for _, label in rows]
    table = pa.table({"text": [text for text, _ in rows], "label": pa.array(numbers, pa.int64())})
    features = {"text": Value("string"), "label": ClassLabel(names)}
    return Dataset(table, features=features, source="questions")


@pytest.fixture
def data() -> DatasetDict:
    return DatasetDict({name: made(rows) for name, rows in SPLITS.items()}, source="questions")


def test_rows_labels_and_what_is_missing(data: DatasetDict) -> None:
    train = data.describe().splits["train"]
    assert (train.rows, train.empty, train.empty_rows) == (7, 1, [3])
    assert (train.labels, train.unlabelled) == ({"a": 4, "b": 2, "c": 0}, 1)
    assert data.describe().splits["test"].empty_rows == [3]


def test_repeated_texts_and_those_with_several_labels(data: DatasetDict) -> None:
    repeats = data.describe().splits["train"].repeats
    assert repeats is not None
    # "!!!" and "???" have no letters, and are two texts all the same.
    assert (repeats.exact, repeats.normalised, repeats.contradicting) == (1, 2, 3)
    (example,) = repeats.examples
    assert (example.row, example.rows, example.text) == (0, 3, "Who wrote Hamlet?")


def test_texts_of_two_splits(data: DatasetDict) -> None:
    (leak,) = data.describe().leaks
    assert (leak.split, leak.other, leak.rows) == ("test", "train", 4)
    assert (leak.exact, leak.normalised) == (1, 2)  # blank texts are no leak
    assert [(one.row, one.first_row, one.text) for one in leak.examples] == [
        (0, 0, "WHO WROTE HAMLET!"),
        (1, 0, "Who wrote Hamlet?"),
    ]


def test_texts_that_are_almost_the_same() -> None:
    first = "the quick brown fox jumps over the lazy dog near the old river bank at noon"
    splits = {
        "train": made([(first, "a"), (f"{first} today", "a"), ("something else", "b")]),
        "test": made([("nothing like the others", "a"), (f"now {first}", "a")]),
    }
    found = DatasetDict(splits, source="texts").describe(near=0.8)
    within, across = found.alike
    assert (within.split, within.other, within.rows, within.of_rows) == ("train", "train", 1, 3)
    assert (across.split, across.other, across.rows, across.of_rows) == ("test", "train", 1, 2)
    (pair,) = across.examples
    assert (pair.row, pair.of, pair.text, pair.of_text) == (1, 0, f"now {first}", first)
    assert 0.8 <= pair.similarity < 1
    assert found.leaks == []
    assert "1 of 2 rows of test (50.0 %) have a text that is almost one of train." in found.notes
    assert Description.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert splits["train"].describe(near=0.8).alike[0].rows == 1


def test_scripts(data: DatasetDict) -> None:
    train = data.describe().splits["train"]
    assert train.scripts == {"Latin": 3, "Cyrillic": 1}
    assert train.letters == {"Latin": 3 * len("WhowroteHamlet"), "Cyrillic": 17}


def test_lengths_in_characters_and_tokens(data: DatasetDict, base: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(base)
    texts = [text for text, _ in SPLITS["train"]]
    ids = [len(tokenizer(text).ids) for text in texts]
    limit = sorted(ids)[4]
    train = data.describe(tokenizer, max_length=limit).splits["train"]
    for unit, lengths in (("characters", [*map(len, texts)]), ("tokens", ids)):
        found = train.lengths[unit]
        assert (found.total, found.min, found.max) == (sum(lengths), min(lengths), max(lengths))
        assert found.median == np.median(lengths)
        assert sum(one.rows for one in found.bins) == len(texts)
    assert train.too_long == sum(length > limit for length in ids) > 0
    assert data.describe().splits["train"].too_long is None


@given(st.lists(st.lists(st.integers(0, 3_000)), min_size=1))
def test_lengths_are_those_of_numpy(parts: list[list[int]]) -> None:
    counter = LengthCounter("tokens")
    for part in parts:
        counter.add(np.array(part, np.int64))
    every = np.array([length for part in parts for length in part], np.int64)
    found = counter.figures()
    if len(every) == 0:
        assert found is None
        return
    assert found is not None
    assert (found.min, found.max, found.total) == (every.min(), every.max(), every.sum())
    assert found.median == np.median(every)
    assert found.p95 == np.quantile(every, 0.95, method="inverted_cdf")
    assert [one.rows for one in found.bins] == [
        int(((every >= one.start) & (every < one.stop)).sum()) for one in found.bins
    ]
    assert sum(one.rows for one in found.bins) == len(every)


# Of versions that Python's and the oracle's tables share.
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cn"]))


@given(st.lists(st.one_of(st.none(), TEXTS)))
def test_letters_are_counted_by_script(texts: list[str | None]) -> None:
    counts = script_counts(Texts.of(pa.array(texts, pa.string())).by_script().sum(axis=0))
    letters = [c for text in texts for c in text or "" if unicodedata.category(c)[0] in "LM"]
    for script in ("Latin", "Cyrillic", "Greek", "Han", "Arabic", "Hangul"):
        expected = sum(bool(regex.match(rf"\p{{Script={script}}}", c)) for c in letters)
        assert counts.get(script, 0) == expected
    nothing = regex.compile(r"[\p{Script=Common}\p{Script=Inherited}]")
    assert sum(counts.values()) == sum(not nothing.match(c) for c in letters)
    assert set(counts) <= set(KINDS)


@given(st.lists(TEXTS))
def test_normalised_texts_are_letters_and_digits(texts: list[str]) -> None:
    found = normalised(pa.array(["cut off", *texts], pa.string()).slice(1)).to_pylist()
    again = normalised(pa.array(found, pa.string())).to_pylist()
    for text, plain, twice in zip(texts, found, again, strict=True):
        assert all(unicodedata.category(c)[0] in "LMN" for c in plain)
        assert plain == normalised(pa.array([f" {text}—!? "])).to_pylist()[0]
        assert twice == normalised(pa.array([plain])).to_pylist()[0]


def test_columns_of_every_kind() -> None:
    table = pa.table(
        {
            "text": ["one", "two", None, "two"],
            "number": pa.array([1.0, math.inf, None, 3.0]),
            "flag": [True, None, False, True],
            "list": pa.array([[1], [], None, [1, 2, 3]]),
            "record": pa.array([{"a": 1}, None, {"a": 2}, {"a": 3}]),
            "when": pa.array([0, 1, None, 3], pa.timestamp("s")),
            "nothing": pa.nulls(4),
            "large": pa.array(["x", "y", "y", None], pa.large_string()),
        }
    )
    rows = Dataset(table, roles=Roles(text="text"))
    found = {column.name: column for column in rows.describe().splits[""].columns}
    assert list(found) == table.column_names
    assert {name: column.missing for name, column in found.items()} == {
        **dict.fromkeys(table.column_names, 1),
        "nothing": 4,
    }
    assert (found["text"].distinct, found["large"].distinct, found["flag"].distinct) == (2, 2, 2)
    numbers = found["number"].numbers
    assert numbers is not None
    assert (numbers.min, numbers.median, numbers.max, numbers.not_finite) == (1.0, 2.0, 3.0, 1)
    lists = found["list"].lengths
    assert lists is not None
    assert (lists.unit, lists.min, lists.max, lists.total) == ("values", 0, 3, 4)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1e308, -1e308, 1e308, 1e-320]),
        pa.array([math.nan] * 4),
        pa.array(np.array([1, 2, 3, 4], np.float16)),
        pa.array([2**64 - 1, 0, None, 1], pa.uint64()),
        pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int32(), 2)),
        pa.array([[["a"]], None, [], [[None]]]),
        pa.array(["a\0b", "x" * 100_000, None, "é"], pa.large_string()),
        pa.array(["a", "b", None, "a"]).dictionary_encode(),
        pa.array([b"\xff", b"", None, b"a"]),
    ],
    ids=lambda values: str(values.type),
)
def test_columns_that_are_hard_to_read(values: pa.Array) -> None:
    table = pa.table({"text": ["a", "b", "c", "d"], "odd": values})
    found = Dataset(table, roles=Roles(text="text")).describe()
    assert found.splits[""].columns[1].missing == values.null_count
    text = json.dumps(found.as_dict(), allow_nan=False)
    assert Description.from_dict(json.loads(text)) == found
    assert "odd" in repr(found)


@pytest.mark.parametrize("names", [["O", "B-x", "I-x", "B-y", "I-y"], None])
def test_entities_of_tags(names: list[str] | None) -> None:
    tags = [["B-x", "I-x", "O", "B-y"], [], ["B-x", "B-x"]]
    column: Any = tags if names is None else [[names.index(tag) for tag in row] for row in tags]
    table = pa.table({"tokens": [["w"] * len(row) for row in tags], "tags": column})
    tag = Value("string") if names is None else ClassLabel(names)
    features = {"tokens": Sequence(Value("string")), "tags": Sequence(tag)}
    roles = Roles(tokens="tokens", tags="tags")
    split = Dataset(table, features=features, roles=roles).describe().splits[""]
    assert (split.entities, split.are_entities) == ({"x": 3, "y": 1}, True)


def test_words_of_tags_that_are_of_no_scheme() -> None:
    table = pa.table({"tokens": [["a", "b"], ["c"]], "tags": [["NOUN", "VERB"], ["NOUN"]]})
    roles = Roles(tokens="tokens", tags="tags")
    split = Dataset(table, roles=roles).describe().splits[""]
    assert (split.entities, split.are_entities) == ({"NOUN": 2, "VERB": 1}, False)


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows(rows: int) -> None:
    one = made([("x", "a")])[:rows]
    found = one.describe()
    assert found.splits[""].rows == rows
    assert str(rows) in repr(found)
    assert found.to_html()


def test_rows_without_text_have_no_figures_of_it() -> None:
    table = pa.table({"input_ids": pa.array([[1, 2], [3]], pa.list_(pa.int32()))})
    split = Dataset(table, roles=Roles()).describe().splits[""]
    assert split.repeats is None
    assert split.lengths["tokens"].total == 3


def test_an_order_counts_as_its_rows(data: DatasetDict) -> None:
    some = data["train"].select([6, 0, 0])
    found = some.describe().splits[""]
    assert (found.rows, found.labels) == (3, {"a": 2, "b": 1, "c": 0})
    assert found.repeats is not None
    assert found.repeats.exact == 1


def test_it_is_kept(data: DatasetDict) -> None:
    first = data.describe()
    assert data.describe() == first
    assert [look.outcome for look in explain(1, step="describe")] == ["hit"]
    other = DatasetDict({**data, "test": made([("Another", "a")])}, source="questions")
    assert other.describe().leaks == []


def test_json_holds_it_all(data: DatasetDict) -> None:
    found = data.describe()
    values = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert Description.from_dict(values) == found
    assert values["notes"] == found.notes


def test_notes_say_what_to_look_at(data: DatasetDict) -> None:
    notes = " ".join(data.describe().notes)
    assert "2 of 4 rows of test (50.0 %) have a text that is also in train" in notes
    assert "train: 1 empty text (from 0, rows 3)." in notes
    assert "train: 3 rows of the same text with different labels." in notes
    assert "train: 1 row without a label." in notes
    assert "test: rows of one class only (a)." in notes


class Page(HTMLParser):
    """Reads a page, and holds that its tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def test_html_is_whole_and_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script> & more"
    rows = made([(evil, "a"), (evil, "b")])
    path = tmp_path / "new" / "report.html"
    found = DatasetDict({"<b>": rows}, source="<i>evil</i>").describe()
    found.save_html(path)
    page = Page(path.read_text(encoding="utf-8"))
    tags = [tag for tag, _ in page.seen]
    assert not {"script", "b", "i", "link", "img"} & set(tags)
    assert evil in page.words
    assert "<i>evil</i>" in page.words
    heads = [attributes for tag, attributes in page.seen if tag == "th"]
    assert heads
    assert all(attributes["scope"] == "col" for attributes in heads)
    Page(found._repr_html_())


def test_a_bar_is_as_long_as_its_share(data: DatasetDict) -> None:
    text = repr(data.describe())
    (line,) = re.findall(r"^ +b .*$", text, re.MULTILINE)
    assert line.split()[1:4] == ["██████", "2", "(33.3"]


def test_wrong_lengths_are_refused(data: DatasetDict, base: Path) -> None:
    with pytest.raises(DataError, match="give the tokenizer too"):
        data.describe(max_length=12)
    with pytest.raises(DataError, match="give 1 or more"):
        data.describe(Tokenizer.from_pretrained(base), max_length=0)


def test_real_data(real_data: Path) -> None:
    found = graft.load_dataset(real_data / "trec").describe()
    (leak,) = found.leaks
    texts = {
        name: set(split["text"]) for name, split in graft.load_dataset(real_data / "trec").items()
    }
    assert leak.exact == len(texts["test"] & texts["train"])
    train = found.splits["train"]
    assert train.repeats is not None
    assert train.repeats.exact == train.rows - len(texts["train"])


def test_the_table_of_scripts_is_what_its_script_writes() -> None:
    script = Path(__file__).parents[2] / "scripts" / "script_tables.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
