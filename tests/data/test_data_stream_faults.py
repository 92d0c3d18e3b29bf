"""What streams read, and what they say of rows that are not like the first ones."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.data.features import ClassLabel, Value, class_label_in
from graft.data.load import load_dataset
from graft.data.stream import form
from graft.errors import DataError

ROWS = 3000


@pytest.fixture
def few(monkeypatch):
    """Of each split, no more than the first batch is read to find out what its rows are."""
    monkeypatch.setattr(form, "_FIRST_ROWS", 1)


@pytest.fixture
def shards(write):
    """A folder with a file of good rows, and another file with rows of the test's."""

    def write_shards(*rows, good=None):
        good = good or {"text": "good", "n": 1, "label": "a"}
        write("d/train-00000-of-00002.jsonl", "\n".join([json.dumps(good)] * 3))
        lines = "\n".join(json.dumps(row) for row in rows)
        return write("d/train-00001-of-00002.jsonl", lines).parent

    return write_shards


def stream(path, **options):
    return load_dataset(path, split="train", streaming=True, **options)


def test_a_value_of_another_kind_is_named_by_file_and_row(few, shards):
    folder = shards({"text": "x", "n": 1, "label": "a"}, {"text": "y", "n": 2.5, "label": "a"})
    with pytest.raises(
        DataError, match=r"00001-of-00002\.jsonl, row 2, column 'n': 2\.5 is no int64.*features="
    ):
        list(stream(folder))
    assert list(stream(folder, features={"n": Value("float64")}))[-1]["n"] == 2.5


def test_rows_that_do_not_fit_are_set_aside(few, shards):
    folder = shards(
        {"text": "x", "n": 0.5, "label": "a"},
        {"text": "y", "n": 2, "label": "a"},
        {"text": "z", "n": 0.25, "label": "a"},
    )
    data = stream(folder, on_bad_rows="collect")
    assert [row["text"] for row in data] == ["good", "good", "good", "y"]
    assert data.bad_rows["raw"].to_pylist() == ["0.5", "0.25"]
    assert data.bad_rows["file"].to_pylist()[0].endswith("train-00001-of-00002.jsonl")
    rows = iter(data)
    for _ in range(3):
        next(rows)
    state = data.state_dict()
    again = stream(folder, on_bad_rows="collect")
    again.load_state_dict(state)
    assert [row["text"] for row in again] == ["y"]


def test_a_column_that_comes_later(few, shards):
    folder = shards({"text": "x", "n": 1, "label": "a", "more": "m"})
    with pytest.raises(DataError, match=r"row 1: the column 'more' is not among those"):
        list(stream(folder))
    rows = list(stream(folder, features={"more": Value("string")}))
    assert [row["more"] for row in rows] == [None, None, None, "m"]


def test_a_column_that_another_file_lacks(few, write):
    write("d/train-00000-of-00002.csv", "text,n\na,1\n")
    folder = write("d/train-00001-of-00002.csv", "text\nb\n").parent
    with pytest.raises(DataError, match=r"00001-of-00002\.csv has no column 'n', which other"):
        list(stream(folder))


def test_labels_beyond_the_first_rows_stay_as_written(few, shards):
    folder = shards({"text": "x", "n": 1, "label": "b"})
    data = stream(folder)
    assert data.roles.label == "label"
    assert data.label_names == []
    assert [row["label"] for row in data] == ["a", "a", "a", "b"]
    encoded = data.class_encode("label")
    assert encoded.label_names == ["a", "b"]
    assert [row["label"] for row in encoded] == [0, 0, 0, 1]
    declared = stream(folder, features={"label": ClassLabel(["b", "a"])})
    assert [row["label"] for row in declared] == [1, 1, 1, 0]
    with pytest.raises(DataError, match=r"row 1, column 'label': 'b' is none of the classes: a"):
        list(stream(folder, features={"label": ClassLabel(["a"])}))


def test_a_number_that_is_none_in_a_csv(few, write):
    write("d/train-00000-of-00002.csv", "text,n\na,1\nb,\n")
    folder = write("d/train-00001-of-00002.csv", "text,n\nc,2\nd,many\n").parent
    with pytest.raises(DataError, match=r"00001-of-00002\.csv, row 2, column 'n': 'many'"):
        list(stream(folder))
    rows = list(stream(folder, features={"n": Value("string")}))
    assert [row["n"] for row in rows] == ["1", "", "2", "many"]


def test_features_that_cannot_be(write):
    path = write("train.csv", "text,n\na,1\nb,x\n")
    for streaming in (True, False):
        with pytest.raises(DataError, match="no column 'm' \\(given in features\\)"):
            load_dataset(path, streaming=streaming, features={"m": Value("int64")})


def test_missing_texts_are_empty(few, shards):
    folder = shards({"text": None, "n": 1, "label": "a"})
    assert list(stream(folder))[-1]["text"] == ""


@pytest.mark.parametrize("name", ["train.csv", "train.csv.gz", "train.tsv", "train.txt"])
def test_a_byte_that_is_no_text_is_named_by_its_line(write, name, monkeypatch):
    from graft.data.formats import encoding

    monkeypatch.setattr(encoding, "_BLOCK", 1 << 12)
    mark = "\t" if "tsv" in name else ","
    lines = [f"some text{mark}{row}" for row in range(ROWS)]
    lines[0] = f"text{mark}n"
    content = "\n".join(lines).encode().split(b"\n")
    content[2000] = b"broken \xff\xfe" + mark.encode() + b"7"
    whole = b"\n".join(content)
    path = write(name, gzip.compress(whole) if name.endswith(".gz") else whole)
    with pytest.raises(DataError, match=r"line (1[6-9]|20)\d\d or near|line 2001"):
        list(stream(path))


def test_umlauts_at_every_border_of_blocks(write, monkeypatch):
    from graft.data.formats import encoding

    texts = [f"größe {'ü' * (row % 7)} {row}" for row in range(400)]
    path = write("train.txt", "\n".join(texts))
    for block in (64, 65, 66, 67):
        with monkeypatch.context() as patch:
            patch.setattr(encoding, "_BLOCK", block)
            assert [row["text"] for row in stream(path)] == texts
    texts = [f"eine deutlich größere Menge, {row}" for row in range(400)]
    path = write("old.txt", "\n".join(texts).encode("windows-1252"))
    assert [row["text"] for row in stream(path)] == texts
    path = write("wide.txt", "\n".join(texts).encode("utf-16"))
    assert [row["text"] for row in stream(path)] == texts


def test_a_file_that_is_cut_off(tmp_path, write):
    pq.write_table(pa.table({"text": ["a", "b"] * 500}), tmp_path / "train.parquet")
    content = (tmp_path / "train.parquet").read_bytes()
    (tmp_path / "train.parquet").write_bytes(content[:-20])
    with pytest.raises(DataError, match=r"train\.parquet: not a whole Parquet file"):
        stream(tmp_path / "train.parquet")
    packed = gzip.compress("\n".join(f"text {row}" for row in range(9999)).encode())
    path = write("cut.txt.gz", packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"cut\.txt\.gz: the file is damaged or was cut off"):
        list(stream(path))


def test_what_functions_do_wrong(shards):
    data = stream(shards({"text": "last", "n": 2, "label": "a"}))

    def fails(row):
        return {"n": 1 // (row["n"] - 2)}

    with pytest.raises(DataError, match=r"failed for row 3 of .*data\.skip\(3\)"):
        list(data.map(fails))
    with pytest.raises(DataError, match=r"row 3 of .*column 'x': the values are string, but int64"):
        list(
            data.map(
                lambda b: {"x": [1 if t == "good" else "one" for t in b["text"]]},
                batched=True,
                batch_size=3,
            )
        )
    with pytest.raises(DataError, match="the columns are"):
        list(data.map(lambda b: {b["text"][0]: [1] * len(b["n"])}, batched=True, batch_size=3))
    with pytest.raises(DataError, match="has no column 'nothing'"):
        data.map(fails, remove=["nothing"])
    for call in (
        lambda: data.take(-1),
        lambda: data.shuffle(buffer_size=0),
        lambda: data.shard(2, 2),
        lambda: data.batches(0),
        lambda: data.map(fails, batched=True, batch_size=0),
        lambda: data.remove("text"),
        lambda: data.rename({"n": "text"}),
        lambda: data.select_columns(),
        lambda: data.set_epoch(-1),
        lambda: data.interleave(data, weights=[1]),
        lambda: data.load_state_dict({"version": 0}),
    ):
        with pytest.raises(DataError):
            call()
    with pytest.raises(DataError, match="one in other rows"):
        data.load_state_dict(data.skip(1).state_dict())
    with pytest.raises(DataError, match="but None in"):
        list(data.concatenate(data.remove("n")))


def test_rows_that_come_but_once_are_refused():
    def rows():
        yield from ({"text": f"row {number}"} for number in range(2500))

    with pytest.raises(DataError, match="gives its rows only once"):
        load_dataset(rows(), streaming=True)
    data = load_dataset(rows, streaming=True, split="train")
    assert [row["text"] for row in data] == [f"row {number}" for number in range(2500)]
    assert len(list(data)) == 2500


def test_queries_and_tables(tmp_path):
    database = sqlite3.connect(tmp_path / "rows.db")
    database.execute("create table rows (text, n)")
    database.executemany("insert into rows values (?, ?)", [(f"t{n}", n) for n in range(ROWS)])
    database.commit()
    database.close()
    data = load_dataset(
        f"sqlite:///{tmp_path / 'rows.db'}",
        query="select text, n from rows order by n",
        streaming=True,
        split="train",
    )
    assert [row["n"] for row in data.skip(2990)] == [*range(2990, ROWS)]
    table = pa.table({"text": ["a", "b"], "label": ["x", "y"]})
    assert list(load_dataset(table, streaming=True)["train"]) == list(load_dataset(table)["train"])


def test_a_copy_is_kept_in_the_cache(shards, caplog):
    folder = shards({"text": "last", "n": 2, "label": "a"})

    def copied():
        return stream(folder).map(lambda row: {"m": row["n"] * 2}).shuffle(1).to_dataset()

    data = copied()
    assert sorted(data["m"]) == [2, 2, 2, 4]
    assert data.fingerprint == copied().fingerprint
    assert list(copied()) == list(data)
    assert list(stream(folder).to_dataset(limit=2)) == list(stream(folder))[:2]
    assert stream(folder).to_dataset().features == stream(folder).features
    assert len(stream(folder).filter(lambda row: False).to_dataset()) == 0
    shards({"text": "other", "n": 9, "label": "a"})
    assert sorted(copied()["m"]) == [2, 2, 2, 18]
    assert not caplog.records


def test_workers_of_pytorch_have_a_part_each(shards):
    folder = str(shards({"text": "b", "n": 2, "label": "a"}))
    code = f"""
import torch.utils.data
from graft.data.load import load_dataset
class Rows(torch.utils.data.IterableDataset):
    def __init__(self): self.rows = load_dataset({folder!r}, split="train", streaming=True)
    def __iter__(self): return iter(self.rows)
loader = torch.utils.data.DataLoader(Rows(), batch_size=None, num_workers=3)
print(sorted(row["n"] for row in loader))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.strip() == "[1, 1, 1, 2]", done.stderr


@pytest.mark.parametrize(
    ("name", "kind", "files"),
    [
        ("banking77", "csv", "train.csv"),
        ("snips", "json", "train.jsonl"),
        ("sst2", "parquet", "validation.parquet"),
        ("wikitext2", "text", "test.txt"),
        ("scitldr", "json", "test.jsonl"),
    ],
)
def test_datasets_streams_the_same_rows(real_data, name, kind, files):
    datasets = pytest.importorskip("datasets")
    path = real_data / name / files
    theirs = datasets.load_dataset(kind, data_files=str(path), split="train", streaming=True)
    (ours,) = load_dataset(path, streaming=True).values()
    count = 0
    for mine, yours in zip(ours, theirs, strict=True):
        for column, value in yours.items():
            got = mine[column]
            classes = class_label_in(ours.features[column])
            if classes is not None and isinstance(value, list):
                got = [classes.names[number] for number in got]
            elif classes is not None and isinstance(value, str):
                got = classes.names[got]
            assert got == value, (name, count, column)
        count += 1
    assert count > 500
