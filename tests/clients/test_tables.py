"""Parquet files on the Hub, read and written in place by pandas, DuckDB and Polars."""

from collections.abc import Callable

from customer import Customer

SCRIPT = """
import os
import duckdb, pandas, polars
from huggingface_hub import HfApi, HfFileSystem

repo = os.environ["REPO"]
HfApi().create_repo(repo, repo_type="dataset", private=True)
files = HfFileSystem()
frame = pandas.DataFrame({"a": range(50_000), "b": [f"text {n % 100}" for n in range(50_000)]})

frame.to_parquet(f"hf://datasets/{repo}/pandas.parquet", row_group_size=10_000)
assert pandas.read_parquet(f"hf://datasets/{repo}/pandas.parquet").equals(frame)
some = pandas.read_parquet(f"hf://datasets/{repo}/pandas.parquet", columns=["a"])
assert list(some.columns) == ["a"] and some["a"].sum() == frame["a"].sum()

duckdb.register_filesystem(files)
query = f"SELECT count(*), sum(a) FROM 'hf://datasets/{repo}/pandas.parquet' WHERE b = 'text 7'"
assert duckdb.sql(query).fetchall() == [(500, int(frame["a"][frame["b"] == "text 7"].sum()))]

with files.open(f"datasets/{repo}/polars.parquet", "wb") as file:
    polars.from_pandas(frame).write_parquet(file)
with files.open(f"datasets/{repo}/polars.parquet") as file:
    assert polars.read_parquet(file).equals(polars.from_pandas(frame))

assert sorted(files.glob(f"datasets/{repo}/*.parquet")) == [
    f"datasets/{repo}/pandas.parquet", f"datasets/{repo}/polars.parquet"
]
files.cp_file(f"datasets/{repo}/polars.parquet", f"datasets/{repo}/copy.parquet")
files.rm(f"datasets/{repo}/polars.parquet")
assert files.exists(f"datasets/{repo}/copy.parquet")
assert not files.exists(f"datasets/{repo}/polars.parquet")
print(files.size(f"datasets/{repo}/copy.parquet") > 0)
"""


def test_parquet_in_place(eve: Customer, python: Callable[..., str], way: dict[str, str]) -> None:
    assert python(SCRIPT, REPO=f"{eve.name}/tables", HF_TOKEN=eve.token, **way).strip() == "True"
    names = set(eve.api.list_repo_files(f"{eve.name}/tables", repo_type="dataset"))
    assert {"pandas.parquet", "copy.parquet"} <= names
