"""Blocks for language models: never longer than asked, and every token in its place."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.data.tokens.blocks import Blocks
from graft.errors import DataError
from graft.text.tokenizer import Tokenizer

DOCUMENTS = st.lists(st.lists(st.integers(0, 99), max_size=20), max_size=12)
SEPARATOR = 100


def tokens(documents: list[list[int]], chunks: int = 3) -> Dataset:
    """Rows of token ids in several chunks."""
    step = max(1, len(documents) // chunks)
    parts = [documents[start : start + step] for start in range(0, len(documents), step)]
    kind = pa.list_(pa.int32())
    column = pa.chunked_array([pa.array(part, kind) for part in parts], kind)
    return Dataset(pa.table({"input_ids": column}), roles=Roles())


def cut(row: list[int], size: int, drop_last: bool) -> Iterator[list[int]]:
    """What blocks of a row of tokens are."""
    for start in range(0, len(row), size):
        if not drop_last or start + size <= len(row):
            yield row[start : start + size]


@given(DOCUMENTS, st.integers(1, 25), st.booleans(), st.booleans(), st.booleans())
def test_every_token_is_in_its_place(
    documents: list[list[int]], size: int, across: bool, separated: bool, drop_last: bool
) -> None:
    found = tokens(documents).blocks(
        size,
        across_documents=across,
        separator_id=SEPARATOR if separated else None,
        drop_last=drop_last,
        cache=False,
    )
    rows = [[*row, SEPARATOR] if separated else row for row in documents]
    if across:
        rows = [[token for row in rows for token in row]]
    wanted = [block for row in rows for block in cut(row, size, drop_last)]
    assert found["input_ids"] == wanted
    assert max(map(len, wanted), default=0) <= size


@settings(max_examples=30)
@given(DOCUMENTS, st.integers(1, 25), st.randoms(use_true_random=False))
def test_an_order_is_kept(documents: list[list[int]], size: int, random: object) -> None:
    rows = tokens(documents)
    order = np.random.default_rng(size).permutation(len(documents))
    found = rows.select(order).blocks(size, cache=False)
    flat = [token for row in order for token in documents[row]]
    assert found["input_ids"] == list(cut(flat, size, False))


def test_views_copy_nothing() -> None:
    """Blocks lie in the memory of the tokens, but for one between two chunks."""
    rows = tokens([[1] * 1000, [2] * 1000, [3] * 999])
    before = pa.total_allocated_bytes()
    found = rows.blocks(100)
    assert pa.total_allocated_bytes() - before < 4 * 999
    stored = [chunk.values.buffers()[1] for chunk in rows.column("input_ids").chunks]
    places = [(buffer.address, buffer.address + buffer.size) for buffer in stored]
    for chunk in found.column("input_ids").chunks:
        address = chunk.values.buffers()[1].address
        assert any(start <= address < end for start, end in places)
    assert len(found) == 30
    assert len(found["input_ids"][-1]) == 99


def test_blocks_of_one_size_are_found_again() -> None:
    rows = tokens([[1, 2, 3]] * 5)
    first = rows.blocks(2, separator_id=9)
    assert first.fingerprint == tokens([[1, 2, 3]] * 5).blocks(2, separator_id=9).fingerprint
    others = [
        rows.blocks(2),
        rows.blocks(3),
        rows.blocks(3, separator_id=9),
        rows.blocks(2, separator_id=8),
        rows.blocks(2, separator_id=9, drop_last=True),
        rows.blocks(2, across_documents=False),
        rows.blocks(2, across_documents=False, separator_id=9),
    ]
    assert len({first.fingerprint, *(each.fingerprint for each in others)}) == 8


def test_real_text(real_data: Path, minilm: Path) -> None:
    data = load_dataset(real_data / "trec")
    assert isinstance(data, DatasetDict)
    tokenizer = Tokenizer.from_pretrained(minilm)
    tokenized = data.tokenize(tokenizer, add_special_tokens=False)
    blocks = tokenized.blocks(128, separator_id=102)
    for split, rows in tokenized.items():
        flat = [token for row in rows["input_ids"] for token in [*row, 102]]
        assert blocks[split]["input_ids"] == list(cut(flat, 128, False))
    assert {len(row) for row in blocks["train"]["input_ids"][:-1]} == {128}


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_makes_no_sense(size: int) -> None:
    with pytest.raises(DataError, match=f"the size is {size}"):
        tokens([[1]]).blocks(size)


def test_a_separator_that_is_no_token() -> None:
    with pytest.raises(DataError, match="separator_id is -1"):
        tokens([[1]]).blocks(2, separator_id=-1)


def test_rows_that_are_not_tokenized() -> None:
    rows = Dataset(pa.table({"text": ["a"]}), roles=Roles("text"))
    with pytest.raises(DataError, match="not tokenized: there is no column 'input_ids'"):
        rows.blocks(2)


def test_a_column_of_something_else() -> None:
    rows = Dataset(pa.table({"input_ids": ["a"]}), roles=Roles())
    with pytest.raises(DataError, match="holds string; lists of token ids were expected"):
        rows.blocks(2)


def test_a_row_without_ids() -> None:
    rows = Dataset(
        pa.table({"input_ids": pa.array([[1], None], pa.list_(pa.int32()))}), roles=Roles()
    )
    with pytest.raises(DataError, match="row 1 of a part has no token ids"):
        rows.blocks(2)


def test_parts_come_as_they_are_cut() -> None:
    """Nothing is held back but what does not fill a block."""
    parts = iter([pa.array([[1, 2, 3, 4, 5]], pa.list_(pa.int32()))] * 3)
    found = Blocks(2).cut(parts)
    assert next(found).to_pylist() == [[1, 2], [3, 4]]
    assert next(found).to_pylist() == [[5, 1]]
    assert next(found).to_pylist() == [[2, 3], [4, 5]]
