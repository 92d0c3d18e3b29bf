"""Windows and columns of tokenizers, and what stands on them."""

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import graft
from graft.errors import DataError, ModelError

TEXTS = [
    "The rain, oh my, the storm and the snow.",
    "we saw the sun",
    "",
    "a ball! a goal, a race; we run and swim and run",
] * 5
WORDS = ["the", "rain", "storms", "oh", "\u6771\u4eac", "[MASK]"]
ROWS = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> graft.Tokenizer:
    return graft.Tokenizer.from_pretrained(base)


@pytest.fixture
def oracle(tokenizer: graft.Tokenizer, tmp_path: Path) -> Any:
    tokenizer.save_pretrained(tmp_path / "oracle")
    return tokenizers.Tokenizer.from_file(str(tmp_path / "oracle" / "tokenizer.json"))


def all_windows(found: list[Any]) -> list[tuple[list[int], list[int], list[tuple[int, int]]]]:
    windows = [window for one in found for window in (one, *one.overflowing)]
    return [(window.ids, window.type_ids, window.offsets) for window in windows]


def rows_of(batch: Any) -> list[tuple[list[int], list[int], list[tuple[int, int]]]]:
    places = [slice(*pair) for pair in zip(batch.offsets[:-1], batch.offsets[1:], strict=True)]
    return [
        (
            batch.ids[place].tolist(),
            batch.type_ids[place].tolist(),
            [tuple(span) for span in batch.spans[place].tolist()],
        )
        for place in places
    ]


class TestWindows:
    def test_long_texts_become_rows_that_overlap(
        self, tokenizer: graft.Tokenizer, oracle: Any
    ) -> None:
        oracle.enable_truncation(7, stride=2)
        batch = tokenizer.encode_batch(TEXTS, max_length=7, stride=2, spans=True)
        assert rows_of(batch) == all_windows(oracle.encode_batch(TEXTS))
        assert batch.sources is not None
        assert sorted(set(batch.sources.tolist())) == list(range(len(TEXTS)))
        assert len(batch) == len(batch.sources) > len(TEXTS)

    @pytest.mark.parametrize("truncation", ["only_first", "only_second"])
    def test_of_a_pair_one_text_moves_on(
        self, tokenizer: graft.Tokenizer, oracle: Any, truncation: Any
    ) -> None:
        fixed, moving = ["my sun"] * len(TEXTS), TEXTS
        pairs = (moving, fixed) if truncation == "only_first" else (fixed, moving)
        oracle.enable_truncation(14, stride=3, strategy=truncation)
        batch = tokenizer.encode_batch(
            *pairs, max_length=14, stride=3, truncation=truncation, spans=True
        )
        assert rows_of(batch) == all_windows(oracle.encode_batch(list(zip(*pairs, strict=True))))

    @given(
        rows=st.lists(st.tuples(ROWS, ROWS), min_size=1, max_size=4),
        pairs=st.booleans(),
        length=st.integers(4, 16),
        stride=st.integers(0, 9),
        truncation=st.sampled_from(["longest_first", "only_first", "only_second"]),
    )
    @settings(max_examples=300)
    def test_any_windows_are_those_of_the_ecosystem(
        self,
        tokenizer: graft.Tokenizer,
        rows: list[tuple[str, str]],
        pairs: bool,
        length: int,
        stride: int,
        truncation: Any,
    ) -> None:
        firsts, seconds = [row[0] for row in rows], [row[1] for row in rows] if pairs else None
        cut: dict[str, Any] = {"max_length": length, "stride": stride, "truncation": truncation}
        try:
            batch = tokenizer.encode_batch(firsts, seconds, spans=True, **cut)
        except DataError:
            reject()
        oracle = tokenizers.Tokenizer.from_str(json.dumps(tokenizer._rules.spec))
        oracle.enable_truncation(length, stride=stride, strategy=truncation)
        found = oracle.encode_batch(rows if pairs else firsts)
        assert rows_of(batch) == all_windows(found)
        assert batch.sequences is not None
        assert batch.sources is not None
        windows = [(row, each) for row, one in enumerate(found) for each in (one, *one.overflowing)]
        sequences = [
            -1 if each is None else each for _, one in windows for each in one.sequence_ids
        ]
        assert batch.sequences.tolist() == sequences
        assert batch.sources.tolist() == [row for row, _ in windows]

    def test_a_text_that_may_not_be_cut_and_does_not_fit(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match=r"Row 0 has a text of \d+ tokens that may not be cut"):
            tokenizer.encode_batch([TEXTS[0]], ["a"], max_length=8, truncation="only_second")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"stride": 2}, "needs a max_length"),
            ({"stride": 5, "max_length": 7}, "needs a max_length of more than 2"),
            ({"stride": -1, "max_length": 7}, "stride is -1"),
            ({"max_length": 7, "truncation": "middle"}, "truncation is 'middle'; it may be"),
        ],
    )
    def test_options_that_make_no_sense(
        self, tokenizer: graft.Tokenizer, options: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(DataError, match=said):
            tokenizer.encode_batch(TEXTS, **options)

    def test_of_a_pair_both_texts_may_move_on(self, tokenizer: graft.Tokenizer) -> None:
        """Each row of the first with each of the second, in the order of the ecosystem."""
        batch = tokenizer.encode_batch(["we saw the"], ["my sun rain"], max_length=7, stride=1)
        rows = [" ".join(str(tokenizer.id_to_token(each)) for each in row) for row in batch]
        assert rows == [
            "[CLS] we saw [SEP] my sun [SEP]",
            "[CLS] saw the [SEP] my sun [SEP]",
            "[CLS] saw the [SEP] sun rain [SEP]",
            "[CLS] we saw [SEP] sun rain [SEP]",
        ]
        assert batch.sources is not None
        assert batch.sources.tolist() == [0] * 4

    def test_the_text_that_stands_first_moves_on_first(self, tokenizer: graft.Tokenizer) -> None:
        items = [
            {"Sequence": {"id": name, "type_id": place}} for name, place in (("B", 1), ("A", 0))
        ]
        swapped = {"single": items[1:], "pair": items, "special_tokens": {}}
        spec = {
            **tokenizer._rules.spec,
            "post_processor": {"type": "TemplateProcessing", **swapped},
        }
        cut = {"max_length": 4, "stride": 1}
        pair = ("we saw the", "my sun rain")
        batch = graft.Tokenizer(spec).encode_batch([pair[0]], [pair[1]], spans=True, **cut)
        oracle = tokenizers.Tokenizer.from_str(json.dumps(spec))
        oracle.enable_truncation(4, stride=1)
        assert len(batch) == 4
        assert rows_of(batch) == all_windows(oracle.encode_batch([pair]))


class TestColumns:
    def test_a_slice_of_a_column(self, tokenizer: graft.Tokenizer) -> None:
        column = pa.array(TEXTS)
        for part in (column.slice(3, 4), column.cast(pa.large_string()).slice(3, 4)):
            found = tokenizer.encode_batch(part)
            assert found.ids.tolist() == tokenizer.encode_batch(TEXTS[3:7]).ids.tolist()

    def test_bytes_that_are_no_text(self, tokenizer: graft.Tokenizer) -> None:
        offsets, data = pa.array([0, 2, 4], pa.int32()).buffers()[1], pa.py_buffer(b"ok\xc3(")
        column = pa.StringArray.from_buffers(2, offsets, data)
        with pytest.raises(DataError, match=r"Text 1 is not valid UTF-8 at byte 0"):
            tokenizer.encode_batch(column)

    def test_a_column_of_something_else(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match="of type int64, not strings"):
            tokenizer.encode_batch(pa.array([1, 2]))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_tokenizes_too(tokenizer: graft.Tokenizer) -> None:
    expected = tokenizer.encode_batch(TEXTS).ids.tolist()
    child = os.fork()
    if child == 0:
        os._exit(int(tokenizer.encode_batch(TEXTS).ids.tolist() != expected))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_model_learns_of_added_tokens(base: Path, tmp_path: Path) -> None:
    tokenizer = graft.Tokenizer.from_pretrained(base)
    model = graft.Model.from_pretrained(base)
    known = graft.Batch.from_sequences([tokenizer("the rain").ids])
    before = model(known).hidden
    tokenizer.add_tokens(["zebra"])
    model.resize_vocabulary(tokenizer.vocab_size)
    assert before is not None
    assert model(known).hidden.tolist() == before.tolist()
    model.save_pretrained(tmp_path / "grown")
    again = graft.Model.from_pretrained(tmp_path / "grown")
    new = graft.Batch.from_sequences([tokenizer("a zebra").ids])
    assert again(new).hidden.tolist() == model(new).hidden.tolist()
    assert again.config.vocab_size == tokenizer.vocab_size
    with pytest.raises(ModelError, match="vocabulary of 0 tokens"):
        model.resize_vocabulary(0)
