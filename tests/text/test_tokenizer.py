"""Text to token ids and back, and what happens when the files are not what they should be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

import graft
from full_disk import full_disk
from graft.errors import DataError, HubError, ModelError
from graft.text.encoding import TokenBatch
from small import VOCABULARY, write_vocabulary

WORDS = st.lists(st.sampled_from(["the", "rain", "sun", "oh"]), max_size=14).map(" ".join)


@pytest.fixture(scope="module")
def tokenizer(base: Path) -> graft.Tokenizer:
    return graft.Tokenizer.from_pretrained(base)


@pytest.fixture(scope="module")
def oracle(tokenizer: graft.Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The library's own tokenizer, of the same files."""
    folder = tmp_path_factory.mktemp("oracle")
    tokenizer.save_pretrained(folder)
    return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))


def spelled(tokenizer: graft.Tokenizer, ids: np.ndarray) -> list[str | None]:
    return [tokenizer.id_to_token(int(token)) for token in ids]


class TestOneText:
    def test_everything_about_its_tokens(self, tokenizer: graft.Tokenizer) -> None:
        found = tokenizer("The RAIN, oh")
        assert found.tokens == ["[CLS]", "the", "rain", ",", "o", "##h", "[SEP]"]
        assert found.ids == [VOCABULARY.index(token) for token in found.tokens]
        assert found.spans == [(0, 0), (0, 3), (4, 8), (8, 9), (10, 11), (11, 12), (0, 0)]
        assert found.words == [None, 0, 1, 2, 3, 3, None]
        assert found.special == [True, *[False] * 5, True]
        assert set(found.type_ids) == {0}
        assert len(found) == 7

    def test_a_pair_has_two_segments(self, tokenizer: graft.Tokenizer) -> None:
        found = tokenizer("the rain", "a ball")
        assert found.tokens == ["[CLS]", "the", "rain", "[SEP]", "a", "ball", "[SEP]"]
        assert found.type_ids == [0, 0, 0, 0, 1, 1, 1]

    def test_ids_become_text_again(self, tokenizer: graft.Tokenizer) -> None:
        ids = tokenizer("we saw the storm").ids
        assert tokenizer.decode(ids) == "we saw the storm"
        assert tokenizer.decode(ids, skip_special=False) == "[CLS] we saw the storm [SEP]"

    def test_the_vocabulary(self, tokenizer: graft.Tokenizer) -> None:
        assert tokenizer.vocab_size == len(VOCABULARY)
        assert tokenizer.max_length == 64
        assert tokenizer.token_to_id("[SEP]") == VOCABULARY.index("[SEP]")
        assert tokenizer.token_to_id("nonsense") is None
        assert tokenizer.id_to_token(len(VOCABULARY)) is None


class TestManyTexts:
    def test_rows_are_laid_end_to_end(self, tokenizer: graft.Tokenizer) -> None:
        batch = tokenizer.encode_batch(["the rain", "", "a very my storm"])
        assert (batch.ids.dtype, batch.offsets.dtype) == (np.int32, np.int64)
        assert batch.offsets.tolist() == [0, 4, 6, 12]
        assert spelled(tokenizer, batch[0]) == ["[CLS]", "the", "rain", "[SEP]"]
        assert spelled(tokenizer, batch[1]) == ["[CLS]", "[SEP]"]
        assert batch[-1].tolist() == list(batch)[2].tolist()
        assert batch.truncated == 0

    def test_a_row_that_is_not_there(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(IndexError, match="row 1 of a batch of 1 rows"):
            tokenizer.encode_batch(["rain"])[1]

    def test_no_texts_are_no_rows(self, tokenizer: graft.Tokenizer) -> None:
        batch = tokenizer.encode_batch([])
        assert len(batch) == 0
        assert batch.offsets.tolist() == [0]

    def test_arrow_columns_are_read_as_they_are(self, tokenizer: graft.Tokenizer) -> None:
        texts = ["the rain", "a ball", "we run"]
        listed = tokenizer.encode_batch(texts)
        for column in (pa.array(texts), pa.chunked_array([texts[:1], texts[1:]])):
            assert tokenizer.encode_batch(column).ids.tolist() == listed.ids.tolist()

    def test_long_rows_are_cut_and_counted(self, tokenizer: graft.Tokenizer) -> None:
        batch = tokenizer.encode_batch(["we saw the rain", "rain"], max_length=4)
        assert spelled(tokenizer, batch[0]) == ["[CLS]", "we", "saw", "[SEP]"]
        assert batch.lengths.tolist() == [4, 3]
        assert batch.truncated == 1
        assert tokenizer.encode_batch(["we saw the rain"]).lengths.tolist() == [6]

    def test_of_a_pair_the_longer_text_is_cut(self, tokenizer: graft.Tokenizer) -> None:
        batch = tokenizer.encode_batch(["we saw the rain"], ["a ball"], max_length=7)
        tokens = ["[CLS]", "we", "saw", "[SEP]", "a", "ball", "[SEP]"]
        assert spelled(tokenizer, batch[0]) == tokens
        assert batch.type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1]

    @given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), st.integers(4, 14))
    @settings(max_examples=100)
    def test_rows_are_cut_as_the_ecosystem_cuts_them(
        self, oracle: tokenizers.Tokenizer, tokenizer: graft.Tokenizer, rows: Any, length: int
    ) -> None:
        oracle.enable_truncation(length)
        first, second = [row[0] for row in rows], [row[1] for row in rows]
        for inputs, batch in (
            (rows, tokenizer.encode_batch(first, second, max_length=length)),
            (first, tokenizer.encode_batch(first, max_length=length)),
        ):
            expected = oracle.encode_batch(inputs)
            assert [row.tolist() for row in batch] == [one.ids for one in expected]
            assert batch.type_ids.tolist() == [kind for one in expected for kind in one.type_ids]
            assert batch.truncated == sum(bool(one.overflowing) for one in expected)

    def test_long_pairs_cost_no_more_than_their_tokens(self, tokenizer: graft.Tokenizer) -> None:
        """Of every window of one text with every window of the other there are millions."""
        text = "rain " * 20_000
        batch = tokenizer.encode_batch([text], [text], max_length=5)
        assert spelled(tokenizer, batch[0]) == ["[CLS]", "rain", "[SEP]", "rain", "[SEP]"]

    @pytest.mark.parametrize(("pairs", "length"), [(None, 2), (["sun"], 3), (None, 0), (None, -1)])
    def test_a_length_without_room_for_text(
        self, tokenizer: graft.Tokenizer, pairs: list[str] | None, length: int
    ) -> None:
        with pytest.raises(DataError, match=rf"max_length is {length}, but .* or more"):
            tokenizer.encode_batch(["rain"], pairs, max_length=length)

    def test_texts_and_pairs_must_be_as_many(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match="2 texts, but 1 second texts"):
            tokenizer.encode_batch(["rain", "sun"], ["ball"])

    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), max_size=8))
    @settings(max_examples=50)
    def test_a_batch_holds_what_each_text_gives_alone(
        self, tokenizer: graft.Tokenizer, texts: list[str]
    ) -> None:
        batch = tokenizer.encode_batch(texts)
        assert [row.tolist() for row in batch] == [tokenizer(text).ids for text in texts]

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=9), st.data())
    def test_the_positions_of_rows(self, lengths: list[int], data: st.DataObject) -> None:
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        ids = np.arange(offsets[-1], dtype=np.int32)
        batch = TokenBatch(ids, offsets, np.zeros_like(ids))
        rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6))
        expected = [token for row in rows for token in batch[row].tolist()]
        assert batch.positions_of(np.array(rows, np.int64)).tolist() == expected


class TestFiles:
    def test_what_is_saved_loads_the_same(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        tokenizer.save_pretrained(tmp_path / "saved")
        again = graft.Tokenizer.from_pretrained(tmp_path / "saved")
        text = "Rain, sun? unknowable"
        assert again(text) == tokenizer(text)
        assert again.max_length == tokenizer.max_length
        assert {path.name for path in (tmp_path / "saved").iterdir()} == {
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json",
        }

    def test_a_full_disk_leaves_nothing(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        with full_disk(100), pytest.raises(OSError, match="File too large"):
            tokenizer.save_pretrained(tmp_path / "saved")
        assert list(tmp_path.iterdir()) == []

    def test_casing_follows_the_settings(self, tmp_path: Path) -> None:
        write_vocabulary(tmp_path)
        (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
        cased = graft.Tokenizer.from_pretrained(tmp_path)
        assert cased("Rain rain").tokens[1:3] == ["[UNK]", "rain"]
        assert cased.max_length is None

    def test_a_folder_without_a_tokenizer(self, tmp_path: Path) -> None:
        with pytest.raises(
            ModelError, match=r"expected tokenizer\.json, vocab\.txt, vocab\.json with"
        ):
            graft.Tokenizer.from_pretrained(tmp_path)

    def test_a_source_that_is_nothing(self, tmp_path: Path) -> None:
        with pytest.raises(HubError, match="neither a folder that exists nor"):
            graft.Tokenizer.from_pretrained(tmp_path / "missing")

    @pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b'{"model": 3}'])
    def test_a_damaged_tokenizer_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "tokenizer.json").write_bytes(content)
        with pytest.raises(
            ModelError, match=r"tokenizer\.json is not valid JSON|tokenizer in .* damaged"
        ):
            graft.Tokenizer.from_pretrained(tmp_path)

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]"])
    def test_damaged_settings_are_named(self, tmp_path: Path, content: bytes) -> None:
        write_vocabulary(tmp_path)
        (tmp_path / "tokenizer_config.json").write_bytes(content)
        with pytest.raises(ModelError, match=r"tokenizer_config\.json"):
            graft.Tokenizer.from_pretrained(tmp_path)

    def test_a_vocabulary_without_its_special_tokens(self, tmp_path: Path) -> None:
        (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\nrain\n")
        with pytest.raises(ModelError, match=r"vocab\.txt lacks .* \[SEP\], \[CLS\], \[MASK\]"):
            graft.Tokenizer.from_pretrained(tmp_path)

    def test_a_vocabulary_that_is_not_utf8(self, tmp_path: Path) -> None:
        (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\xfe\n")
        with pytest.raises(ModelError, match=r"vocab\.txt"):
            graft.Tokenizer.from_pretrained(tmp_path)

    def test_special_tokens_written_as_objects(self, tmp_path: Path) -> None:
        """Some files describe a special token with its options in place of its name."""
        write_vocabulary(tmp_path)
        written = {"cls_token": {"content": "[CLS]", "lstrip": False, "__type": "AddedToken"}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(written))
        assert graft.Tokenizer.from_pretrained(tmp_path)("rain").tokens[0] == "[CLS]"


class TestInputThatIsNoText:
    @pytest.mark.parametrize("wrong", [None, 3, ["a", "b"], b"rain"])
    def test_the_row_is_named(self, tokenizer: graft.Tokenizer, wrong: Any) -> None:
        with pytest.raises(DataError, match=r"^Text 1 is .* not a string"):
            tokenizer.encode_batch(["rain", wrong])
        with pytest.raises(DataError, match=r"^Second text 1 is .* not a string"):
            tokenizer.encode_batch(["rain", "sun"], ["snow", wrong])
        with pytest.raises(DataError, match=r"^The text is .* not a string"):
            tokenizer(wrong)

    def test_a_null_of_arrow(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match="Text 1 is None"):
            tokenizer.encode_batch(pa.array(["rain", None]))

    def test_half_a_character(self, tokenizer: graft.Tokenizer) -> None:
        """Python strings may hold halves of a UTF-16 pair, which are no text."""
        with pytest.raises(DataError, match=r"Text 1 is not valid Unicode: character 5 is .*ud83d"):
            tokenizer.encode_batch(["rain", "rain \ud83d"])

    def test_one_text_where_many_are_expected(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match="not one text: 'rain'"):
            tokenizer.encode_batch("rain")
