"""Batches: every row once an epoch, within a budget of tokens, in an order of the seed."""

from collections import Counter
from itertools import chain

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graft.data.loader import BatchLoader
from graft.data.tokens.batches import EncodedDataset, evaluation_batches
from graft.data.tokens.epochs import by_budget
from graft.text.encoding import TokenBatch

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=200)


def encoded(lengths: list[int]) -> EncodedDataset:
    """Rows of these lengths; every token of row 7 is 7, and so is its target."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    return EncodedDataset(TokenBatch(ids, offsets, np.zeros_like(ids)), torch.arange(len(lengths)))


def rows_of(loader: BatchLoader, epoch: int) -> list[list[int]]:
    """The rows of each batch of an epoch."""
    plan = loader.plan(epoch)
    return [plan.rows(step).tolist() for step in range(len(plan))]


@given(LENGTHS, st.integers(1, 300))
def test_a_cut_holds_each_row_once_and_keeps_to_its_budget(lengths: list[int], budget: int) -> None:
    sizes = np.array(lengths, np.int64)
    rows = np.arange(len(lengths), dtype=np.int64)
    parts = by_budget(rows, sizes, budget)
    assert sorted(np.concatenate(parts).tolist()) == rows.tolist()
    assert all(len(part) == 1 or sizes[part].sum() <= budget for part in parts)
    longest = [int(sizes[part].max()) for part in parts]
    assert longest == sorted(longest, reverse=True)


@given(LENGTHS, st.integers(1, 20), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_holds_each_row_once(
    lengths: list[int], batch_size: int, seed: int, epoch: int
) -> None:
    plan = rows_of(BatchLoader(encoded(lengths), batch_size=batch_size, seed=seed), epoch)
    assert sorted(chain.from_iterable(plan)) == list(range(len(lengths)))
    assert rows_of(BatchLoader(encoded(lengths), batch_size=batch_size, seed=seed), epoch) == plan


def test_epochs_and_seeds_differ() -> None:
    data = encoded([5, 6, 7, 8] * 25)
    plans = {
        tuple(chain.from_iterable(rows_of(BatchLoader(data, batch_size=4, seed=seed), epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(plans) == 9


@given(LENGTHS, st.integers(1, 20))
def test_batches_hold_about_as_many_tokens(lengths: list[int], batch_size: int) -> None:
    data = encoded(lengths)
    budget = max(round(batch_size * sum(lengths) / len(lengths)), max(lengths))
    assert all(batch.tokens <= budget for batch in BatchLoader(data, batch_size=batch_size))


def test_rows_of_like_length_go_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 320)
    batches = list(BatchLoader(encoded(lengths.tolist()), batch_size=16))
    spread = np.mean([float(batch.lengths.max() - batch.lengths.min()) for batch in batches])
    assert spread < 10


@given(LENGTHS, st.integers(1, 300))
def test_evaluation_reads_each_row_once_with_its_tokens(lengths: list[int], budget: int) -> None:
    seen: Counter[int] = Counter()
    for batch in evaluation_batches(encoded(lengths), budget):
        assert batch.rows is not None
        assert batch.targets is not None
        assert batch.targets.tolist() == batch.rows.tolist()
        assert batch.ids.tolist() == np.repeat(batch.rows.numpy(), batch.lengths.numpy()).tolist()
        seen.update(batch.rows.tolist())
    assert seen == Counter(range(len(lengths)))


def test_evaluation_of_no_rows() -> None:
    assert list(evaluation_batches(encoded([]), 100)) == []


@pytest.mark.parametrize("rows", [0, 2, 3, 9])
def test_the_first_rows(rows: int) -> None:
    few = encoded([2, 1, 3]).first(rows)
    kept = min(rows, 3)
    assert [row.tolist() for row in few.tokens] == [[0, 0], [1], [2, 2, 2]][:kept]
    assert few.targets is not None
    assert few.targets.tolist() == list(range(kept))
