"""Tokens of one's own, and tokens that files declare: found as the ecosystem finds them."""

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

import graft
from graft.errors import DataError, ModelError
from small import write_vocabulary

FLAGS = ("single_word", "lstrip", "rstrip", "normalized")
TOKEN = {"__type": "AddedToken", "normalized": False}
TEXTS = [
    "<user>a zebra",
    "a Zebra, zebras and  zebra  .",
    "rainzebra <USER> <user> the",
    "ZEBRA<user>\t\n<user>",
    "z\u00e9bra z\u00e9bras",
]


@pytest.fixture
def tokenizer(base: Path) -> graft.Tokenizer:
    return graft.Tokenizer.from_pretrained(base)


def equal_to_peer(tokenizer: graft.Tokenizer, folder: Path) -> None:
    """The ecosystem, and Graft itself, load what was saved with equal ids and texts."""
    tokenizer.save_pretrained(folder)
    again = graft.Tokenizer.from_pretrained(folder)
    peer = transformers.PreTrainedTokenizerFast.from_pretrained(folder)
    assert len(peer) == tokenizer.vocab_size == again.vocab_size
    assert peer.get_vocab() == again.vocabulary
    for text in TEXTS:
        ids = peer(text)["input_ids"]
        assert tokenizer(text).ids == again(text).ids == ids, text
        for skip in (True, False):
            expected = peer.decode(ids, skip_special_tokens=skip)
            assert tokenizer.decode(ids, skip_special=skip) == expected


class TestOnesOwn:
    def test_they_are_found_as_a_whole(self, tokenizer: graft.Tokenizer, tmp_path: Path) -> None:
        assert tokenizer.add_tokens(["zebra", "rain", "zebra"]) == 1
        assert tokenizer.add_tokens(["<user>"], special=True) == 1
        assert tokenizer.add_tokens(["<user>"], special=True) == 0
        found = tokenizer("<user>a zebra")
        assert found.tokens == ["[CLS]", "<user>", "a", "zebra", "[SEP]"]
        assert tokenizer.decode(found.ids) == "a zebra"
        equal_to_peer(tokenizer, tmp_path / "saved")

    def test_new_ones_get_ids_in_their_order(self, tokenizer: graft.Tokenizer) -> None:
        size = tokenizer.vocab_size
        assert tokenizer.add_tokens(["zebra", "rain", "okapi", "zebra"]) == 2
        assert list(tokenizer.vocabulary.items())[size:] == [("zebra", size), ("okapi", size + 1)]

    @pytest.mark.parametrize(
        "flags", [{}, *({flag: True} for flag in FLAGS), dict.fromkeys(FLAGS, True)]
    )
    @pytest.mark.parametrize("special", [True, False])
    def test_flags_mean_what_they_mean_elsewhere(
        self, tokenizer: graft.Tokenizer, flags: dict[str, bool], special: bool, tmp_path: Path
    ) -> None:
        # Of special ones that normalization changes, the peer forgets that they are special.
        zebra = "zebra" if special else "Z\u00e9bra"
        tokenizer.add_tokens(["<user>", zebra], special=special, **flags)
        equal_to_peer(tokenizer, tmp_path / "saved")

    @pytest.mark.parametrize("wrong", ["", 3, "half \ud83d"])
    def test_what_cannot_be_a_token(self, tokenizer: graft.Tokenizer, wrong: Any) -> None:
        size = tokenizer.vocab_size
        with pytest.raises(DataError, match=r"cannot be a token|not valid Unicode"):
            tokenizer.add_tokens(["fine", wrong])
        assert tokenizer.vocab_size == size

    def test_one_token_where_many_are_expected(self, tokenizer: graft.Tokenizer) -> None:
        with pytest.raises(DataError, match=r"not one: \['zebra'\]"):
            tokenizer.add_tokens("zebra")


class TestDeclared:
    @pytest.mark.parametrize(
        "config",
        [
            {"pad_token": "<user>", "additional_special_tokens": ["zebra"]},
            {
                "extra_special_tokens": [
                    "zebra",
                    {"content": "<user>", "lstrip": True, "__type": "AddedToken"},
                ]
            },
            {"added_tokens_decoder": {"99": {"content": "zebra", "normalized": True}}},
            {
                "bos_token": {
                    "content": "<user>",
                    "rstrip": True,
                    "normalized": True,
                    "__type": "AddedToken",
                }
            },
            {"eos_token": None, "added_tokens_decoder": {}},
        ],
    )
    def test_settings_may_declare_more_than_the_rules(
        self, tokenizer: graft.Tokenizer, config: dict[str, Any], tmp_path: Path
    ) -> None:
        tokenizer.save_pretrained(tmp_path)
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        (tmp_path / "special_tokens_map.json").unlink()
        equal_to_peer(graft.Tokenizer.from_pretrained(tmp_path), tmp_path / "saved")
        peer = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
        ours = graft.Tokenizer.from_pretrained(tmp_path)
        assert [ours(text).ids for text in TEXTS] == [peer(text)["input_ids"] for text in TEXTS]

    def test_older_files(self, tmp_path: Path) -> None:
        write_vocabulary(tmp_path)
        size = graft.Tokenizer.from_pretrained(tmp_path).vocab_size
        (tmp_path / "added_tokens.json").write_text(json.dumps({"zebra": size}))
        (tmp_path / "special_tokens_map.json").write_text(
            json.dumps({"sep_token": "[SEP]", "additional_special_tokens": ["<user>"]})
        )
        found = graft.Tokenizer.from_pretrained(tmp_path)
        assert found("<user> zebra").ids[1:-1] == [size + 1, size]
        assert found.special_tokens == {"sep_token": "[SEP]"}
        assert found.special_ids == {"sep_token": found.token_to_id("[SEP]")}
        assert found.decode([size, size + 1]) == "zebra"

    @pytest.mark.parametrize("wrong", [[1], {"x": {"content": "a"}}, {"1": "a"}, 3])
    def test_a_table_that_is_none(self, tmp_path: Path, wrong: Any) -> None:
        write_vocabulary(tmp_path)
        settings = json.dumps({"added_tokens_decoder": wrong})
        (tmp_path / "tokenizer_config.json").write_text(settings)
        with pytest.raises(ModelError, match="added_tokens_decoder is not a table"):
            graft.Tokenizer.from_pretrained(tmp_path)


def test_a_sentencepiece_model_reads_its_own_tokens_as_plain_text(tmp_path: Path) -> None:
    """As its own library does; what only the settings have is found."""
    import sentencepiece

    texts = ["the rain in spain, the sun", "a storm and the snow"] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(tmp_path / "spiece"),
        vocab_size=40,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    (tmp_path / "tokenizer_config.json").write_text(
        json.dumps({"eos_token": "</s>", "pad_token": "<padding>"})
    )
    found = graft.Tokenizer.from_pretrained(tmp_path)
    own = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "spiece.model"))
    assert found("the rain</s>").ids == own.encode("the rain</s>")
    assert found("<padding>").tokens == ["<padding>"]


def test_a_token_that_normalizes_to_nothing_changes_nothing(tokenizer: graft.Tokenizer) -> None:
    before = tokenizer.vocabulary
    with pytest.raises(ModelError, match="Nothing is left of the added token"):
        tokenizer.add_tokens(["okapi", "\u0301"])
    assert tokenizer.vocabulary == before
    assert tokenizer.add_tokens(["okapi"]) == 1
