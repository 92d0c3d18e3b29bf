"""Queries on databases as data sets: streamed, typed, and silent about passwords."""

import datetime
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import pytest

from graft.data.load import load_dataset
from graft.errors import DataError, MissingExtraError


@pytest.fixture
def database(tmp_path):
    """The address of a database of 2,500 reviews."""
    path = tmp_path / "reviews.db"
    with sqlite3.connect(path) as connection:
        connection.execute("create table reviews (id integer, text text, label text, score real)")
        rows = [(n, f"review {n}", ["good", "bad"][n % 2], n / 2) for n in range(2500)]
        connection.executemany("insert into reviews values (?, ?, ?, ?)", rows)
    connection.close()
    return f"sqlite:///{path}"


def test_a_query(database):
    data = load_dataset(database, query="select * from reviews order by id", split="train")
    assert len(data) == 2500
    assert data[2499] == {"id": 2499, "text": "review 2499", "label": 0, "score": 1249.5}
    assert data.label_names == ["bad", "good"]
    assert data.source == f"{database}, query 'select * from reviews order by id'"


def test_parameters(database):
    query = "select text, label from reviews where id < :most and label = :label"
    data = load_dataset(database, query=query, parameters={"most": 10, "label": "bad"})
    assert data["train"]["text"] == [f"review {n}" for n in range(1, 10, 2)]


def test_rows_are_read_anew_unless_they_are_to_be_kept(database):
    def count(**options):
        return len(load_dataset(database, query="select * from reviews", **options)["train"])

    assert count() == count(keep=True) == 2500
    with sqlite3.connect(database.removeprefix("sqlite:///")) as connection:
        connection.execute("delete from reviews where id > 9")
    connection.close()
    assert count() == 10
    assert count(keep=True) == 2500


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("selec 1", ["the database refused", "syntax error"]),
        ("select * from gone", ["no such table: gone"]),
        ("delete from reviews", ["this statement gives no rows"]),
        ("select id as a, id as a from reviews", ["two columns have the name 'a'"]),
        ("select * from reviews where id < 0", ["the split 'train' has no rows"]),
        ("select text from reviews union all select 5", ["column 'text'", "cast(text as text)"]),
        ("", ["give the query to run: query='select ...'"]),
        (None, ["give the query to run"]),
    ],
)
def test_queries_that_give_no_rows(database, query, said):
    with pytest.raises(DataError) as caught:
        load_dataset(database, query=query)
    for words in [database, *said]:
        assert words in str(caught.value)
    assert len(load_dataset(database, query="select * from reviews")["train"]) == 2500


def test_a_database_that_is_not_there_is_not_made(tmp_path):
    with pytest.raises(DataError, match=r"gone\.db: there is no such file"):
        load_dataset(f"sqlite:///{tmp_path}/gone.db", query="select 1")
    assert not (tmp_path / "gone.db").exists()


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:Passw0rd@nowhere.invalid/db",
        "oracle+none://me:Passw0rd@host/db?key=Passw0rd",
        "sqlite+none://me:Passw0rd@host/db",
        "postgresql://me:@Passw0rd@host/db",
        "postgresql://me:Passw0rd@host:port:port/db",
        "mysql://host/db?password=Passw0rd",
    ],
)
def test_passwords_are_never_told(address, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(DataError) as caught:
        load_dataset(address, query="select 1")
    error = caught.value
    while error is not None:
        assert "Passw0rd" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert "Passw0rd" not in caplog.text


def test_types_of_databases(database):
    query = "select 'a' as text, x'00ff' as bytes, null as none, 1 as one, date('now') as today"
    row = load_dataset(database, query=query, text="text")["train"][0]
    assert (row["bytes"], row["none"], row["one"]) == (b"\x00\xff", None, 1)
    assert datetime.date.fromisoformat(row["today"])


def test_without_sqlalchemy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'graft-nlp\[sql\]'"):
        load_dataset("sqlite:///a.db", query="select 1")


@pytest.fixture
def postgresql():
    """The address of a PostgreSQL server of this test's own."""
    pytest.importorskip("pg8000", reason="pg8000 is not installed")
    # Debian keeps the server's programs where no PATH leads.
    folders = [os.environ["PATH"], *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
    initdb, postgres = (
        shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "postgres")
    )
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="graft-pg-", dir="/tmp"))  # its socket's path is short
    # The server refuses to run as root.
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "nobody")
    data = folder / "data"
    made = [*user, initdb, "-D", str(data), "-A", "trust", "-U", "me"]
    subprocess.run(made, check=True, capture_output=True, cwd=folder)
    settings = ["-c", "listen_addresses=", "-k", str(folder)]
    server = subprocess.Popen(
        [*user, postgres, "-D", str(data), *settings],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            if (folder / ".s.PGSQL.5432").exists():
                break
            time.sleep(0.1)
        yield f"postgresql+pg8000://me:Passw0rd@/postgres?unix_sock={folder}/.s.PGSQL.5432"
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def test_postgresql(postgresql):
    query = (
        "select i as id, 'text ' || i as text, i / 4.0 as score, gen_random_uuid() as key, "
        "array[i, 0] as numbers, (array['x', 'y'])[1 + i % 2] as label "
        "from generate_series(1, 2500) i order by i"
    )
    data = load_dataset(postgresql, query=query, label="label")["train"]
    assert len(data) == 2500
    row = data[2499]
    assert (row["text"], row["score"], row["numbers"]) == ("text 2500", Decimal(625), [2500, 0])
    assert len(row["key"]) == 36
    assert data.label_names == ["x", "y"]
    with pytest.raises(DataError, match="division by zero") as caught:
        load_dataset(postgresql, query="select 1 / 0 as text")
    assert "Passw0rd" not in str(caught.value)
