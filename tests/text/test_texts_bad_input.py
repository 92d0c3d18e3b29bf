"""Texts that are none, and columns that are damaged: what users are told of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import graft
from graft.errors import DataError


class TestTexts:
    @pytest.mark.parametrize(("kind", "width"), [(pa.string(), 4), (pa.large_string(), 8)])
    def test_fewer_offsets_than_rows(self, base: Path, kind: pa.DataType, width: int) -> None:
        tokenizer = graft.Tokenizer.from_pretrained(base)
        whole = pa.array(["rain", "sun", "snow"], kind)
        _, full, data = whole.buffers()
        for size in (0, 5, width, 3 * width, 4 * width - 1):
            offsets = pa.allocate_buffer(full.size, resizable=True)
            np.frombuffer(offsets, np.uint8)[:] = np.frombuffer(full, np.uint8)
            column = pa.Array.from_buffers(kind, 3, [None, offsets, data])
            offsets.resize(size)  # Arrow looks at what it is given, not at what becomes of it
            for damaged in (column, pa.chunked_array([whole, column])):
                with pytest.raises(DataError, match="column of texts is damaged"):
                    tokenizer.encode_batch(damaged)

    def test_indices_beyond_a_dictionary(self, base: Path) -> None:
        column = pa.DictionaryArray.from_arrays(pa.array([0, 7]), ["rain"], safe=False)
        with pytest.raises(DataError, match="column of texts is damaged"):
            graft.Tokenizer.from_pretrained(base).encode_batch(column)

    def test_the_row_of_a_buffer_is_told(self, base: Path) -> None:
        tokenizer = graft.Tokenizer.from_pretrained(base)
        rows = pa.array([b"rain", b"sun", b"snow \xf0\x9f\x98"], pa.binary())
        column = pa.Array.from_buffers(pa.string(), 3, rows.buffers())
        with pytest.raises(DataError, match=r"Text 2 is not valid UTF-8 at byte 5"):
            tokenizer.encode_batch(column)
        with pytest.raises(DataError, match=r"Second text 2 is not valid UTF-8 at byte 5"):
            tokenizer.encode_batch(["rain"] * 3, column)
        with pytest.raises(DataError, match=r"Texts are of type binary, not strings"):
            tokenizer.encode_batch(rows)
        with pytest.raises(DataError, match="Text 2 is not valid UTF-8"):
            graft.Tokenizer.train(column)

    @pytest.mark.parametrize("offset", [-1, 9, 2**31 - 1])
    def test_offsets_that_lead_elsewhere(self, base: Path, offset: int) -> None:
        """Arrow itself looks at the first and the last one only."""
        offsets = pa.array([0, offset, 6], pa.int32()).buffers()[1]
        column = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(b"rainsu"))
        with pytest.raises(DataError, match="offsets must not fall"):
            graft.Tokenizer.from_pretrained(base).encode_batch(column)

    @pytest.mark.parametrize(
        ("half", "place"), [("\ud800", 0), ("rain \udfff", 5), ("\ud83d\ude00", 0)]
    )
    def test_half_of_a_character_is_named(self, base: Path, half: str, place: int) -> None:
        tokenizer = graft.Tokenizer.from_pretrained(base)
        said = rf"The text is not valid Unicode: character {place} is '\\ud.*read it as UTF-8"
        with pytest.raises(DataError, match=said):
            tokenizer(half)
        with pytest.raises(DataError, match=said.replace("The text", "The second text")):
            tokenizer("rain", half)

    @pytest.mark.parametrize("wrong", [3, b"rain", object()])
    def test_what_is_no_list_of_texts(self, base: Path, wrong: Any) -> None:
        with pytest.raises(DataError):
            graft.Tokenizer.from_pretrained(base).encode_batch(wrong)

    @pytest.mark.parametrize("name", ["max_length", "stride"])
    @pytest.mark.parametrize("wrong", [2**64, -(2**70), "8", 7.5])
    def test_lengths_that_are_none(self, base: Path, name: str, wrong: Any) -> None:
        options: dict[str, Any] = {"max_length": 8, "stride": 2, name: wrong}
        with pytest.raises(DataError, match=name):
            graft.Tokenizer.from_pretrained(base).encode_batch(["rain"], **options)

    def test_there_may_be_nothing(self, base: Path) -> None:
        tokenizer = graft.Tokenizer.from_pretrained(base)
        assert tokenizer.encode_batch(["", ""], add_special_tokens=False).lengths.tolist() == [0, 0]
        batch = tokenizer.encode_batch([], [], max_length=9, spans=True)
        assert (len(batch), batch.ids.size) == (0, 0)
        assert batch.spans is not None
        assert batch.spans.shape == (0, 2)
        assert tokenizer("").tokens == ["[CLS]", "[SEP]"]
