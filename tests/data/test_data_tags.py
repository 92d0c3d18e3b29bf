"""Tags of words against seqeval: spans, legality, and schemes made of one another."""

import itertools

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import ClassLabel, Sequence, Value
from graft.data.roles import Roles
from graft.data.tags import check_tags, convert_tags, scheme_of
from graft.data.tags.schemes import SCHEMES, in_order, tag_names
from graft.data.tags.spans import spans_to_tags, tags_to_spans
from graft.errors import DataError

STRICT = {"IOB1": IOB1, "IOB2": IOB2, "BIOES": IOBES, "BILOU": BILOU}
LABELS = ["LOC", "creative-work", "PER"]


def rows_of(tags: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    return st.lists(st.lists(tags, max_size=7), max_size=5)


RANDOM = {name: rows_of(st.sampled_from(tag_names(LABELS, name))) for name in SCHEMES}


@st.composite
def spans(draw: st.DrawFn) -> tuple[list[int], list[list[dict]]]:
    """Rows of words, and spans in them that do not lie over each other."""
    lengths, rows = draw(st.lists(st.integers(0, 8), max_size=5)), []
    for length in lengths:
        places = draw(st.lists(st.integers(0, length), max_size=6, unique=True).map(sorted))
        pairs = itertools.pairwise(places)
        labels = st.sampled_from([*LABELS, None])
        found = [(start, end, draw(labels)) for start, end in pairs]
        rows.append([{"start": s, "end": e, "label": label} for s, e, label in found if label])
    return lengths, rows


def column(rows: list, chunks: int = 2) -> pa.ChunkedArray:
    """The rows in two chunks, the second of them a slice."""
    kind = pa.list_(pa.string())
    middle = len(rows) // chunks
    second = pa.array([["B-none"], *rows[middle:]], kind)[1:]
    return pa.chunked_array([pa.array(rows[:middle], kind), second])


def as_triples(rows: list) -> list:
    return [[(span["label"], span["start"], span["end"] - 1) for span in row] for row in rows]


@pytest.mark.parametrize("scheme", ["IOB2", "BIOES"])
@given(st.data())
def test_spans_are_those_of_the_conll_evaluation(scheme, data):
    rows = data.draw(RANDOM[scheme])
    found = as_triples(tags_to_spans(column(rows)).to_pylist())
    assert found == [get_entities(row) for row in rows]


@pytest.mark.parametrize("scheme", [*STRICT])
@given(st.data())
def test_legal_is_what_a_strict_reading_leaves_nothing_of(scheme, data):
    rows = data.draw(RANDOM[scheme])
    wrong = {problem.row for problem in check_tags(column(rows), scheme)}
    for number, row in enumerate(rows):
        (strict,) = Entities([row], STRICT[scheme]).entities
        read = {word for span in strict for word in range(span.start, span.end)}
        assert (number in wrong) == (read != {i for i, tag in enumerate(row) if tag != "O"})


@pytest.mark.parametrize("scheme", SCHEMES)
@given(spans())
def test_tags_of_spans_give_the_spans_back(scheme, marked):
    lengths, rows = marked
    kind = pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string()}))
    given_spans = pa.chunked_array([pa.array(rows[:2], kind), pa.array(rows[2:], kind)])
    tags = spans_to_tags(given_spans, lengths, scheme)
    assert [len(row) for row in tags.to_pylist()] == lengths
    assert check_tags(tags, scheme) == []
    assert tags_to_spans(tags).to_pylist() == rows
    if scheme in STRICT:
        (strict, triples) = Entities(tags.to_pylist(), STRICT[scheme]).entities, as_triples(rows)
        assert [[(e.tag, e.start, e.end - 1) for e in row] for row in strict] == triples


@pytest.mark.parametrize("to", SCHEMES)
@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=20)
@given(spans())
def test_every_scheme_becomes_every_other(scheme, to, marked):
    lengths, rows = marked
    kind = pa.list_(pa.struct({"start": pa.int64(), "end": pa.int64(), "label": pa.string()}))
    given_spans = pa.chunked_array([pa.array(rows, kind)])
    tags = spans_to_tags(given_spans, lengths, scheme)
    converted, names = convert_tags(tags, to, scheme)
    assert converted.to_pylist() == spans_to_tags(given_spans, lengths, to).to_pylist()
    assert {tag for row in converted.to_pylist() for tag in row} <= {*names}


@given(RANDOM["BIOES"])
def test_repaired_tags_are_legal_and_keep_their_spans(rows):
    fixed, _ = convert_tags(column(rows), "BIOES", "BIOES", repair=True)
    assert check_tags(fixed, "BIOES") == []
    assert tags_to_spans(fixed).to_pylist() == tags_to_spans(column(rows)).to_pylist()


@pytest.mark.parametrize(
    ("rows", "scheme"),
    [
        ([["O", "B-X", "I-X"], ["I-X", "O"], ["B-X"]], "IOB2"),  # one word is wrong in it
        ([["I-X", "I-X", "O"], ["I-X", "B-X"]], "IOB1"),
        ([["I-X", "O", "I-Y"]], "IOB1"),
        ([["B-X", "O"]], "IOB2"),
        ([["B-X", "E-X", "O", "S-Y"]], "BIOES"),
        ([["B-X", "L-X", "U-Y"]], "BILOU"),
        ([["B-X", "M-X", "E-X", "S-X"]], "BMES"),
        ([["B", "I", "O"]], "IOB2"),
        ([["NOUN", "VERB"], ["O"]], None),
        ([["E-X", "L-X"]], None),
        ([["O", "O"]], None),
        ([[], None], None),
    ],
)
def test_schemes_are_told_apart(rows, scheme):
    assert scheme_of(column(rows)) == scheme


def test_problems_name_row_and_word():
    rows = [["O"], ["O", "I-X", "B-X", "I-Y"], None, ["E-X"]]
    told = [str(problem) for problem in check_tags(column(rows), "IOB2")]
    assert told == [
        "row 1, word 1: 'I-X' goes on with no span of its label, where IOB2 begins one",
        "row 1, word 3: 'I-Y' goes on with no span of its label, where IOB2 begins one",
        "row 3, word 0: 'E-X' is no tag of IOB2",
    ]
    assert str(check_tags(column([["B-X", "O"]]), "BILOU")[0]) == (
        "row 0, word 0: 'B-X' is the last of a span, where BILOU ends it"
    )
    assert len(check_tags(column(rows), "IOB2", limit=2)) == 2
    with pytest.raises(DataError, match="row 1, word 1: 'I-X'"):
        convert_tags(column(rows[:2]), "BIOES", "IOB2")


def test_nulls_stay_and_end_spans():
    tags = column([["B-X", None, "I-X"], None, []])
    converted, _ = convert_tags(tags, "BIOES", repair=True)
    assert converted.to_pylist() == [["S-X", None, "S-X"], None, []]
    assert [len(row or []) for row in tags_to_spans(tags).to_pylist()] == [2, 0, 0]
    assert convert_tags(column([["O", None]]), "BILOU")[0].to_pylist() == [["O", None]]
    assert convert_tags(column([]), "BILOU")[0].to_pylist() == []


def test_what_cannot_be():
    with pytest.raises(DataError, match=r"no tag scheme 'XYZ'. There are: IOB1, IOB2"):
        convert_tags(column([["O"]]), "XYZ")
    with pytest.raises(DataError, match=r"not tags of a scheme .*: NOUN, VERB"):
        convert_tags(column([["NOUN", "VERB"]]), "IOB2")
    with pytest.raises(DataError, match="this column holds string"):
        scheme_of(pa.chunked_array([["O"]]))
    one = pa.chunked_array([[[{"start": 0, "end": 3, "label": "X"}]]])
    with pytest.raises(DataError, match="row 0: the span from 0 to 3 is not within its 2 words"):
        spans_to_tags(one, [2])
    over = [[{"start": 1, "end": 3, "label": "X"}, {"start": 0, "end": 2, "label": "Y"}]]
    with pytest.raises(DataError, match="row 0: the spans from 0 to 2 and from 1 to 3 lie over"):
        spans_to_tags(pa.chunked_array([over]), [4])
    lacking = pa.chunked_array([[[{"start": 0, "end": None, "label": "X"}]]])
    with pytest.raises(DataError, match="row 0: a span lacks its start, end or label"):
        spans_to_tags(lacking, [2])
    with pytest.raises(DataError, match="1 rows of spans, but 2 lengths"):
        spans_to_tags(one, [2, 3])
    with pytest.raises(DataError, match="number 7, but there are 2 tags"):
        check_tags(pa.chunked_array([[[0, 7]]]), None, ["O", "B-X"])


def test_classes_stay_classes():
    names = ["I-b", "O", "B-b", "B-a", "I-a"]
    table = pa.table({"text": ["x", "y"], "ner": [[1, 2, 0, 3], [3, 4]]})
    features = {"text": Value("string"), "ner": Sequence(ClassLabel(names))}
    data = Dataset(table, features=features)
    assert data.tag_scheme("ner") == "IOB2"
    assert data.check_tags("ner") == []
    longer = data.convert_tags("BIOES", "ner")
    new = longer.features["ner"].feature.names
    assert new == ["O", "B-b", "I-b", "E-b", "S-b", "B-a", "I-a", "E-a", "S-a"]
    words = [[new[number] for number in row] for row in longer["ner"]]
    assert words == [["O", "B-b", "E-b", "S-a"], ["B-a", "E-a"]]
    assert longer.convert_tags("IOB2", "ner").convert_tags("BIOES", "ner")["ner"] == longer["ner"]
    assert longer.fingerprint == data.convert_tags("BIOES", "ner").fingerprint != data.fingerprint


def test_classes_come_in_an_order_that_makes_sense():
    assert in_order(["I-b", "B-a", "O", "I-a"]) == ["O", "B-a", "I-a", "I-b"]
    assert in_order(["S-a", "E-a", "B-a", "O"]) == ["O", "B-a", "E-a", "S-a"]
    assert in_order(["I", "B", "O"]) == ["O", "B", "I"]
    assert in_order(["NOUN", "O"]) is None
    assert in_order(["O"]) is None


def test_splits_share_a_scheme():
    train = pa.table({"text": ["x", "y"], "tags": [["I-a", "I-a", "B-a"], ["I-b", "O", "I-a"]]})
    test = pa.table({"text": ["x"], "tags": [["O", "I-b", "O"]]})
    bare = pa.table({"text": ["x"], "tags": [["O"]]})
    tables = {"train": train, "test": test, "bare": bare}
    roles = Roles("text", tags="tags")
    data = DatasetDict({name: Dataset(table, roles=roles) for name, table in tables.items()})
    assert data.tag_scheme() == "IOB1"
    assert data.check_tags() == {"train": [], "test": [], "bare": []}
    assert len(data.check_tags(scheme="IOB2")["train"]) == 3
    converted = data.convert_tags("IOB2")
    assert converted["train"]["tags"] == [["B-a", "I-a", "B-a"], ["B-b", "O", "B-a"]]
    assert converted["test"]["tags"] == [["O", "B-b", "O"]]
    assert converted["bare"]["tags"] == [["O"]]
    assert data["train"].class_encode("tags").tag_names() == ["O", "B-a", "I-a", "I-b"]


def test_a_data_set_without_tags_says_so():
    data = Dataset(pa.table({"text": ["x"], "kind": ["y"]}), roles=Roles("text"))
    with pytest.raises(DataError, match=r"has no column of tags. Its columns are: text, kind"):
        data.tag_scheme()
    with pytest.raises(DataError, match="has no column 'tags'"):
        data.convert_tags("IOB2", "tags")
    with pytest.raises(DataError, match=r"memory, column 'kind'.*holds string"):
        data.convert_tags("IOB2", "kind")
