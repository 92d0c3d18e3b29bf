"""Rows in memory: frames, tables, lists, columns, generators."""

import logging
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from graft.data.load import load_dataset
from graft.errors import DataError

TEXTS, LABELS = ["a", "b", "c"], ["y", "x", "y"]
COLUMNS = {"text": TEXTS, "label": LABELS}
TABLE = pa.table(COLUMNS)
ROWS = [dict(zip(COLUMNS, row, strict=True)) for row in zip(TEXTS, LABELS, strict=True)]


def numbered(count=3):
    for number in range(count):
        yield {"text": f"row {number}", "label": number % 2}


@pytest.mark.parametrize(
    "source",
    [
        COLUMNS,
        ROWS,
        TABLE,
        TABLE.to_batches()[0],
        pd.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS),
        pl.DataFrame(COLUMNS, schema={"text": pl.String, "label": pl.Categorical}),
        {"text": np.array(TEXTS), "label": pd.Series(LABELS)},
        {"text": pl.Series(TEXTS), "label": pa.array(LABELS)},
        {"text": TABLE["text"], "label": tuple(LABELS)},
    ],
    ids=lambda source: type(source).__name__,
)
def test_rows_of_any_kind(source):
    data = load_dataset(source, split="train")
    assert data["text"] == TEXTS
    assert [data.label_names[number] for number in data["label"]] == LABELS
    both = load_dataset({"train": source, "test": ROWS}) if not isinstance(source, dict) else None
    assert both is None or both["test"]["text"] == both["train"]["text"] == TEXTS


@pytest.mark.parametrize("make", [TABLE.to_reader, lambda: iter(ROWS), lambda: (r for r in ROWS)])
def test_what_can_be_read_once(make):
    data = load_dataset(make(), split="train")
    assert data["text"] == TEXTS
    assert data.label_names == ["x", "y"]


def test_texts_alone(write, tmp_path, monkeypatch):
    assert load_dataset(["one", "two"], split="train")["text"] == ["one", "two"]
    monkeypatch.chdir(tmp_path)
    write("a.csv", "text,label\nfrom a file,x\nb,y\n")
    assert load_dataset(["a.csv"], split="train")["text"] == ["from a file", "b"]
    with pytest.raises(DataError, match=r"gone\.csv: there is no such file"):
        load_dataset(["gone.csv"])


def test_keys_that_rows_lack_are_null_and_numbers_widen():
    data = load_dataset([{"text": "a", "n": 1}, {"text": "b", "m": [1]}, {"text": "c", "n": 2.5}])
    assert data["train"]["n"] == [1.0, None, 2.5]
    assert data["train"]["m"] == [None, [1], None]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([{"text": "a"}, {"text": 5}], ["list, row 2, column 'text': 5 does not go with"]),
        ([{"text": "a"}, 5], ["list, row 2: a int stands where a row was expected"]),
        ([], ["the list is empty"]),
        ({"text": ["a"], "label": [1, 2]}, ["text has 1, label has 2"]),
        ({"text": ["a", 5]}, ["dict, row 2, column 'text': 5"]),
        (5, ["A int is no data set"]),
        (lambda: 5, ["the function returned int. Let it yield rows"]),
        ({"train": 5}, ["value for 'train' is a int"]),
    ],
)
def test_what_is_no_rows(source, said):
    with pytest.raises(DataError) as caught:
        load_dataset(source)
    for words in said:
        assert words in str(caught.value)


def test_a_generators_values_of_several_kinds_are_named_by_their_row():
    def mixed():
        for number in range(3000):
            yield {"text": "a", "n": number if number < 2500 else "x"}

    with pytest.raises(DataError, match=r"mixed, row 2501, column 'n': 'x' does not go with"):
        load_dataset(mixed)


def test_a_generator_is_run_once_for_the_same_code_and_arguments(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom graft.data.load import load_dataset\n"
        "def rows(count, word='row'):\n"
        "    print('called')\n"
        "    for number in range(count):\n"
        "        yield {'text': f'{word} {number}'}\n"
        "for count in sys.argv[1:]:\n"
        "    arguments = {'count': int(count)}\n"
        "    print(len(load_dataset(rows, split='train', gen_kwargs=arguments)))\n"
    )

    def run(*counts):
        command = [sys.executable, str(script), *map(str, counts)]
        done = subprocess.run(command, env=os.environ, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    assert run(3) == ["called", "3"]
    assert run(3, 4, 3) == ["3", "called", "4", "3"]
    script.write_text(script.read_text().replace("'row'", "'line'"))
    assert run(3) == ["called", "3"]


def test_a_generator_that_cannot_be_told_apart_is_read_and_not_kept(caplog):
    caplog.set_level(logging.WARNING)
    lock = __import__("threading").Lock()

    def locked():
        with lock:
            yield {"text": "a"}

    assert load_dataset(locked, split="train")["text"] == ["a"]
    assert "lock" in caplog.text


def test_a_generator_larger_than_a_batch_keeps_its_order():
    data = load_dataset(numbered, split="train", gen_kwargs={"count": 2500})
    assert data["text"] == [f"row {number}" for number in range(2500)]
    assert data.label_names == ["0", "1"]


def test_an_option_that_is_not_there_is_refused(write):
    path = write("a.csv", "text,label\na,x\nb,y\n")
    with pytest.raises(DataError, match=r"no option 'delimeter'\. Did you mean 'delimiter'\?"):
        load_dataset(path, delimeter=";")


def test_an_option_of_another_format_is_refused(write):
    path = write("a.txt", "one\ntwo\n")
    with pytest.raises(DataError, match=r"a\.txt: plain text has no option 'delimiter'"):
        load_dataset(path, delimiter=";")
