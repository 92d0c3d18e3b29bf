"""The loader: every row once, the same batches whoever makes them, and a position to go back to."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Feature, Value
from graft.data.features import Sequence as ListOf
from graft.data.load import load_dataset
from graft.data.loader import BatchLoader
from graft.data.roles import Roles
from graft.data.tokens.batches import EncodedDataset
from graft.data.tokens.epochs import Budget, shuffled_plan
from graft.errors import DataError
from graft.models.batch import Batch
from graft.text.encoding import TokenBatch
from graft.text.tokenizer import Tokenizer

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=150)
LABEL = {"label": ClassLabel(["a", "b", "c"])}
TAGGED = {"labels": ListOf(ClassLabel(["O", "B-X"]))}


def rows_of_lengths(lengths: Sequence[int], chunks: int = 4, **columns: Any) -> Dataset:
    """Rows of these lengths; every token of row 7 is 7."""
    kind = pa.list_(pa.int32())
    lists = [[row] * length for row, length in enumerate(lengths)]
    step = max(1, len(lists) // chunks)
    parts = [pa.array(lists[start : start + step], kind) for start in range(0, len(lists), step)]
    table = pa.table({"input_ids": pa.chunked_array(parts, kind), **columns})
    return Dataset(table, roles=Roles())


def labelled(column: Any, feature: Feature, lengths: Sequence[int], name: str = "label") -> Dataset:
    rows = rows_of_lengths(lengths, **{name: column})
    roles = Roles(label=name) if name == "label" else Roles()
    features = {**rows.features, name: feature}
    return Dataset(rows.table, features=features, roles=roles)


def told(batch: Batch) -> tuple[list[int], list[int]]:
    assert batch.rows is not None
    assert batch.ids.tolist() == np.repeat(batch.rows.numpy(), batch.lengths.numpy()).tolist()
    return batch.rows.tolist(), batch.lengths.tolist()


@settings(max_examples=40)
@given(LENGTHS, st.integers(1, 20), st.integers(0, 3), st.booleans())
def test_an_epoch_holds_each_row_once(
    lengths: list[int], batch_size: int, seed: int, shuffle: bool
) -> None:
    loader = BatchLoader(
        rows_of_lengths(lengths), batch_size=batch_size, seed=seed, shuffle=shuffle
    )
    batches = [told(batch) for batch in loader]
    assert len(batches) == len(loader) or shuffle  # the next epoch may have one more
    found = {row: size for rows, sizes in batches for row, size in zip(rows, sizes, strict=True)}
    assert found == dict(enumerate(lengths))
    rows = [row for part, _ in batches for row in part]
    assert len(rows) == len(lengths)
    assert shuffle or rows == list(range(len(lengths)))


@settings(max_examples=40)
@given(LENGTHS, st.integers(1, 300), st.booleans())
def test_a_budget_of_tokens_is_kept(lengths: list[int], tokens: int, shuffle: bool) -> None:
    loader = BatchLoader(rows_of_lengths(lengths), tokens=tokens, shuffle=shuffle)
    assert all(batch.tokens <= tokens or len(batch) == 1 for batch in loader)


@settings(max_examples=20)
@given(LENGTHS, st.integers(1, 3), st.integers(1, 3))
def test_workers_change_nothing(lengths: list[int], workers: int, prefetch: int) -> None:
    rows = rows_of_lengths(lengths)
    alone = [told(batch) for batch in BatchLoader(rows, batch_size=4, seed=1)]
    loader = BatchLoader(rows, batch_size=4, seed=1, workers=workers, prefetch=prefetch)
    assert [told(batch) for batch in loader] == alone


def test_each_epoch_has_an_order_of_its_own() -> None:
    rows = rows_of_lengths([5, 6, 7, 8] * 25)
    loader = BatchLoader(rows, batch_size=4)
    first, second = [told(b) for b in loader], [told(b) for b in loader]
    assert first != second
    loader.set_epoch(0)
    assert [told(b) for b in loader] == first
    assert [told(b) for b in BatchLoader(rows, batch_size=4, seed=1)] != first
    assert loader.epoch == 1


def test_rows_in_memory_give_the_batches_of_rows_in_arrow() -> None:
    lengths = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    rows = rows_of_lengths(lengths)
    flat = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    encoded = EncodedDataset(TokenBatch(flat, offsets, np.zeros_like(flat)))
    both = [BatchLoader(data, batch_size=3, seed=2) for data in (rows, encoded)]
    assert [told(b) for b in both[0]] == [told(b) for b in both[1]]


def test_a_selection_is_read_through_its_order() -> None:
    rows = rows_of_lengths(range(1, 30)).select([20, 3, 3, 11])
    batches = list(BatchLoader(rows, tokens=30, shuffle=False))
    ids = [row.tolist() for batch in batches for row in batch.ids.split(batch.lengths.tolist())]
    assert ids == rows["input_ids"]


def test_stopping_early_leaves_nothing_behind() -> None:
    import threading

    before = threading.active_count()
    loader = BatchLoader(rows_of_lengths([5] * 100), batch_size=4, workers=2)
    batches = iter(loader)
    first = told(next(batches))
    del batches
    assert threading.active_count() == before
    assert told(next(iter(loader))) == first


def test_what_goes_wrong_in_a_worker_is_raised() -> None:
    class Broken(EncodedDataset):
        def batch(self, rows: Any) -> Batch:
            raise OSError("the file is gone")

    flat = np.zeros(4, np.int32)
    data = Broken(TokenBatch(flat, np.arange(5), flat))
    with pytest.raises(OSError, match="the file is gone"):
        list(BatchLoader(data, batch_size=2, workers=2))


class TestRanks:
    @settings(max_examples=40)
    @given(LENGTHS, st.integers(1, 20), st.integers(1, 7), st.integers(0, 2), st.booleans())
    def test_they_share_every_row(
        self, lengths: list[int], batch_size: int, ranks: int, epoch: int, shuffle: bool
    ) -> None:
        """Each row once over all ranks, as many steps on each, and no rank without a row."""
        assume(len(lengths) >= ranks)
        rows = rows_of_lengths(lengths)
        seen: Counter[int] = Counter()
        steps = set()
        for rank in range(ranks):
            loader = BatchLoader(
                rows, batch_size=batch_size, rank=rank, world_size=ranks, shuffle=shuffle
            )
            loader.set_epoch(epoch)
            batches = [told(batch) for batch in loader]
            assert all(len(part) for part, _ in batches)
            steps.add(len(batches))
            seen.update(row for part, _ in batches for row in part)
        assert seen == Counter(range(len(lengths)))
        assert len(steps) == 1

    @settings(max_examples=40)
    @given(LENGTHS, st.integers(1, 300), st.integers(1, 7))
    def test_the_budget_is_of_each(self, lengths: list[int], tokens: int, ranks: int) -> None:
        assume(len(lengths) >= ranks)
        sizes = np.array(lengths)
        plan = shuffled_plan(sizes, Budget(tokens=tokens), 0, 0, ranks)
        batches = [plan.rows(step, rank) for step in range(len(plan)) for rank in range(ranks)]
        over = [part for part in batches if len(part) > 1 and sizes[part].sum() > tokens]
        assert len(over) < ranks
        if over:  # only where rows are so few that all batches are of one or two
            assert len(lengths) - len(batches) < ranks

    def test_tokens_are_shared_evenly(self) -> None:
        lengths = np.random.default_rng(0).integers(5, 200, 5000)
        plan = shuffled_plan(lengths, Budget(tokens=2000), 0, 0, 4)
        loads = np.array(
            [
                [lengths[plan.rows(step, rank)].sum() for rank in range(4)]
                for step in range(len(plan))
            ]
        )
        assert loads.sum() / (4 * loads.max(axis=1).sum()) > 0.93

    def test_in_order_they_take_turns(self) -> None:
        rows = rows_of_lengths([1] * 12)
        parts = [
            [
                told(batch)[0]
                for batch in BatchLoader(rows, tokens=2, shuffle=False, rank=rank, world_size=2)
            ]
            for rank in range(2)
        ]
        assert parts == [[[0, 1], [4, 5], [8, 9]], [[2, 3], [6, 7], [10, 11]]]

    def test_fewer_rows_than_ranks(self) -> None:
        with pytest.raises(DataError, match="2 rows cannot be shared out over 3 ranks"):
            BatchLoader(rows_of_lengths([1, 2]), batch_size=1, world_size=3)


class TestPosition:
    @settings(max_examples=25)
    @given(LENGTHS, st.integers(0, 30), st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
    def test_it_is_gone_back_to(
        self, lengths: list[int], steps: int, epoch: int, workers: int, others: int
    ) -> None:
        """Wherever it was saved, and however many workers had made batches ahead."""
        rows = rows_of_lengths(lengths)
        loader = BatchLoader(rows, batch_size=3, seed=5, workers=workers)
        loader.set_epoch(epoch)
        whole = [told(batch) for batch in loader]
        steps = min(steps, len(whole))
        loader = BatchLoader(rows, batch_size=3, seed=5, workers=workers, prefetch=3)
        loader.set_epoch(epoch)
        batches = iter(loader)
        before = [told(next(batches)) for _ in range(steps)]
        state = json.loads(json.dumps(loader.state_dict()))
        again = BatchLoader(rows, batch_size=3, workers=others)
        again.load_state_dict(state)
        after = [told(batch) for batch in again]
        assert before + after == whole
        following = [told(batch) for batch in again]
        fresh = BatchLoader(rows, batch_size=3, seed=5)
        fresh.set_epoch(epoch + 1)
        assert following == [told(batch) for batch in fresh]

    def test_naming_the_epoch_under_way_stays_there(self) -> None:
        """A loop over epochs that is gone into again calls set_epoch with its first one."""
        rows = rows_of_lengths([3] * 40)
        loader = BatchLoader(rows, batch_size=4)
        loader.set_epoch(2)
        whole = [told(batch) for batch in loader]
        loader.set_epoch(2)
        batches = iter(loader)
        next(batches)
        next(batches)
        again = BatchLoader(rows, batch_size=4)
        again.load_state_dict(loader.state_dict())
        again.set_epoch(2)
        assert [told(batch) for batch in again] == whole[2:]

    def test_between_two_epochs(self) -> None:
        loader = BatchLoader(rows_of_lengths([3] * 40), batch_size=4)
        for _ in loader:
            pass
        state = loader.state_dict()
        assert (state["epoch"], state["step"]) == (1, 0)

    def test_stopping_and_starting_anew(self) -> None:
        loader = BatchLoader(rows_of_lengths([3] * 40), batch_size=4)
        first = next(iter(loader))
        assert loader.state_dict()["step"] == 1
        assert told(next(iter(loader))) == told(first)

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"batch_size": 5}, "batch_size=4; here it is 5"),
            ({"batch_size": None, "tokens": 12}, "batch_size=4; here it is None"),
            ({"shuffle": False}, "shuffle=True; here it is False"),
            ({"world_size": 2}, "world_size=1; here it is 2"),
        ],
    )
    def test_other_batches(self, change: dict[str, Any], words: str) -> None:
        rows = rows_of_lengths([3] * 40)
        state = BatchLoader(rows, batch_size=4).state_dict()
        with pytest.raises(DataError, match=words):
            BatchLoader(rows, **{"batch_size": 4, **change}).load_state_dict(state)

    def test_other_rows(self) -> None:
        state = BatchLoader(rows_of_lengths([3] * 40), batch_size=4).state_dict()
        for lengths, words in (([3] * 41, "rows=40; here it is 41"), ([3, 4] * 20, "fingerprint=")):
            with pytest.raises(DataError, match=words):
                BatchLoader(rows_of_lengths(lengths), batch_size=4).load_state_dict(state)

    def test_no_state(self) -> None:
        with pytest.raises(DataError, match="no state of a BatchLoader"):
            BatchLoader(rows_of_lengths([3]), batch_size=4).load_state_dict({})


class TestTargets:
    LENGTHS = [2, 1, 3]

    def batch(self, rows: Dataset, **options: Any) -> Batch:
        (batch,) = BatchLoader(rows, batch_size=9, shuffle=False, **options)
        return batch

    def targets(self, rows: Dataset, **options: Any) -> torch.Tensor:
        targets = self.batch(rows, **options).targets
        assert targets is not None
        return targets

    def test_classes(self) -> None:
        found = self.targets(labelled([0, 2, 1], LABEL["label"], self.LENGTHS))
        assert found.dtype == torch.int64
        assert found.tolist() == [0, 2, 1]

    def test_many_classes(self) -> None:
        many = ClassLabel([str(number) for number in range(1000)])
        assert self.targets(labelled([0, 999, 128], many, self.LENGTHS)).tolist() == [0, 999, 128]

    def test_several_classes(self) -> None:
        column = pa.array([[0, 2], [], [1]], pa.list_(pa.int64()))
        found = self.targets(labelled(column, ListOf(LABEL["label"]), self.LENGTHS))
        assert found.dtype == torch.float32
        assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]

    def test_as_many_classes_as_tokens_by_chance(self) -> None:
        """The label's lists are classes of rows, whatever their lengths; those of tags are not."""
        column = pa.array([[0, 2], [1], [0, 1, 2]], pa.list_(pa.int64()))
        found = self.targets(labelled(column, ListOf(LABEL["label"]), self.LENGTHS))
        assert found.tolist() == [[1, 0, 1], [0, 1, 0], [1, 1, 1]]

    def test_numbers(self) -> None:
        found = self.targets(labelled([0.5, -1.0, 2.25], Value("float64"), self.LENGTHS))
        assert found.dtype == torch.float32
        assert found.tolist() == [0.5, -1.0, 2.25]

    def test_tags_of_tokens(self) -> None:
        column = [[-100, 1], [0], [1, 0, -100]]
        found = self.targets(labelled(column, TAGGED["labels"], self.LENGTHS, "labels"))
        assert found.dtype == torch.int64
        assert found.tolist() == [-100, 1, 0, 1, 0, -100]

    def test_language_models_learn_the_ids(self) -> None:
        batch = self.batch(rows_of_lengths(self.LENGTHS), targets="input_ids")
        assert batch.targets is not None
        assert batch.targets.tolist() == batch.ids.tolist() == [0, 0, 1, 2, 2, 2]

    def test_none(self) -> None:
        batch = self.batch(rows_of_lengths(self.LENGTHS))
        assert batch.targets is None
        assert batch.type_ids is None

    def test_types_of_pairs(self) -> None:
        types = pa.array([[0, 1], [0], [0, 0, 1]], pa.list_(pa.int32()))
        batch = self.batch(rows_of_lengths(self.LENGTHS, token_type_ids=types))
        assert batch.type_ids is not None
        assert batch.type_ids.tolist() == [0, 1, 0, 0, 0, 1]
        assert batch.type_ids.dtype == torch.int64

    def test_they_follow_an_order(self) -> None:
        rows = labelled([0, 2, 1], LABEL["label"], self.LENGTHS).select([2, 0])
        assert self.targets(rows).tolist() == [1, 0]

    def test_they_are_those_of_their_rows_when_shuffled(self) -> None:
        labels = np.arange(100) % 3
        rows = labelled(labels, LABEL["label"], [4] * 100)
        for batch in BatchLoader(rows, batch_size=7, seed=3):
            assert batch.rows is not None
            assert batch.targets is not None
            assert batch.targets.tolist() == (batch.rows.numpy() % 3).tolist()

    @pytest.mark.parametrize(
        ("column", "feature", "words"),
        [
            ([0, None, 1], LABEL["label"], "1 rows have no label; the first is row 1"),
            ([0.5, None, 1.0], Value("float64"), "the first is row 1"),
            (["a", "b", "c"], Value("string"), "holds string, which is no target"),
            ([[1], [2], [3]], ListOf(Value("int64")), "row 0: 1 labels for 2 tokens"),
            ([[0], None, [1]], ListOf(LABEL["label"]), "a list is missing"),
        ],
    )
    def test_columns_that_are_none(self, column: Any, feature: Feature, words: str) -> None:
        with pytest.raises(DataError, match=words):
            BatchLoader(labelled(column, feature, self.LENGTHS), batch_size=2)

    def test_a_column_that_is_not_there(self) -> None:
        with pytest.raises(DataError, match="no column 'score'"):
            BatchLoader(rows_of_lengths(self.LENGTHS), batch_size=2, targets="score")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "Say how large batches are"),
        ({"batch_size": 2, "tokens": 9}, "in one way"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"tokens": 0}, "tokens is 0"),
        ({"batch_size": 2, "workers": -1}, r"workers \(-1\)"),
        ({"batch_size": 2, "prefetch": 0}, r"prefetch \(0\)"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, "rank is 2 of 2"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=words):
        BatchLoader(rows_of_lengths([1, 2, 3]), **options)


def test_rows_that_are_not_tokenized() -> None:
    rows = Dataset(pa.table({"text": ["a"]}), roles=Roles("text"))
    with pytest.raises(DataError, match="not tokenized"):
        BatchLoader(rows, batch_size=2)


def test_rows_without_tokens() -> None:
    with pytest.raises(DataError, match=r"2 rows have no tokens.*first is row 1"):
        BatchLoader(rows_of_lengths([3, 0, 1, 0]), batch_size=2)


def test_no_rows() -> None:
    empty = Dataset(pa.table({"input_ids": pa.array([], pa.list_(pa.int32()))}), roles=Roles())
    assert list(BatchLoader(empty, batch_size=2)) == []


def test_real_rows(real_data: Path, base: Path) -> None:
    """From a file to batches: the ids that the tokenizer gives for the row, and its label."""
    tokenizer = Tokenizer.from_pretrained(base)
    rows = load_dataset(real_data / "trec")["test"]
    texts, labels = rows[rows.text_column], rows["label"] if "label" in rows.column_names else None
    if labels is None:
        labels = rows[rows.roles.label or ""]
    for batch in BatchLoader(rows.tokenize(tokenizer), batch_size=32, workers=1):
        assert batch.rows is not None
        assert batch.targets is not None
        ids = batch.ids.split(batch.lengths.tolist())
        for row, found, target in zip(
            batch.rows.tolist(), ids, batch.targets.tolist(), strict=True
        ):
            assert found.tolist() == tokenizer(texts[row]).ids
            assert target == labels[row]
