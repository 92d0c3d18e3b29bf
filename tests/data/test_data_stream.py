"""Streams: the same rows by the same verbs, from any position on, and shared out without a loss."""

import json
from collections import Counter
from itertools import islice

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graft.data.features import Value
from graft.data.load import load_dataset
from graft.errors import DataError

ROWS = 237


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three files of texts and numbers, cut at no round number."""
    folder = tmp_path_factory.mktemp("stream")
    start = 0
    for number, count in enumerate((100, 37, 100)):
        lines = [
            json.dumps({"text": f"text {row}", "number": row, "label": "ab"[row % 2]})
            for row in range(start, start + count)
        ]
        (folder / f"train-{number:05}-of-00003.jsonl").write_text("\n".join(lines))
        start += count
    return folder


def stream_of(folder):
    return load_dataset(folder, split="train", streaming=True)


# Each verb with a stream and with a data set; both must give the same rows.
def longer(row):
    return {"text": row["text"] + "!", "length": len(row["text"])}


def doubled(batch):
    return {"text": [text for text in batch["text"] for _ in "12"]}


def numbered(row, index):
    return {"index": index}


def first_of_batch(batch, numbers):
    return {"first": [min(numbers)] * len(numbers)}


STEPS = {
    "map": lambda data: data.map(longer),
    "map batches": lambda data: data.map(
        doubled, batched=True, batch_size=7, remove=[n for n in data.column_names if n != "text"]
    ),
    "map with number": lambda data: data.map(numbered, with_index=True),
    "map batches with numbers": lambda data: data.map(
        first_of_batch, batched=True, batch_size=11, with_index=True
    ),
    "filter": lambda data: data.filter(lambda row: not row["text"].endswith(("3", "3!"))),
    "filter batches": lambda data: data.filter(
        lambda batch: [len(text) % 4 != 0 for text in batch["text"]], batched=True, batch_size=5
    ),
    "filter by number": lambda data: data.filter(lambda _, n: n % 3 != 1, with_index=True),
    "take": lambda data: data.take(150) if is_stream(data) else data[:150],
    "skip": lambda data: data.skip(20) if is_stream(data) else data[20:],
    "rename": lambda data: data.rename({"text": "text"}),
    "concatenate": lambda data: data.concatenate(data),
    "by turns": lambda data: data.interleave(
        data.filter(lambda row: "1" in row["text"]), stop="first_exhausted"
    ),
    "mix": lambda data: data.interleave(
        data.filter(lambda row: "1" not in row["text"]), weights=[3, 1], seed=5
    ),
    "mix all": lambda data: data.interleave(
        data.filter(lambda row: "2" in row["text"]), weights=[1, 2], stop="all_exhausted"
    ),
    "all by turns": lambda data: data.interleave(
        data.filter(lambda row: "2" in row["text"]), stop="all_exhausted"
    ),
    "cast": lambda data: (
        data.cast("label", Value("string")) if "label" in data.column_names else data
    ),
}
MIXTURES = {"by turns", "mix", "mix all", "all by turns", "concatenate"}
pipelines = st.lists(st.sampled_from(sorted(STEPS)), max_size=4).filter(
    lambda steps: len(MIXTURES & {*steps}) < 2 and len({*steps}) == len(steps)
)


def is_stream(data):
    return hasattr(data, "state_dict")


def apply(data, steps):
    for step in steps:
        data = STEPS[step](data)
    return data


quick = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(steps=pipelines)
def test_the_same_verbs_give_the_rows_of_a_data_set(folder, steps):
    eager = apply(load_dataset(folder, split="train"), steps)
    stream = apply(stream_of(folder), steps)
    assert list(stream) == list(eager)
    assert stream.features == eager.features
    assert stream.roles == eager.roles
    tables = [pa.Table.from_batches(data.batches(13)) for data in (stream, eager)]
    assert tables[0].equals(tables[1])


shuffles = {
    "shuffle": lambda data: data.shuffle(3, buffer_size=50),
    "shuffle all": lambda data: data.shuffle(4, buffer_size=1000),
}


@quick
@given(
    before=pipelines,
    shuffle=st.sampled_from([None, *shuffles]),
    after=pipelines,
    stop=st.integers(0, 300),
    size=st.integers(1, 40),
    epoch=st.integers(0, 2),
)
def test_a_saved_position_goes_on_at_the_next_row(
    folder, before, shuffle, after, stop, size, epoch
):
    def made():
        data = apply(stream_of(folder), before)
        data = shuffles[shuffle](data) if shuffle else data
        data = apply(data, after)
        data.set_epoch(epoch)
        return data

    every = list(made())
    first = made()
    list(islice(first, stop))
    saved = json.loads(json.dumps(first.state_dict()))
    again = made()
    again.load_state_dict(saved)
    assert list(again) == every[stop:]
    assert list(again) == every  # the next `for` begins anew

    first = made()
    batches = islice(first.batches(size), stop // size)
    given = [row for batch in batches for row in batch.to_pylist()]
    again.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert given + list(again) == every


@quick
@given(
    before=pipelines,
    shuffle=st.sampled_from([None, *shuffles]),
    after=pipelines,
    count=st.integers(1, 5),
    inner=st.integers(1, 3),
)
def test_parts_have_every_row_once(folder, before, shuffle, after, count, inner):
    # What is made of a batch may depend on which rows are in it, so these steps stay out.
    steps = [step for step in before + after if "batches" not in step]
    data = apply(stream_of(folder), steps[: len(before)])
    data = shuffles[shuffle](data) if shuffle else data
    data = apply(data, steps[len(before) :])
    rows = Counter(json.dumps(row) for row in data)
    found = Counter()
    for rank in range(count):
        for worker in range(inner):
            part = data.shard(rank, count).shard(worker, inner)
            found.update(json.dumps(row) for row in part)
    assert found == rows


def test_files_are_shared_out_whole_and_the_rest_by_rows(folder):
    data = stream_of(folder)
    assert data.num_files == 3
    parts = [[row["number"] for row in data.shard(part, 2)] for part in range(2)]
    assert parts[0][:100] == [*range(100)]
    assert parts[1][:37] == [*range(100, 137)]
    assert [len(part) for part in parts] == [150, 87]
    alone = [list(data.shard(part, 3)) for part in range(3)]
    assert [len(part) for part in alone] == [100, 37, 100]


def test_a_shuffle_is_one_of_files_and_of_neighbours(folder):
    data = stream_of(folder)
    shuffled = data.shuffle(1, buffer_size=10)
    numbers = [row["number"] for row in shuffled]
    assert sorted(numbers) == [*range(ROWS)]
    assert numbers != [*range(ROWS)]
    assert numbers == [row["number"] for row in shuffled]
    firsts = set()
    for epoch in range(1, 6):
        shuffled.set_epoch(epoch)
        of_epoch = [row["number"] for row in shuffled]
        assert of_epoch != numbers
        firsts.add(of_epoch[0] // 100)
    assert len(firsts) > 1  # files come in another order, too
    assert [row["number"] for row in data.shuffle(2)] != numbers


def test_splits_have_the_verbs_of_one(folder):
    data = load_dataset({"train": str(folder / "train-00000-of-00003.jsonl")}, streaming=True)
    eager = load_dataset({"train": str(folder / "train-00000-of-00003.jsonl")})
    chosen = (
        data.rename({"number": "n"})
        .cast("label", Value("string"))
        .map(lambda row: {"n": row["n"] + 1})
        .filter(lambda row: row["n"] % 2 == 0)
        .select_columns("n", "text")
    )
    assert list(chosen["train"])[:2] == [{"n": 2, "text": "text 1"}, {"n": 4, "text": "text 3"}]
    assert sorted(row["number"] for row in data.shuffle(1)["train"]) == [*range(100)]
    assert data["train"].label_names == eager.label_names == ["a", "b"]
    with pytest.raises(DataError, match="has no split 'test'"):
        data["test"]
    roles = data["train"].remove("label").with_roles(label="number").roles
    assert (roles.text, roles.label) == ("text", "number")
    assert repr(data["train"]).endswith("jsonl: text, number, label)")


def test_a_position_after_the_end_is_the_end(folder):
    data = stream_of(folder).take(5)
    assert len(list(data)) == 5
    again = stream_of(folder).take(5)
    again.load_state_dict(data.state_dict())
    assert list(again) == []
    assert len(list(again)) == 5
