"""Streams of tokens: windows, blocks and batches, equal to those of a data set, from any place."""

import json
from collections import Counter
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graft.data.load import load_dataset
from graft.data.stream.loader import StreamLoader
from graft.errors import DataError
from graft.text.tokenizer import Tokenizer

quick = settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tokenizer(base):
    return Tokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    for file in range(3):
        rows = [
            json.dumps({"text": "the rain in spain " * (1 + (7 * row) % 11), "label": row % 3})
            for row in range(70 * file, 70 * file + 70)
        ]
        (folder / f"train-{file:05}-of-00003.jsonl").write_text("\n".join(rows))
    return folder


def both(folder):
    return (load_dataset(folder, split="train", streaming=each) for each in (True, False))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"max_length": 12, "stride": 3},
        {"max_length": 9, "spans": True},
        {"add_special_tokens": False, "keep": ["text"]},
    ],
    ids=["plain", "windows", "spans", "kept"],
)
def test_tokens_are_those_of_a_data_set(folder, tokenizer, options):
    stream, eager = (data.tokenize(tokenizer, **options) for data in both(folder))
    every = list(eager)
    assert list(stream) == every
    assert stream.features == eager.features
    assert stream.roles == eager.roles
    list(islice(stream, 57))
    again = load_dataset(folder, split="train", streaming=True).tokenize(tokenizer, **options)
    again.load_state_dict(json.loads(json.dumps(stream.state_dict())))
    assert list(again) == every[57:]


@quick
@given(
    size=st.integers(1, 300),
    stop=st.integers(0, 60),
    across=st.booleans(),
    separator=st.sampled_from([None, 1]),
    drop=st.booleans(),
)
def test_blocks_are_those_of_a_data_set(folder, tokenizer, size, stop, across, separator, drop):
    options = {"across_documents": across, "separator_id": separator, "drop_last": drop}
    stream, eager = (data.tokenize(tokenizer).blocks(size, **options) for data in both(folder))
    every = list(eager)
    list(islice(stream, stop))
    state = json.loads(json.dumps(stream.state_dict()))
    assert list(stream) == every
    stream.load_state_dict(state)
    assert list(stream) == every[stop:]


def batches_of(loader):
    return [(batch.rows.tolist(), batch.ids.tolist(), batch.targets.tolist()) for batch in loader]


@quick
@given(
    budget=st.one_of(
        st.fixed_dictionaries({"batch_size": st.integers(1, 40)}),
        st.fixed_dictionaries({"tokens": st.integers(1, 900)}),
    ),
    window=st.integers(4, 300),
    shuffle=st.booleans(),
    world=st.integers(1, 3),
    stop=st.integers(0, 30),
    prefetch=st.integers(0, 2),
)
def test_batches_hold_each_row_once_and_go_on_anywhere(
    folder, tokenizer, budget, window, shuffle, world, stop, prefetch
):
    data = load_dataset(folder, split="train", streaming=True).shuffle(1, 50).tokenize(tokenizer)

    def loader(rank, **options):
        made = {"window": window, "shuffle": shuffle, "world_size": world, **budget, **options}
        return StreamLoader(data, rank=rank, **made)

    ranks = [batches_of(loader(rank)) for rank in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    numbers = Counter(row for batches in ranks for rows, _, _ in batches for row in rows)
    assert numbers == Counter(range(210))
    tokens = sum(len(ids) for batches in ranks for _, ids, _ in batches)
    assert tokens == sum(len(row["input_ids"]) for row in data)
    if "tokens" in budget and len(ranks) == 1:
        for rows, ids, _ in ranks[0]:
            assert len(ids) <= budget["tokens"] or len(rows) == 1

    first = loader(world - 1, prefetch=prefetch)
    steps = iter(first)
    list(islice(steps, stop))
    state = json.loads(json.dumps(first.state_dict()))
    again = loader(world - 1)
    again.load_state_dict(state)
    if stop <= len(ranks[-1]):
        assert batches_of(again) == ranks[-1][stop:]
    assert again.epoch == (1 if stop <= len(ranks[-1]) else first.epoch)


def test_epochs_differ_and_follow_each_other(folder, tokenizer):
    data = load_dataset(folder, split="train", streaming=True).tokenize(tokenizer)
    loader = StreamLoader(data, batch_size=8)
    first, second = batches_of(loader), batches_of(loader)
    assert first != second
    assert loader.epoch == 2
    loader.set_epoch(0)
    assert batches_of(loader) == first


def test_what_a_loader_refuses(folder, tokenizer):
    data = load_dataset(folder, split="train", streaming=True)
    with pytest.raises(DataError, match="is not tokenized: there is no column 'input_ids'"):
        StreamLoader(data, batch_size=4)
    tokens = data.tokenize(tokenizer)
    with pytest.raises(DataError, match="rank is 2 of 2"):
        StreamLoader(tokens, batch_size=4, rank=2, world_size=2)
    state = StreamLoader(tokens, batch_size=4).state_dict()
    with pytest.raises(DataError, match="batch_size=4; here it is 5"):
        StreamLoader(tokens, batch_size=5).load_state_dict(state)
    with pytest.raises(DataError, match="reached with steps="):
        StreamLoader(tokens.shuffle(1), batch_size=4).load_state_dict(state)
    with pytest.raises(DataError, match="is not tokenized"):
        data.blocks(8)
    with pytest.raises(DataError, match="holds string; lists of token ids were expected"):
        data.rename({"text": "input_ids"}).blocks(8)
