"""Data sets one after the other and by turns: the rows of `datasets`, and none of them copied."""

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.combine import drawn_sources
from graft.data.dataset import Dataset
from graft.data.features import Value
from graft.data.roles import Roles
from graft.errors import DataError


def made(start: int, count: int) -> Dataset:
    numbers = pa.array(range(start, start + count), pa.int64())
    table = pa.table({"n": numbers, "text": numbers.cast(pa.string())})
    return Dataset(table, roles=Roles("text"))


lengths = st.lists(st.integers(1, 30), min_size=1, max_size=4)


@settings(max_examples=40)
@given(lengths, st.lists(st.booleans(), min_size=4, max_size=4))
def test_concatenated_rows_come_in_their_order(counts, shuffled):
    parts = [made(100 * number, count) for number, count in enumerate(counts)]
    parts = [
        part.shuffle(number) if turn else part[1:]
        for number, (part, turn) in enumerate(zip(parts, shuffled, strict=False))
    ]
    whole = parts[0].concatenate(*parts[1:])
    assert whole["n"] == [n for part in parts for n in part["n"]]
    assert whole["text"] == [str(n) for n in whole["n"]]


def test_concatenating_shuffled_rows_copies_none():
    data = made(0, 1000)
    whole = data.shuffle(1).concatenate(data, data.shuffle(2))
    assert whole.rows.table.num_rows == 3000
    stored = data.rows.table.column("text").chunk(0).buffers()[2].address
    assert {chunk.buffers()[2].address for chunk in whole.rows.table.column("text").chunks} == {
        stored
    }
    assert whole.fingerprint == data.shuffle(1).concatenate(data, data.shuffle(2)).fingerprint


@settings(max_examples=40)
@given(lengths, st.sampled_from(["first_exhausted", "all_exhausted"]))
def test_by_turns_as_datasets_does(counts, stop):
    parts = [made(100 * number, count) for number, count in enumerate(counts)]
    peers = [datasets.Dataset.from_dict({"n": part["n"]}) for part in parts]
    theirs = datasets.interleave_datasets(peers, stopping_strategy=stop)
    assert parts[0].interleave(*parts[1:], stop=stop)["n"] == list(theirs["n"])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=4),
    st.integers(0, 9),
    st.sampled_from(["first_exhausted", "all_exhausted"]),
)
def test_drawn_rows_are_those_of_a_walk_row_by_row(given_, seed, stop):
    counts = [count for count, _ in given_]
    weights = np.array([weight for _, weight in given_], float)
    sources = drawn_sources(np.array(counts), weights / weights.sum(), seed, stop)
    taken, ended = [0] * len(counts), [False] * len(counts)
    is_over = any if stop == "first_exhausted" else all
    for source in sources.tolist():
        assert not is_over(ended)
        taken[source] += 1
        ended[source] = ended[source] or taken[source] == counts[source]
    assert is_over(ended)


def test_weights_say_how_often_a_row_is_drawn():
    parts = [made(0, 50_000), made(100_000, 50_000), made(200_000, 10)]
    found = parts[0].interleave(*parts[1:], weights=[2, 1, 0], seed=5)
    numbers = np.array(found["n"])
    share = np.count_nonzero(numbers < 100_000) / len(numbers)
    assert abs(share - 2 / 3) < 0.01
    assert not (numbers >= 200_000).any()
    for first in (0, 100_000):
        own = numbers[(numbers >= first) & (numbers < first + 100_000)]
        assert own.tolist() == list(range(first, first + len(own)))
    assert found["n"] == parts[0].interleave(*parts[1:], weights=[2, 1, 0], seed=5)["n"]
    assert found["n"] != parts[0].interleave(*parts[1:], weights=[2, 1, 0], seed=6)["n"]


def test_all_rows_are_there_where_all_are_exhausted():
    parts = [made(0, 5), made(100, 100_000)]
    found = parts[0].interleave(parts[1], weights=[0.9, 0.1], stop="all_exhausted")
    assert set(found["n"]) == set(parts[0]["n"]) | set(parts[1]["n"])
    assert found["n"][-1] == parts[1]["n"][-1]


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda a, b: a.interleave(b, weights=[1]), "1 weights for 2 data sets"),
        (lambda a, b: a.interleave(b, weights=[0, 0]), "weights=.* are none"),
        (lambda a, b: a.interleave(b, weights=[1, -1]), "weights=.* are none"),
        (lambda a, b: a.interleave(b, weights=[1, float("nan")]), "weights=.* are none"),
        (lambda a, b: a.interleave(b, weights=[1, 0], stop="all_exhausted"), "weight is 0"),
        (lambda a, b: a.interleave(b, stop="never"), "stop='never' is not known"),
        (lambda a, b: a.interleave(b[:0]), "has no rows"),
        (lambda a, b: a.interleave(b.remove("n")), "column 'n' is .* but is not in"),
        (lambda a, b: a.interleave([b]), "list is no data set"),
        (lambda a, b: a.concatenate(b.cast("n", Value("int8"))), "column 'n' is .*int64.*int8"),
    ],
)
def test_what_cannot_be_put_together_says_why(do, said):
    with pytest.raises(DataError, match=said):
        do(made(0, 3), made(5, 4))
