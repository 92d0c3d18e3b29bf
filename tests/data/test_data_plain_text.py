"""Plain text: lines, paragraphs and documents, as `datasets` reads them, or more strictly."""

import datasets
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import DataFile
from graft.data.formats.text_file import read_text
from graft.errors import DataError

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufeff"), max_size=60)


def texts(path, bad=None, **options):
    content = read_text(DataFile.of(path), options, bad or BadRows())
    return pa.Table.from_batches(content.batches)["text"].to_pylist()


def test_lines_stand_as_they_are(write):
    path = write("a.txt", "\ufeff one \n\n\ttwo\r\nthree\rfour")
    assert texts(path) == [" one ", "", "\ttwo", "three", "four"]
    assert texts(write("b.txt", "one\n")) == ["one"]


def test_paragraphs_are_cut_at_blank_lines(write):
    path = write("a.txt", "\n\none\ntwo\n \t \n\n  three\n\nfour\n\n")
    assert texts(path, by="paragraph") == ["one\ntwo", "  three", "four"]


def test_a_document_is_the_whole_file(write):
    path = write("a.txt", "one\n\ntwo\r\n")
    assert texts(path, by="document") == ["one\n\ntwo\n"]


@given(content=TEXTS, size=st.integers(1, 9), by=st.sampled_from(["line", "paragraph"]))
def test_blocks_of_any_size_give_the_same_rows(tmp_path_factory, content, size, by):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    if content:
        assert texts(path, by=by, block_size=size) == texts(path, by=by)


def test_an_odd_number_of_bytes_is_not_utf_16(write):
    assert texts(write("a.txt", "0\x000")) == ["0\x000"]


@given(content=TEXTS.filter(lambda text: "\x00" not in text))
def test_lines_are_those_of_python(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_bytes(content.encode())
    with path.open(encoding="utf-8") as file:
        assert texts(path) == [line.removesuffix("\n") for line in file] if content else True


@pytest.mark.parametrize(
    ("by", "clean"), [("line", False), ("paragraph", True), ("document", False)]
)
@pytest.mark.data
def test_same_rows_as_datasets(real_data, tmp_path, by, clean):
    path = real_data / "wikitext2" / "validation.txt"
    if clean:  # to `datasets`, a line of white space alone ends no paragraph
        lines = path.read_text(encoding="utf-8").splitlines()
        path = tmp_path / "clean.txt"
        path.write_text("\n".join(line.strip() for line in lines).strip() + "\n", encoding="utf-8")
    theirs = datasets.load_dataset(
        "text", data_files=str(path), sample_by=by, cache_dir=str(tmp_path / "cache")
    )["train"]
    theirs = theirs["text"][:]
    if by == "paragraph":
        theirs = [text.strip("\n") for text in theirs]
    assert texts(path, by=by) == theirs
    assert len(theirs) > 1 or by == "document"


def test_another_way_to_cut_is_refused(write):
    with pytest.raises(DataError, match=r"by='word'.*'line', 'paragraph' or 'document'"):
        texts(write("a.txt", "a"), by="word")


@pytest.mark.parametrize("by", ["line", "paragraph", "document"])
def test_another_encoding_is_found_out_or_given(write, by, caplog):
    path = write("a.txt", "gut\n\nschön\n".encode("latin-1"))
    rows = {"line": ["gut", "", "schön"], "paragraph": ["gut", "schön"]}.get(by, ["gut\n\nschön\n"])
    assert texts(path, by=by) == rows
    assert "is not UTF-8 and was read as Windows-1252" in caplog.text
    caplog.clear()
    assert texts(path, by=by, encoding="latin-1") == rows
    assert not caplog.text
    with pytest.raises(DataError, match=r"a\.txt, line 3: byte 0xf6 at offset 8 is not UTF-8"):
        texts(path, by=by, encoding="utf-8")


def test_bytes_of_no_clear_encoding_name_the_line(write):
    with pytest.raises(DataError, match=r"a\.txt, line 2: byte 0xff .* is not UTF-8"):
        texts(write("a.txt", b"gut\n\xff\x00\x01\xc3\xa4\n"))


def test_bad_rows_are_set_aside_alone(write):
    path = write("a.txt", b"gut\nsch\x81n\n\nso\n")
    bad = BadRows(collect=True)
    assert texts(path, bad) == ["gut", "", "so"]
    assert bad.table().to_pylist() == [
        {"file": str(path), "line": 2, "reason": "bytes that are not utf-8", "raw": "sch\ufffdn"}
    ]
    assert texts(path, BadRows(collect=True), by="paragraph") == ["so"]
    bad = BadRows(collect=True)
    assert texts(path, bad, by="document") == []
    assert bad.table()["line"].to_pylist() == [2]


def test_utf_16_is_read_and_refused_when_it_is_cut(write):
    path = write("a.txt", "one\ntwo".encode("utf-16"))
    assert texts(path) == texts(path, encoding="utf-16") == ["one", "two"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.txt, line 2 or near: the bytes there are not utf-16"):
        texts(path)
    with pytest.raises(DataError, match="'klingon' is not an encoding"):
        texts(path, encoding="klingon")
