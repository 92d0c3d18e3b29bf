"""Loading: kept once and found again, options, bad rows set aside, nested JSON, wide types."""

import json
import logging
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.features import ClassLabel, Value
from graft.data.load import load_dataset
from graft.data.reading import loading
from graft.data.roles import Roles
from graft.errors import DataError

ROWS = "text,label\na,x\nb,y\n"


@pytest.fixture
def reads(monkeypatch, tmp_path_factory):
    """How often files were read rather than opened from the cache, which holds nothing at first."""
    monkeypatch.setenv("GRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
    counted = []
    read_split = loading.read_split

    def counting(*arguments):
        counted.append(arguments[0])
        return read_split(*arguments)

    monkeypatch.setattr(loading, "read_split", counting)
    return counted


def test_files_are_read_once(write, tmp_path, reads):
    path = write("a.csv", ROWS)
    first = load_dataset(path, split="train")
    again = load_dataset(path, split="train")
    moved = tmp_path / "elsewhere.csv"
    shutil.copy(path, moved)
    there = load_dataset(moved, split="train")
    assert reads == ["train"]
    assert list(first) == list(again) == list(there)
    assert first.features == again.features == there.features
    assert first.roles == again.roles
    assert first.fingerprint == again.fingerprint == there.fingerprint
    assert there.source == str(moved)


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (lambda folder: (folder / "train.csv").write_text(ROWS.replace("b,", "c,")), {}),
        (lambda folder: (folder / "README.md").write_text("---\nlanguage: de\n---\n"), {}),
        (lambda folder: (folder / "test.csv").write_text(ROWS), {}),
        (lambda folder: None, {"label": "text", "text": "label"}),
        (lambda folder: None, {"on_bad_rows": "collect"}),
        (lambda folder: None, {"encoding": "utf-8"}),
    ],
)
def test_a_change_of_a_file_the_card_or_an_option_is_noticed(
    write, tmp_path, reads, change, options
):
    write("train.csv", ROWS)
    write("README.md", "---\nlanguage: en\n---\n")
    before = load_dataset(tmp_path)
    reads.clear()
    change(tmp_path)
    after = load_dataset(tmp_path, **options)
    assert reads
    assert after["train"].fingerprint != before["train"].fingerprint
    reads.clear()
    load_dataset(tmp_path, **options)
    assert not reads


def test_nothing_is_kept_when_told_so(write, reads):
    path = write("a.csv", ROWS.replace("a", "not kept"))
    data = [load_dataset(path, split="train", cache=False) for _ in range(2)]
    assert reads == ["train", "train"]
    assert list(data[0]) == list(data[1])
    assert data[0].fingerprint == data[1].fingerprint


def test_a_failed_load_leaves_nothing(write, reads):
    path = write("a.csv", "text,label\na,x\nb\n")
    for _ in range(2):
        with pytest.raises(DataError, match="line 3"):
            load_dataset(path)
    assert len(reads) == 2
    path.write_text(ROWS)
    assert load_dataset(path)["train"]["text"] == ["a", "b"]


def test_ragged_rows_are_set_aside(write, caplog):
    content = 'text,label\n"two\nlines",x\n\nragged\nb,y\n1,2,3\nc,x\n'
    path = write("a.csv", content)
    with caplog.at_level(logging.WARNING, "graft.data"):
        data = load_dataset(path, on_bad_rows="collect")
    assert data["train"]["text"] == ["two\nlines", "b", "c"]
    assert data.bad_rows.to_pylist() == [
        {"file": str(path), "line": 5, "reason": "expected 2 fields, found 1", "raw": "ragged"},
        {"file": str(path), "line": 7, "reason": "expected 2 fields, found 3", "raw": "1,2,3"},
    ]
    (record,) = caplog.records
    assert "2 bad rows set aside" in record.getMessage()
    assert "line 5" in record.getMessage()
    again = load_dataset(path, on_bad_rows="collect", split="train")
    assert again.bad_rows.equals(data.bad_rows)


def test_broken_json_lines_are_set_aside(write):
    lines = ['{"text": "a", "n": 1}', "{broken", '{"text": 5, "n": 2}', "[1]", '{"text": "b"}']
    path = write("a.jsonl", "\n".join(lines))
    data = load_dataset(path, on_bad_rows="collect")
    assert data["train"]["text"] == ["a", "b"]
    assert data["train"]["n"] == [1, None]
    assert data.bad_rows["line"].to_pylist() == [2, 3, 4]
    reasons = data.bad_rows["reason"].to_pylist()
    assert "broken JSON" in reasons[0]
    assert reasons[1] == "column 'text': a number in place of text"
    assert "a list" in reasons[2]
    assert data.bad_rows["raw"].to_pylist() == lines[1:4]


@pytest.mark.parametrize("value", ["1e400", '"\\ud800"'])
def test_values_that_json_has_but_tables_have_not_are_named(write, value):
    lines = ['{"text": "a"}', f'{{"text": "b", "v": {value}}}', '{"text": "c"}']
    path = write("a.jsonl", "\n".join(lines))
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: "):
        load_dataset(path)
    data = load_dataset(path, on_bad_rows="collect")
    assert data["train"]["text"] == ["a", "c"]
    assert data.bad_rows["line"].to_pylist() == [2]


def test_unknown_labels_are_set_aside(write, tmp_path):
    write("train.csv", ROWS)
    write("test.csv", "text,label\nc,x\nd,z\ne,\n")
    with pytest.raises(DataError, match=r"test\.csv, row 2, column 'label': the label 'z'"):
        load_dataset(tmp_path)
    data = load_dataset(tmp_path, on_bad_rows="collect")
    assert data["test"]["text"] == ["c", "e"]
    assert data["test"]["label"] == [0, None]
    (row,) = data.bad_rows.to_pylist()
    assert row["file"].endswith("test.csv")
    assert row["reason"] == "row 2, column 'label': none of the classes"
    assert "z" in row["raw"]
    assert data["train"]["text"] == ["a", "b"]


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_rows_that_cannot_be_decoded_are_set_aside(write, suffix):
    rows = {
        "csv": "text,label\nschön,x\n@,y\ngut,y\n",
        "jsonl": '{"text": "schön"}\n{"text": "@"}\n',
    }
    content = rows[suffix].encode().replace(b"@", b"sch\xf6n")
    path = write(f"a.{suffix}", content)
    with pytest.raises(DataError, match="byte 0xf6"):
        load_dataset(path)
    data = load_dataset(path, on_bad_rows="collect")
    assert data["train"]["text"][0] == "schön"
    assert "sch\ufffdn" not in data["train"]["text"]
    (row,) = data.bad_rows.to_pylist()
    assert "sch\ufffdn" in row["raw"]
    assert "not utf-8" in row["reason"]


def test_how_bad_rows_are_treated_is_checked(write):
    with pytest.raises(DataError, match="'ignore' is not known"):
        load_dataset(write("a.csv", ROWS), on_bad_rows="ignore")


def test_a_bad_row_far_into_a_file_is_named_by_its_line(write):
    good = '"some words, and\nmore of them",x\n' * 40_000
    path = write("a.csv", f"text,label\n{good}short\n{good}")
    with pytest.raises(DataError, match=r"line 80002: expected 2 fields.*found 1: 'short'"):
        load_dataset(path)
    data = load_dataset(path, on_bad_rows="collect", split="train")
    assert len(data) == 80_000
    assert data.bad_rows["line"].to_pylist() == [80_002]


def test_a_record_longer_than_a_block(write):
    long = "word " * 1_000_000
    path = write("a.csv", f'text,label\nfirst,x\n"{long}",y\nlast,x\n')
    assert load_dataset(path, split="train")["text"] == ["first", long, "last"]


def test_dialects_set_by_hand(write):
    path = write("a.csv", 'so, it is~pos\nno "way~neg\n')
    data = load_dataset(path, split="train", delimiter="~", quote=None, header=None)
    assert data.column_names == ["column_1", "column_2"]
    named = load_dataset(
        path, split="train", delimiter="~", quote=None, header=None, columns=["text", "label"]
    )
    assert named["text"] == ["so, it is", 'no "way']
    assert named.label_names == ["neg", "pos"]
    escaped = write("b.csv", 'text,label\n"a \\"quoted\\" word",x\nb,y\n')
    assert load_dataset(escaped, split="train", escape="\\")["text"] == ['a "quoted" word', "b"]
    with pytest.raises(DataError, match="names 1 columns, but the first row has 2"):
        load_dataset(path, delimiter="~", quote=None, columns=["text"])
    with pytest.raises(DataError, match="not one ASCII character"):
        load_dataset(path, delimiter="--")


def test_types_are_found_out_over_all_rows(write):
    rows = "".join(f"text {n},x,{n},{n}\n" for n in range(30_000))
    path = write("a.csv", f"text,label,number,code\n{rows}last,y,0.5,n/a\n")
    data = load_dataset(path, split="train")
    assert data.features["number"] == Value("float64")
    assert data.features["code"] == Value("string")
    lines = "".join(json.dumps({"text": "a", "n": n, "o": None}) + "\n" for n in range(100_000))
    more = json.dumps({"text": "b", "n": 0.5, "o": {"k": [1]}, "new": "2020-01-01"})
    data = load_dataset(write("a.jsonl", lines + more), split="train")
    assert data["n"][-3:] == [99_998.0, 99_999.0, 0.5]
    assert data[100_000] == {"text": "b", "n": 0.5, "o": {"k": [1]}, "new": "2020-01-01"}
    assert data[0] == {"text": "a", "n": 0.0, "o": None, "new": None}


def test_kinds_that_differ_far_apart_are_named(write):
    lines = "".join(json.dumps({"text": "some words", "n": n}) + "\n" for n in range(100_000))
    path = write("a.jsonl", '{"text": "first"}\n' + lines + '{"text": "b", "n": "many"}\n')
    with pytest.raises(DataError, match=r"line 100002, column 'n': text, but line 2 has a number"):
        load_dataset(path)
    data = load_dataset(path, split="train", on_bad_rows="collect")
    assert len(data) == 100_001
    nested = write("b.jsonl", '{"text": "a", "m": {"k": [1]}}\n{"text": "b", "m": {"k": ["x"]}}\n')
    with pytest.raises(
        DataError, match=r"line 2, column 'm\.k\[\]': text, but line 1 has a number"
    ):
        load_dataset(nested)


def test_rows_within_a_document(write):
    content = {"version": "1", "data": {"meta": [], "rows": [{"text": "a\n"}, {"text": "b"}]}}
    path = write("a.json", json.dumps(content, indent=2))
    assert load_dataset(path, field="data.rows")["train"]["text"] == ["a\n", "b"]
    with pytest.raises(DataError, match=r"no key 'lines' under 'data'.*keys there are: meta, rows"):
        load_dataset(path, field="data.lines")
    with pytest.raises(DataError, match=r"no array of rows is there\. Its keys are: version, data"):
        load_dataset(path)
    only = write("b.json", json.dumps({"version": 1, "examples": [{"text": "a"}]}, indent=1))
    assert load_dataset(only)["train"]["text"] == ["a"]
    several = write("c.json", json.dumps({"u": [{"text": "a"}], "v": [{"text": "b"}]}))
    with pytest.raises(DataError, match=r"could be the rows: u, v.*field='u'"):
        load_dataset(several)
    assert load_dataset(several, field="v")["train"]["text"] == ["b"]


def test_keys_of_a_document_that_are_splits(write):
    rows = {"dev": [["b", "y"]], "train": [["a", "x"], ["c", "y"]], "test": [["d", "x"]]}
    for content in (json.dumps(rows), json.dumps(rows, indent=1)):
        data = load_dataset(write("a.json", content))
        assert list(data) == ["train", "validation", "test"]
        assert data["train"]["text"] == ["a", "c"]
        assert data.label_names == ["x", "y"]
    rows = {"train": [["a", "b", 1]], "test": [["c", "d", 1]]}
    path = write("b.json", json.dumps(rows))
    named = load_dataset(path, columns=["premise", "hypothesis", "label"], on_bad_rows="raise")
    assert named.roles == Roles("premise", "hypothesis", "label")
    ragged = write("c.json", json.dumps({"train": [["a", "b"], ["c"]]}))
    with pytest.raises(DataError, match=r"item 2 .*columns are|item 2: "):
        load_dataset(ragged, columns=["text", "label"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"text": "a"}] more', ["line 1, column 17", "follows after the end"]),
        ('[{"text": "a"}', ["broken JSON"]),
        ('[{"text": "a"} {"text": "b"}]', ["line 1, column 16"]),
        ('{"data": [{"text": "a"}', ["broken JSON"]),
        ('{"data": 5\n}', ["no array of rows", "data"]),
        ('{"data": [{"paragraphs": [{"context": "a"}]}]}', ["article 1 (line 1)", "'qas'"]),
        ("[1, 2]", ["item 1", "a number"]),
    ],
)
def test_broken_documents_name_the_place(write, content, said):
    path = write("a.json", content)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    for words in [str(path), *said]:
        assert words in str(caught.value)


def test_classes_declared_in_one_file_count_in_all(write, tmp_path):
    table = pa.table({"text": ["a", "b"], "label": [1, 0]})
    features = {"info": {"features": {"label": {"names": ["no", "yes"], "_type": "ClassLabel"}}}}
    metadata = {b"huggingface": json.dumps(features).encode()}
    pq.write_table(table.replace_schema_metadata(metadata), tmp_path / "train.parquet")
    write("test.jsonl", '{"text": "c", "label": 1}\n')
    data = load_dataset(tmp_path)
    assert data.features["label"] == ClassLabel(["no", "yes"])
    assert data["test"]["label"] == [1]


@settings(max_examples=40)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text(st.characters(codec="utf-8")), "label": st.just(0.5)},
            optional={
                "n": st.integers(-(2**53), 2**53) | st.none(),
                "f": st.floats(allow_nan=False, allow_infinity=False, width=32),
                "tags": st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=3),
                "inner": st.fixed_dictionaries({"flag": st.booleans() | st.none()}),
            },
        ),
        min_size=1,
        max_size=20,
    ),
    st.sampled_from(["lines", "array", "indented", "field"]),
)
def test_json_rows_are_read_back(tmp_path_factory, rows, layout):
    written = {
        "lines": "\n".join(map(json.dumps, rows)),
        "array": json.dumps(rows, ensure_ascii=False),
        "indented": json.dumps(rows, indent=1),
        "field": json.dumps({"count": 1, "rows": rows}, indent=1),
    }[layout]
    path = tmp_path_factory.mktemp("json") / ("a.jsonl" if layout == "lines" else "a.json")
    path.write_text(written, encoding="utf-8")
    options = {"field": "rows"} if layout == "field" else {}
    data = load_dataset(path, split="train", text="text", cache=False, **options)
    for row, read in zip(rows, data, strict=True):
        assert {key: value for key, value in read.items() if value is not None} == {
            key: value for key, value in row.items() if value is not None
        }


def test_rows_of_bytes_that_are_no_text_are_set_aside_by_their_line(write):
    rows = (
        'text,label\n"größe\nof two lines",a\n'.encode() + b'"of \xff\xfe\xff bytes",b\nok\nok,a\n'
    )
    data = load_dataset(write("train.csv", rows), split="train", on_bad_rows="collect")
    assert data["text"] == ["größe\nof two lines", "ok"]
    assert data.bad_rows["line"].to_pylist() == [4, 5]
    assert data.bad_rows["raw"].to_pylist() == ["of \ufffd\ufffd\ufffd bytes,b", "ok"]
