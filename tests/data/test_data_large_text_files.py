"""Files so large that their encoding is settled while they are read, and not before."""

import logging
from pathlib import Path

import pytest

from graft.data.load import load_dataset
from graft.errors import DataError

ROWS = 70_000
ROW = "a sentence of some words, and a number in quotes: {}"


def written(path: Path, last: bytes, *, first: str = "", rows: int = ROWS) -> Path:
    """A CSV file of more than five megabytes, whose last row ends with `last`."""
    lines = [
        f'"{first}{ROW.format(number)}, and so on for long",{number % 3}' for number in range(rows)
    ]
    content = "text,label\n" + "\n".join(lines) + "\n"
    path.write_bytes(content.encode() + b'"' + last + b'",0\n')
    assert path.stat().st_size > 5 << 20
    return path


def test_utf8_to_the_last_byte(tmp_path: Path) -> None:
    data = load_dataset(written(tmp_path / "a.csv", "schön".encode()), split="train")
    assert len(data) == ROWS + 1
    assert data[ROWS]["text"] == "schön"
    assert data[0]["text"].startswith("a sentence")


def test_windows_1252_is_found_out_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path / "a.csv", "schön".encode("windows-1252"))
    with caplog.at_level(logging.WARNING, "graft.data"):
        data = load_dataset(path, split="train")
    assert [len(data), data[ROWS]["text"]] == [ROWS + 1, "schön"]
    assert data["text"][:ROWS] == [
        f"{ROW.format(number)}, and so on for long" for number in range(ROWS)
    ]
    assert [record.message for record in caplog.records if "Windows-1252" in record.message]


def test_no_clear_encoding_is_told_by_line(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"sch\xf6n", first="süß: ")
    with pytest.raises(DataError, match=rf"a\.csv, line {ROWS + 2}: byte 0xf6"):
        load_dataset(path)
    data = load_dataset(path, on_bad_rows="collect", split="train")
    assert len(data) == ROWS
    assert data.bad_rows.num_rows == 1


def test_the_encoding_given_is_held_to(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"sch\xf6n")
    with pytest.raises(DataError, match=rf"line {ROWS + 2}: byte 0xf6"):
        load_dataset(path, encoding="utf-8")
    data = load_dataset(path, encoding="latin-1", split="train")
    assert data[ROWS]["text"] == "schön"


def test_an_open_quote_before_bytes_of_another_encoding(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", b"sch\xf6n")
    content = path.read_bytes()
    place = content.rindex(b'"a sentence')
    path.write_bytes(content[:place] + b'"never closed, 1\n' + content[place:])
    with pytest.raises(DataError, match=r"double quote|expected 2 fields"):
        load_dataset(path)


def test_a_header_beyond_what_is_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,"' + b"a" * (5 << 20) + b"\xf6" + b'"\nfirst,second\n')
    data = load_dataset(path, split="train", text="text")
    assert data.column_names[0] == "text"
    assert data.column_names[1].endswith("ö")


def test_tabs_and_quotes_in_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    rows = "".join(
        f'"quoted" {ROW.format(number)} and more of it\t{number % 3}\n' for number in range(80_000)
    )
    path.write_bytes(b"text\tlabel\n" + rows.encode() + b"na\xefve\t1\n")
    assert path.stat().st_size > 5 << 20
    data = load_dataset(path, split="train")
    assert data[80_000]["text"] == "naïve"
    assert data[0]["text"].startswith('"quoted" a')


@pytest.mark.parametrize("shift", range(4))
def test_characters_across_the_ends_of_blocks(tmp_path: Path, shift: int) -> None:
    path = tmp_path / "a.jsonl"
    row = "a" * shift + "€😀ö" * 500
    path.write_text(f'{{"text": "{row}"}}\n' * 700, encoding="utf-8")
    assert path.stat().st_size > 3 << 20
    assert set(load_dataset(path, split="train")["text"]) == {row}
    path.write_bytes(path.read_bytes() + b'{"text": "\xe2\x82"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 701: byte 0xe2"):
        load_dataset(path)
