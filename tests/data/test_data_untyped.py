"""What texts of CSV files become: nothing of them is lost."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.features import Value
from graft.data.load import load_dataset
from graft.errors import DataError


def loaded(folder, *values, **options):
    path = folder / "a.csv"
    lines = [f"{value},text {number},yes\n" for number, value in enumerate(values)]
    path.write_text("value,text,label\n" + "".join(lines))
    return load_dataset(path, split="train", **options)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (
            ["1745678901234567891", "-1745678901234567892"],
            "int64",
            [1745678901234567891, -1745678901234567892],
        ),
        (["17456789012345678911", "2"], "string", ["17456789012345678911", "2"]),
        (["1745678901234567891", "1.5"], "string", ["1745678901234567891", "1.5"]),
        (["123456789012345", "1.5"], "float64", [123456789012345.0, 1.5]),
        (["1", "NA", "", "3"], "int64", [1, None, None, 3]),
        (["1.5", "NaN", "nan", "-2e3"], "float64", [1.5, None, None, -2000.0]),
        (["True", "", "False"], "bool", [True, None, False]),
        (["true", "1"], "string", ["true", "1"]),
        (["NA", "nan", ""], "string", ["NA", "nan", ""]),
        (["NA", "Oslo"], "string", ["NA", "Oslo"]),
        (["01", "2"], "string", ["01", "2"]),
    ],
)
def test_types_that_lose_nothing(tmp_path, values, dtype, expected):
    data = loaded(tmp_path, *values)
    assert data.features["value"] == Value(dtype)
    assert data["value"] == expected


@settings(max_examples=30)
@given(st.lists(st.integers(-(10**20), 10**20), min_size=1, max_size=5))
def test_whole_numbers_keep_their_digits(tmp_path_factory, numbers):
    data = loaded(tmp_path_factory.mktemp("numbers"), *numbers)
    assert [int(value) for value in data["value"]] == numbers


def test_a_text_that_is_not_of_the_declared_type(tmp_path):
    values = ["1.5", "2", "oops", "NA", "4", "none?"]
    features = {"value": Value("float32")}
    with pytest.raises(DataError, match=r"a\.csv, row 3, column 'value': 'oops' is not float32"):
        loaded(tmp_path, *values, features=features)
    data = loaded(tmp_path, *values, features=features, on_bad_rows="collect")
    assert data["value"] == [1.5, 2.0, None, 4.0]
    assert data["text"] == ["text 0", "text 1", "text 3", "text 4"]
    assert data.bad_rows["raw"].to_pylist() == ["'oops'", "'none?'"]


def test_a_stream_counts_what_its_first_rows_set_aside(tmp_path):
    features = {"value": Value("int64")}
    data = loaded(tmp_path, "1", "x", "3", features=features, on_bad_rows="collect", streaming=True)
    assert [row["value"] for row in data] == [1, 3]
    [bad] = data.bad_rows.to_pylist()
    assert "row 2" in bad["reason"]
    assert "'x'" in bad["raw"]


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"'])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_line_of_a_spreadsheet_that_names_the_delimiter(tmp_path, line, encoding):
    path = tmp_path / "export.csv"
    rows = f'{line}\r\ntext,more;label\r\n"a; ""b""";yes\r\n\r\nc;no\r\n'
    path.write_bytes(rows.encode(encoding))
    data = load_dataset(path, split="train", label="label")
    assert data["text,more"] == ['a; "b"', "c"]
    assert data.label_names == ["no", "yes"]
    path.write_bytes((rows + "d;no;e\r\n").encode(encoding))
    with pytest.raises(DataError, match=r"line 6: expected 2 fields"):
        load_dataset(path)
    bad = load_dataset(path, on_bad_rows="collect").bad_rows.to_pylist()
    assert [(row["line"], row["raw"]) for row in bad] == [(6, "d;no;e")]


def test_a_header_with_commas_between_other_delimiters(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text;amount, in EUR;label\nhello there;"1,5";yes\n')
    data = load_dataset(path, split="train", label="label")
    assert data.column_names == ["text", "amount, in EUR", "label"]


def test_an_open_quote_does_not_hide_the_rows_below_it(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + "hello,a\n" * 20 + '"oops,b\n' + "hello,b\n" * 20)
    with pytest.raises(DataError, match=r"a\.csv, line 22: a double quote"):
        load_dataset(path, on_bad_rows="collect")
