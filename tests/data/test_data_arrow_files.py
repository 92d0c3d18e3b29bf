"""Arrow's files and Parquet: what others wrote, and files that are damaged."""

from contextlib import suppress

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.features import ClassLabel
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import DataFile
from graft.data.formats.readers import read_file
from graft.data.load import load_dataset
from graft.errors import DataError

TABLE = pa.table({"text": ["a", "b", "c"], "label": ["y", "x", "y"], "n": [[1], [], None]})


def as_file(table, path):
    with pa.ipc.new_file(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=2)


def as_stream(table, path):
    with pa.ipc.new_stream(str(path), table.schema) as file:
        file.write_table(table, max_chunksize=2)


def as_compressed(table, path):
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(str(path), table.schema, options=options) as file:
        file.write_table(table)


WRITERS = {
    "file.arrow": as_file,
    "stream.arrow": as_stream,
    "compressed.ipc": as_compressed,
    "two.feather": lambda table, path: feather.write_feather(table, str(path)),
    "polars.arrow": lambda table, path: pl.from_arrow(table).write_ipc(path),
    "polars.parquet": lambda table, path: pl.from_arrow(table).write_parquet(path),
    "groups.parquet": lambda table, path: pq.write_table(table, path, row_group_size=1),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_others_wrote(tmp_path, name):
    WRITERS[name](TABLE, tmp_path / name)
    data = load_dataset(tmp_path / name, split="train")
    assert data["text"] == ["a", "b", "c"]
    assert data["n"] == [[1], [], None]
    assert data.label_names == ["x", "y"]


@pytest.mark.parametrize("name", WRITERS)
def test_categories_and_indexes_of_pandas(tmp_path, name):
    frame = pd.DataFrame({"text": ["a", "b"], "label": pd.Categorical(["y", "x"])}, index=[7, 8])
    WRITERS[name](pa.Table.from_pandas(frame), tmp_path / name)
    data = load_dataset(tmp_path / name, split="train", label="label", text="text")
    assert data.label_names == ["x", "y"]
    assert data["label"] == [1, 0]
    if "polars" not in name:  # which keeps the index as a column like others
        assert data.column_names == ["text", "label"]


def test_features_that_datasets_wrote(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["down", "up"])}
    )
    theirs = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features)
    theirs.save_to_disk(str(tmp_path / "saved"))
    (arrow,) = (tmp_path / "saved").glob("*.arrow")
    theirs.to_parquet(str(tmp_path / "a.parquet"))
    for path in (arrow, tmp_path / "a.parquet"):
        data = load_dataset(path, split="train")
        assert data.features["label"] == ClassLabel(["down", "up"])
        assert data["label"] == [1, 0]


@pytest.mark.data
@pytest.mark.parametrize("name", ["sst2/validation.parquet", "imdb/unsupervised.parquet"])
def test_same_rows_as_datasets(real_data, tmp_path, name):
    path = real_data / name
    theirs = datasets.load_dataset(
        "parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    (arrow,) = [each["filename"] for each in theirs.cache_files]
    for file in (path, tmp_path / "a.arrow"):
        if file != path:
            file.symlink_to(arrow)
        batches = read_file(DataFile.of(file), {}, BadRows()).batches
        table = pa.Table.from_batches(batches)
        assert table.to_pydict() == theirs.to_dict()


@pytest.mark.parametrize("name", [each for each in WRITERS if "polars" not in each])
@settings(max_examples=30)
@given(data=st.data())
def test_a_damaged_file_gives_rows_or_an_error_and_never_a_crash(tmp_path_factory, name, data):
    path = tmp_path_factory.mktemp("damaged") / name
    WRITERS[name](TABLE, path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(1, len(content) - 1))]
    else:
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
            content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(DataError):
        content = read_file(DataFile.of(path), {}, BadRows())
        for batch in content.batches:
            batch.validate(full=True)


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_cut_off_is_told(tmp_path, name):
    path = tmp_path / name
    WRITERS[name](pa.table({"text": [str(n) for n in np.arange(5000)]}), path)
    path.write_bytes(path.read_bytes()[:-600])
    kind = "Parquet" if name.endswith("parquet") else "Arrow"
    with pytest.raises(DataError, match=rf"{name}: not a whole {kind} file"):
        load_dataset(path)


def test_two_columns_of_one_name(tmp_path):
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    for name, write in (("a.arrow", as_file), ("b.arrow", as_stream)):
        write(table, tmp_path / name)
        with pytest.raises(DataError, match="two columns have the name 'text'"):
            load_dataset(tmp_path / name)


def test_feather_of_the_first_version_says_what_to_do(write):
    path = write("old.feather", b"FEA1" + bytes(100))
    with pytest.raises(DataError, match=r"old\.feather: .*first version.*to_feather"):
        load_dataset(path)
