"""CSV, TSV and JSON files: what is read exactly, and what is refused with its place."""

import csv
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.load import load_dataset
from graft.errors import DataError


def test_csv_fields_stay_the_text_they_are(write):
    path = write("a.csv", "text,label\nNA,01\nnull,1\n1e5,1e5\n  x ,01\n")
    data = load_dataset(path, split="train")
    assert data["text"] == ["NA", "null", "1e5", "  x "]
    assert data.label_names == ["01", "1", "1e5"]
    assert data["label"] == [0, 1, 2, 0]


def test_csv_with_byte_order_mark_semicolons_crlf_and_quoted_newlines(write):
    content = '\ufefftext;label\r\n"two\r\nlines";a\r\n"a ""quoted""; word";b\r\n'
    data = load_dataset(write("a.csv", content), split="train")
    assert data["text"] == ["two\r\nlines", 'a "quoted"; word']
    assert data.label_names == ["a", "b"]


@pytest.mark.parametrize("mark", ["\t", "|", ";"])
def test_csv_delimiter_comes_from_the_header(write, mark):
    path = write("a.csv", f"text{mark}label\na, b, c{mark}x\nd{mark}y\n")
    assert load_dataset(path, split="train")["text"] == ["a, b, c", "d"]


def test_csv_semicolons_in_texts_are_no_delimiters(write):
    path = write("a.csv", "text,label\na; b; c,x\nd; e,y\n")
    assert load_dataset(path, split="train")["text"] == ["a; b; c", "d; e"]


def test_csv_other_columns_become_numbers_only_when_nothing_is_lost(write):
    path = write("a.csv", "text,label,id,zip,score,gap\na,x,1,0815,0.5,\nb,y,-20,9999,1e-3,7\n")
    row = load_dataset(path, split="train")[0]
    assert (row["id"], row["zip"], row["score"], row["gap"]) == (1, "0815", 0.5, None)


def test_csv_column_without_a_name_gets_one(write):
    path = write("a.csv", ",text,label\n0,a,x\n1,b,y\n")
    assert load_dataset(path, split="train").column_names == ["column_1", "text", "label"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label\na,x\nb\n", ["line 3", "expected 2 fields", "found 1", "'b'"]),
        ("text,label\na,x\nb, c,y\n", ["line 3", "expected 2", "found 3", "double quotes"]),
        ('text,label\n"a\n\na",x\nb\n', ["line 5", "found 1"]),
        ('text,label\na,x\n"b,y\nc,x\n', ["line 3", "double quote", "not closed"]),
        ('text,label\na,x\nb,"y\nc,x\n', ["line 3", "double quote"]),
        ('text,label\na,"x\nb,y\nc,"x\nd,y\n', ["line 2", "double quote"]),
        ("text,label,text\na,x,b\n", ["line 1", "'text'", "columns 1 and 3"]),
        ("text,label\n", ["'train' has no rows"]),
        ("", ["is empty"]),
        ("\ufeff\n \n", ["is empty"]),
    ],
)
def test_broken_csv_names_file_and_line(write, content, said):
    path = write("broken.csv", content)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    for words in [str(path), *said]:
        assert words in str(caught.value)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings_are_found_out(write, caplog, suffix, encoding):
    mark = "\t" if suffix == "tsv" else ","
    text = f"text{mark}label\nein schöner alter Baum am Weg{mark}x\n“gut”{mark}y\n"
    if suffix == "jsonl":
        text = '{"text": "ein schöner alter Baum am Weg", "label": "x"}\n'
    if encoding == "latin-1":
        text = text.replace("“gut”", "gut")
    path = write(f"a.{suffix}", text.encode(encoding))
    with caplog.at_level(logging.WARNING, "graft.data"):
        data = load_dataset(path, split="train")
    assert "schöner" in data["text"][0]
    told = [record.getMessage() for record in caplog.records]
    assert (["Windows-1252" in words for words in told] == [True]) == (encoding == "latin-1")


def test_an_encoding_that_is_given_counts(write, caplog):
    content = "text,label\nДолгий день,x\n".encode("windows-1251")  # noqa: RUF001
    path = write("a.csv", content)
    with pytest.raises(DataError, match=r"line 2: byte 0xc4 at offset 11 is not UTF-8.*encoding="):
        load_dataset(path)
    with caplog.at_level(logging.WARNING, "graft.data"):
        data = load_dataset(path, split="train", encoding="windows-1251")
    assert data["text"] == ["Долгий день"]
    assert not caplog.records
    with pytest.raises(DataError, match="'klingon' is not an encoding"):
        load_dataset(path, encoding="klingon")
    with pytest.raises(DataError, match="line 2: byte 0xc4 at offset 11 is not UTF-8"):
        load_dataset(path, encoding="utf-8")


def test_windows_1252_marks_are_read(write):
    path = write("a.csv", "text,label\n“so” it is 5 €…,x\nplain,y\n".encode("windows-1252"))
    assert load_dataset(path, split="train")["text"] == ["“so” it is 5 €…", "plain"]


def test_a_wrong_byte_far_into_a_file_is_placed_exactly(write):
    start = b"text,label\n" + b"plain words,x\n" * 100_000 + "ein schöner Tag,y\n".encode()
    path = write("a.csv", start + "schön,y\n".encode("latin-1"))
    with pytest.raises(DataError, match=f"line 100003: byte 0xf6 at offset {len(start) + 3} "):
        load_dataset(path)


def test_a_character_cut_off_at_the_end_is_placed(write):
    path = write("a.csv", "text,label\na,x\nb,schö".encode()[:-1])
    with pytest.raises(DataError, match="line 3: byte 0xc3 at offset 20 "):
        load_dataset(path)


def test_tsv_quotes_are_text_unless_all_are_paired(write):
    raw = load_dataset(write("raw.tsv", 'text\tlabel\n"a\tx\nsay "b"\ty\n"c"\ty\n'), split="train")
    assert raw["text"] == ['"a', 'say "b"', '"c"']
    paired = write("paired.tsv", 'text\tlabel\n"a ""b""\n c\t"\tx\nd\ty\n')
    assert load_dataset(paired, split="train")["text"] == ['a "b"\n c\t', "d"]


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1),
            st.sampled_from(["a", "01", "a,b", 'say "x"']),
        ),
        min_size=1,
    )
)
def test_what_the_csv_module_writes_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "label"), *rows])
    data = load_dataset(path, split="train")
    assert data["text"] == [text for text, _ in rows]
    assert [data.label_names[number] for number in data["label"]] == [label for _, label in rows]


def test_json_lines_text_stays_text(write):
    lines = [
        {"text": "2020-01-01", "label": "2020-01-01 00:00:00", "n": 1, "tags": ["2020-01-01"]},
        {"text": "schön\n", "label": None},
    ]
    content = "\ufeff" + "\n\n".join(json.dumps(line) for line in lines)
    data = load_dataset(write("a.jsonl", content), split="train")
    assert data["text"] == ["2020-01-01", "schön\n"]
    assert data.label_names == ["2020-01-01 00:00:00"]
    assert data["label"] == [0, None]
    assert data["tags"] == [["2020-01-01"], None]


def test_json_array_of_objects(write):
    path = write("a.json", '[{"text": "a", "label": true}, {"label": false, "text": "b"}]')
    data = load_dataset(path, split="train")
    assert data["text"] == ["a", "b"]
    assert data.label_names == ["false", "true"]
    assert data["label"] == [1, 0]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": "b"\n', ["line 2, column 13", '{"text": "b"']),
        ("a.jsonl", '{"text": "a"}\nplain words\n', ["line 2", "plain words"]),
        ("a.jsonl", '{"text": "a"}\n["b"]\n', ["line 2", "a list", "object"]),
        ("a.jsonl", '{"text": "a", "text": "b"}\n', ["line 1", "'text'", "twice"]),
        (
            "a.jsonl",
            '{"text": "a", "label": "x"}\n{"text": "b", "label": 3}\n',
            ["line 2", "'label'", "a number", "line 1 has text"],
        ),
        ("a.json", '[{"text": "a"},\n{]', ["line 2, column 2", "broken JSON"]),
        ("a.json", '[{"text": "a"}, 5]', ["item 2", "a number"]),
        ("a.json", "[]", ["is empty"]),
        ("a.jsonl", "{}\n{}\n", ["no keys"]),
        ("a.jsonl", "", ["is empty"]),
    ],
)
def test_broken_json_names_file_and_line(write, name, content, said):
    path = write(name, content)
    with pytest.raises(DataError) as caught:
        load_dataset(path)
    for words in [str(path), *said]:
        assert words in str(caught.value)
