"""Sequences laid end to end, and how the CPU's attention groups them."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import graft
from graft.models.layout import plan_islands

LENGTHS = st.lists(
    st.one_of(st.integers(1, 4), st.integers(1, 512), st.sampled_from([1, 2, 128, 512])),
    min_size=1,
    max_size=20,
)


def test_a_batch_by_hand() -> None:
    batch = graft.Batch.from_sequences([[5, 6, 7], [8], [9, 10]])
    assert batch.ids.tolist() == [5, 6, 7, 8, 9, 10]
    assert batch.ids.dtype == torch.int64
    assert batch.lengths.tolist() == [3, 1, 2]
    assert batch.starts.tolist() == [0, 3, 4, 6]
    assert batch.positions.tolist() == [0, 1, 2, 0, 0, 1]
    assert (len(batch), batch.tokens, batch.max_length) == (3, 6, 3)
    assert batch.type_ids is None


def test_segments_and_targets_go_with_it() -> None:
    targets = torch.tensor([1, 0])
    batch = graft.Batch.from_sequences([[5, 6], [7]], type_ids=[[0, 1], [1]], targets=targets)
    assert batch.type_ids is not None
    assert batch.type_ids.tolist() == [0, 1, 1]
    assert batch.targets is targets
    assert batch.to("cpu") is batch


@pytest.mark.parametrize(
    ("sequences", "message"),
    [([], "there are no sequences"), ([[1], [], [2]], "sequence 1 is empty")],
)
def test_nothing_to_read_is_refused(sequences: list[list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        graft.Batch.from_sequences(sequences)


@pytest.mark.parametrize(
    "sequences",
    [[[1.0, 2.0]], [["a"]], ["abc"], [[True]], [[10**30]], [[[1]]], [[None]], [[[1], 2]]],
)
def test_what_is_no_id_is_refused(sequences: Any) -> None:
    with pytest.raises(ValueError, match="whole numbers"):
        graft.Batch.from_sequences(sequences)


def test_ids_of_any_format_of_whole_numbers() -> None:
    rows = torch.tensor([[5, 6], [7, 8]], dtype=torch.int32)
    for ids in (rows, rows.numpy(), rows.tolist()):
        found = graft.Batch.from_sequences(ids).ids
        assert found.dtype == torch.int64
        assert found.tolist() == [5, 6, 7, 8]


def test_segments_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="type_ids must have the lengths"):
        graft.Batch.from_sequences([[1, 2], [3]], type_ids=[[0], [0, 0]])


@given(LENGTHS)
def test_islands_hold_each_token_once(lengths: list[int]) -> None:
    islands = plan_islands(torch.tensor(lengths))
    tokens = torch.cat([island.keys.token_index() for island in islands])
    rows = torch.cat([island.rows for island in islands])
    assert sorted(tokens.tolist()) == list(range(sum(lengths)))
    assert sorted(rows.tolist()) == list(range(len(lengths)))


@given(LENGTHS)
def test_an_island_is_as_large_as_it_says(lengths: list[int]) -> None:
    for island in plan_islands(torch.tensor(lengths)):
        members = [lengths[row] for row in island.rows.tolist()]
        keys = island.keys
        assert keys.lengths.tolist() == members
        assert keys.length == max(members)
        assert keys.size == len(keys.token_index()) == sum(members)
        if keys.mask is None:
            assert set(members) == {keys.length}
        else:
            assert keys.mask.sum(1).tolist() == members
