"""Compressed files and archives: the rows of what they hold, and nothing beyond what they hold."""

import bz2
import gzip
import lzma
import struct
import zipfile
from contextlib import suppress

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.formats import archive
from graft.data.load import load_dataset
from graft.errors import DataError


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


COMPRESS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zstd": zstd,
}
ROWS = 'text,label\n"a, b\nc",x\nb,y\n'
LINES = '{"text": "a, b\\nc", "label": "x"}\n{"text": "b", "label": "y"}\n'
XML = '<r><x label="x"><text>a, b\nc</text></x><x label="y"><text>b</text></x></r>'
TABLE = pa.table({"text": ["a, b\nc", "b"], "label": ["x", "y"]})


def parquet():
    sink = pa.BufferOutputStream()
    pq.write_table(TABLE, sink)
    return sink.getvalue().to_pybytes()


def arrow():
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, TABLE.schema) as file:
        file.write_table(TABLE)
    return sink.getvalue().to_pybytes()


FILES = {
    "a.csv": ROWS.encode(),
    "a.tsv": ROWS.replace(",x", "\tx").replace(",y", "\ty").replace("text,", "text\t").encode(),
    "a.jsonl": LINES.encode(),
    "a.xml": XML.encode(),
    "a.parquet": parquet(),
    "a.arrow": arrow(),
}


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", FILES)
def test_every_format_in_every_compression(write, name, suffix):
    data = load_dataset(write(f"{name}.{suffix}", COMPRESS[suffix](FILES[name])), split="train")
    assert data["text"] == ["a, b\nc", "b"]
    assert data.label_names == ["x", "y"]


@pytest.mark.parametrize("name", FILES)
def test_every_format_in_an_archive(tmp_path, name):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"folder/{name.replace('a.', 'train.')}", FILES[name])
        file.writestr(f"folder/{name.replace('a.', 'test.')}", FILES[name])
    data = load_dataset(path)
    assert {split: rows["text"] for split, rows in data.items()} == {
        "train": ["a, b\nc", "b"],
        "test": ["a, b\nc", "b"],
    }
    assert data["test"].source == f"{path}/folder/{name.replace('a.', 'test.')}"


def test_compressed_shards_and_splits_of_a_folder(write, tmp_path):
    for number in (10, 9):
        write(
            f"train-{number}.csv.gz",
            gzip.compress(f"text,label\n{number}.,x\n{number},y\n".encode()),
        )
    write("dev.csv.zst", zstd(ROWS.encode()))
    with zipfile.ZipFile(tmp_path / "test.zip", "w") as file:
        file.writestr("one.csv", ROWS)
        file.writestr("two.csv.gz", gzip.compress(ROWS.encode()))
        file.writestr("__MACOSX/one.csv", "no data")
    data = load_dataset(tmp_path)
    assert {split: len(rows) for split, rows in data.items()} == {
        "train": 4,
        "validation": 2,
        "test": 4,
    }
    assert data["train"]["text"] == ["9.", "9", "10.", "10"]


def test_one_split_compressed_and_not_is_two_files(write, tmp_path):
    write("train.csv", ROWS)
    write("train.csv.gz", gzip.compress(ROWS.encode()))
    with pytest.raises(DataError, match=r"train\.csv and train\.csv\.gz are both the split"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", ["a.xml", "a.parquet", "a.txt"])
def test_what_was_cut_off_is_told(write, name, suffix):
    content = FILES.get(name, b"words\n" * 1000)
    whole = COMPRESS[suffix](content)
    for keep in (len(whole) // 2, len(whole) - 2):
        path = write(f"{name}.{suffix}", whole[:keep])
        with pytest.raises(DataError, match=rf"{name}\.{suffix}: the file is damaged or was cut o"):
            load_dataset(path)


@pytest.mark.parametrize("suffix", [*COMPRESS, "zip"])
def test_what_is_not_compressed_is_told(write, suffix):
    path = write(f"a.csv.{suffix}", ROWS) if suffix != "zip" else write("a.zip", ROWS)
    with pytest.raises(DataError, match="the file is damaged or was cut off"):
        load_dataset(path)


@settings(max_examples=40)
@given(data=st.data())
def test_a_damaged_archive_gives_its_rows_or_an_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train.csv", ROWS)
        file.writestr("test.csv", ROWS)
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(DataError):
        rows = load_dataset(path, cache=False)
        assert {text for split in rows.values() for text in split["text"]} == {"a, b\nc", "b"}


def test_names_that_lead_out_of_an_archive_write_nothing(tmp_path):
    path = tmp_path / "inner" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("../../train.csv", ROWS)
        file.writestr("/test.csv", ROWS)
    assert list(load_dataset(path)) == ["train", "test"]
    assert sorted(tmp_path.rglob("*.csv")) == []


def test_an_encrypted_file_says_so(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("train.csv", ROWS)
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    for flags in (6, directory + 8):
        struct.pack_into("<H", content, flags, 1)
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip/train\.csv: the file is encrypted"):
        load_dataset(path)


def test_an_archive_without_data_lists_what_it_holds(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("picture.png", b"x")
        file.writestr("README.md", "# words")
    with pytest.raises(DataError, match=r"a\.zip has no data files.*README\.md, picture\.png"):
        load_dataset(path)


@pytest.mark.parametrize("suffix", [*COMPRESS, "zip"])
def test_what_unpacks_to_far_more_than_it_is_gets_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(archive, "FREELY", 1 << 20)
    path = tmp_path / f"a.txt.{suffix}" if suffix != "zip" else tmp_path / "a.zip"
    content = f"{suffix:<7}\n".encode() * (1 << 20)
    if suffix == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.txt", content)
    else:
        path.write_bytes(COMPRESS[suffix](content))
    with pytest.raises(DataError, match=r"more than .* bytes come out of it, 200 times its size"):
        load_dataset(path)
    monkeypatch.setattr(archive, "FREELY", len(content))
    assert len(load_dataset(path, split="train")) == 1 << 20


def test_members_that_share_their_bytes_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("train.csv", ROWS * 100)
        file.writestr("test.csv", ROWS * 100)
        for entry in file.filelist:  # the directory's entries all name the first file's bytes
            entry.header_offset = 0
        second = file.filelist[1]
        file.filelist += [second] * 50
    with pytest.raises(DataError, match=r"a\.zip: the file is damaged .*its members overlap"):
        load_dataset(path)


def test_same_rows_as_datasets(real_data, tmp_path):
    content = (real_data / "trec" / "train.csv").read_bytes()
    path = tmp_path / "train.csv.gz"
    path.write_bytes(gzip.compress(content))
    theirs = datasets.load_dataset("csv", data_files=str(path), cache_dir=str(tmp_path / "c"))
    assert load_dataset(path, split="train")["text"] == theirs["train"]["text"][:]
