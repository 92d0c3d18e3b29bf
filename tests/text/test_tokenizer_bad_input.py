"""Tokenizer files that are not what they should be: what users are told of them."""

import base64
import json
import struct
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from graft.errors import ModelError
from tokenizer_files import (
    PARTS,
    Spec,
    added,
    bpe,
    load,
    refusal,
    spec_of,
    unigram,
    with_part,
    wordpiece,
)


class TestVocabularies:
    @pytest.mark.parametrize(
        "spec",
        [
            wordpiece({"[UNK]": 0, "a": 5, "b": 9}),
            wordpiece(json.loads('{"[UNK]": 0, "a": 1, "b": 2, "a": 3}')),
            bpe([["a", "b"], ["a", "b"]]),
        ],
        ids=["ids with holes", "a token twice in JSON: the last counts", "a merge twice"],
    )
    def test_what_the_ecosystem_takes_is_taken(self, tmp_path: Path, spec: Spec) -> None:
        theirs = tokenizers.Tokenizer.from_str(json.dumps(spec))
        assert load(tmp_path, spec)("a b ab").ids == theirs.encode("a b ab").ids

    def test_ids_in_holes_decode_to_nothing(self, tmp_path: Path) -> None:
        tokenizer = load(tmp_path, wordpiece({"[UNK]": 0, "a": 5, "b": 9}))
        assert tokenizer.id_to_token(3) is None
        assert tokenizer.decode([5, 3, 9, 2**40, -1]) == "a b"

    @pytest.mark.parametrize(
        ("vocab", "said"),
        [
            ({"[UNK]": 0, "a": 1, "b": 1}, "same id"),
            ({"[UNK]": 0, "a": -1}, "'a' has a negative id, -1"),
            ({"[UNK]": 0, "a": 2**24}, "'a' has id 16777216, which is higher than 16777215"),
            ({"[UNK]": 0, "a": 10**30}, "'a' has id .*, which is higher than 16777215"),
            ({"[UNK]": 0, "a": 1.5}, r"vocab\[1\] is not an integer"),
            ({"[UNK]": 0, "a": "1"}, r"vocab\[1\] is not an integer"),
            ({"[UNK]": 0, "": 1}, "the token of id 1 is empty"),
            ({"[UNK]": 0, "\ud800": 1}, r"vocab\[1\] has half of a UTF-16 pair"),
            ({"a": 0}, r"unk_token '\[UNK\]' is not in the vocabulary"),
            ({}, "the vocabulary is empty"),
        ],
    )
    def test_of_wordpiece(self, tmp_path: Path, vocab: dict[str, Any], said: str) -> None:
        with pytest.raises(ModelError, match=said):
            load(tmp_path, wordpiece(vocab))

    @pytest.mark.parametrize(
        ("vocab", "unk_id", "said"),
        [
            ([["<unk>", 0], ["a", -1], ["a", -2]], 0, "'a' has two ids, 1 and 2"),
            ([["<unk>", 0], ["a", "x"]], 0, r"vocab\[1\] is not a number"),
            ([["<unk>", 0], ["a", -1]], 5, "unk_id is 5, but there are 2 tokens"),
            ([["<unk>", 0], ["a", -1]], -1, "unk_id is -1, but there are 2 tokens"),
        ],
    )
    def test_of_unigram(self, tmp_path: Path, vocab: Any, unk_id: int, said: str) -> None:
        with pytest.raises(ModelError, match=said):
            load(tmp_path, unigram(vocab, unk_id))

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("[UNK]\nrain\n\nsun", r"vocab\.txt, line 3 is empty; each line holds one token"),
            ("[UNK]\nrain\nrain", r"vocab\.txt, line 3: the token 'rain' stands in line 2 already"),
            ("", r"vocab\.txt, line 1 is empty"),
            (b"[UNK]\nra\xffin", r"vocab\.txt is not UTF-8 text: byte 8"),
        ],
    )
    def test_of_lines(self, tmp_path: Path, lines: str | bytes, said: str) -> None:
        with pytest.raises(ModelError, match=said):
            load(tmp_path, lines, "vocab.txt")

    @pytest.mark.parametrize("vocab", ["{", "", "[1]", '"text"', b"\xff", "[" * 200_000])
    def test_a_vocab_json_that_is_no_object(self, tmp_path: Path, vocab: str | bytes) -> None:
        (tmp_path / "merges.txt").write_text("#version: 0.2\n")
        assert "vocab.json" in refusal(tmp_path, vocab, "vocab.json")


class TestMerges:
    @pytest.mark.parametrize(
        ("merges", "said"),
        [
            ([["a", "z"]], r"merges\[0\] \('a' and 'z'\) needs 'z', which is no token"),
            ([["b", "a"]], r"merges\[0\] \('b' and 'a'\) needs 'ba', which is no token"),
            (["a b c"], r"merges\[0\] is 'a b c', which is not two tokens"),
            (["ab"], r"merges\[0\] is 'ab', which is not two tokens"),
            ([["a", "b"], ["a"]], r"merges\[1\] is \['a'\], which is not two tokens"),
            ([["a", 1]], r"merges\[0\] is not a string"),
        ],
    )
    def test_of_json(self, tmp_path: Path, merges: Any, said: str) -> None:
        with pytest.raises(ModelError, match=said):
            load(tmp_path, bpe(merges))

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"unk_token": "<unk>"}, "unk_token '<unk>' is not in the vocabulary"),
            ({"dropout": 0.1}, "dropout is not supported"),
        ],
    )
    def test_settings(self, tmp_path: Path, settings: dict[str, Any], said: str) -> None:
        with pytest.raises(ModelError, match=said):
            load(tmp_path, bpe([["a", "b"]], **settings))

    @pytest.mark.parametrize(
        ("lines", "said"),
        [
            ("#version: 0.2\na b\na b c\n", r"merges\.txt.*'a b c' is not two tokens"),
            ("a\n", r"merges\.txt.*'a' is not two tokens"),
            ("a z\n", "needs 'z', which is no token"),
            (b"a \xff\n", r"merges\.txt is not UTF-8 text: byte 2"),
        ],
    )
    def test_of_lines(self, tmp_path: Path, lines: str | bytes, said: str) -> None:
        (tmp_path / "vocab.json").write_text('{"a": 0, "b": 1, "ab": 2}')
        with pytest.raises(ModelError, match=said):
            load(tmp_path, lines, "merges.txt")


class TestParts:
    @pytest.mark.parametrize("name", PARTS)
    def test_a_kind_that_graft_does_not_have(self, tmp_path: Path, name: str) -> None:
        unknown = {"type": "Shuffle"}
        nested = {"type": "Sequence", PARTS[name]: [unknown]}
        for part in (unknown, nested):
            said = refusal(tmp_path, with_part(name, part))
            assert f"Graft has no {name.replace('_', '-')} 'Shuffle'. It has: " in said
            assert "Sequence" in said or name == "post_processor"

    def test_a_model_that_graft_does_not_have(self, tmp_path: Path) -> None:
        said = refusal(tmp_path, spec_of({"type": "WordLevel", "vocab": {"a": 0}}))
        assert "Graft has no model 'WordLevel'. It has: BPE, Unigram, WordPiece." in said

    @pytest.mark.parametrize("name", PARTS)
    @pytest.mark.parametrize("wrong", ["NFC", [1], 3])
    def test_what_describes_no_part(self, tmp_path: Path, name: str, wrong: Any) -> None:
        assert "damaged" in refusal(tmp_path, with_part(name, wrong))

    @pytest.mark.parametrize("name", ["normalizer", "pre_tokenizer", "decoder"])
    def test_a_setting_that_is_missing(self, tmp_path: Path, name: str) -> None:
        said = refusal(tmp_path, with_part(name, {"type": "Sequence"}))
        assert f"{name.replace('_', '-')} Sequence has no '{PARTS[name]}'" in said

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("normalizer", {"type": "Replace", "content": ""}),
            ("pre_tokenizer", {"type": "Split", "behavior": "Isolated"}),
        ],
    )
    @pytest.mark.parametrize("regex", [r"(a|b)\1", "[", "x{2,1}y*"])
    def test_a_regex_that_graft_does_not_know(
        self, tmp_path: Path, name: str, part: dict[str, Any], regex: str
    ) -> None:
        said = refusal(tmp_path, with_part(name, {**part, "pattern": {"Regex": regex}}))
        assert f'the regular expression "{regex}"' in said
        assert f"{part['type']} cannot be used" in said

    @pytest.mark.parametrize(
        ("blob", "said"),
        [
            ("AAA", "padding"),
            ("AAAAAAAA", "precompiled_charsmap is damaged: it has 6 bytes"),
            (base64.b64encode(struct.pack("<II", 400, 0)).decode(), "its trie is to have 400"),
            (base64.b64encode(struct.pack("<II", 4, 2**31)).decode(), "points to unit"),
        ],
    )
    def test_a_map_of_characters_that_is_damaged(
        self, tmp_path: Path, blob: str, said: str
    ) -> None:
        part = {"type": "Precompiled", "precompiled_charsmap": blob}
        assert said in refusal(tmp_path, with_part("normalizer", part))

    @pytest.mark.parametrize(
        ("part", "said"),
        [
            ({"type": "Split", "pattern": "a", "behavior": "Sideways"}, '"Sideways": there are'),
            ({"type": "Metaspace", "prepend_scheme": "often"}, '"often": there are always'),
            ({"type": "Metaspace", "replacement": "ab"}, "Metaspace cannot be used"),
            ({"type": "Digits", "individual_digits": "yes"}, "Digits cannot be used"),
        ],
    )
    def test_settings_that_make_no_sense(
        self, tmp_path: Path, part: dict[str, Any], said: str
    ) -> None:
        assert said in refusal(tmp_path, with_part("pre_tokenizer", part))

    def test_a_template_of_a_token_that_is_not_described(self, tmp_path: Path) -> None:
        items = [{"SpecialToken": {"id": "[X]", "type_id": 0}}]
        template = {"single": items, "pair": items, "special_tokens": {}}
        part = {"type": "TemplateProcessing", **template}
        assert "template names '[X]'" in refusal(tmp_path, with_part("post_processor", part))


def template(single: Any, pair: Any = ()) -> dict[str, Any]:
    special = {"[X]": {"id": "[X]", "ids": [1], "tokens": ["[X]"]}}
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": list(pair),
        "special_tokens": special,
    }


def text_item(name: str, type_id: Any = 0) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


class TestPostProcessors:
    @pytest.mark.parametrize(
        ("part", "said"),
        [
            (template([text_item("A")] * 2), "its single names a text twice"),
            (
                template([text_item("A")], [text_item("A"), text_item("B"), text_item("A")]),
                "its pair names a text twice",
            ),
            (template([text_item("B")]), "its single names the text 'B', but there is A"),
            (template([text_item("C")]), "its single names the text 'C', but there is A"),
            (template([3]), r"its single[0] is neither a Sequence nor a SpecialToken"),
            (template([text_item("A", 2**31)]), r"its single[0] has the type_id 2147483648"),
            (template([text_item("A", "0")]), "its type_id is a string, not a whole number"),
            (template(None), "its single is null, not a list"),
            ({"type": "Sequence"}, "The post-processor Sequence cannot be used: it has no"),
            ({"type": "BertProcessing", "sep": ["x", 0]}, "it has no 'cls'"),
            ({"type": "BertProcessing", "sep": 3, "cls": 4}, "its cls is a whole number"),
            ({"type": "ByteLevel", "trim_offsets": 1}, "its trim_offsets is a whole number"),
            (
                {"type": "Shuffle"},
                "It has: BertProcessing, ByteLevel, RobertaProcessing, Sequence, Template",
            ),
        ],
    )
    def test_what_makes_no_sense(self, tmp_path: Path, part: Any, said: str) -> None:
        assert said in refusal(tmp_path, with_part("post_processor", part))


class TestFilesOfOtherShape:
    @pytest.mark.parametrize("name", PARTS)
    def test_an_empty_part_is_none(self, tmp_path: Path, name: str) -> None:
        """The ecosystem refuses it as well."""
        spec = with_part(name, {})
        with pytest.raises(Exception, match="did not match"):
            tokenizers.Tokenizer.from_str(json.dumps(spec))
        assert f"A {name.replace('_', '-')} has no type" in refusal(tmp_path, spec)

    @pytest.mark.parametrize(
        ("spec", "said"),
        [
            ({"version": "1.0"}, "tokenizer.json is damaged: it has no 'model'. Fetch it again"),
            (spec_of([]), "its model is a list, not an object"),
            (wordpiece([["a", 0]]), "its vocab is a list, not an object"),
            (unigram({"a": 0}), "its vocab is an object, not a list"),
            (with_part("normalizer", []), "its normalizer is a list, not an object"),
            (with_part("normalizer", {"type": "Sequence", "normalizers": [None]}), "is null"),
            (with_part("decoder", {"type": "Strip", "content": 3}), "its content is a whole"),
            (added(content=None), "added_tokens[0] has no 'content'"),
            (added(special="yes"), "its special is a string, not true or false"),
            (wordpiece({"[UNK]": 0}, added_tokens=[3]), "added_tokens[0] is a whole number"),
        ],
    )
    def test_what_is_wrong_is_told(self, tmp_path: Path, spec: Spec, said: str) -> None:
        assert said in refusal(tmp_path, spec)

    @pytest.mark.parametrize("token_id", [1, 3, 9])
    def test_added_tokens_go_on_from_the_vocabulary(self, tmp_path: Path, token_id: int) -> None:
        """The ecosystem does not look at the id, so that both would read it differently."""
        assert load(tmp_path, added(id=2)).token_to_id("<x>") == 2
        peer = tokenizers.Tokenizer.from_str(json.dumps(added(id=token_id)))
        assert peer.token_to_id("<x>") == 2
        said = refusal(tmp_path, added(id=token_id))
        assert f"has the id {token_id}, but the next free one is 2" in said

    @pytest.mark.parametrize(
        ("spec", "where"),
        [
            (added(content="a\ud800"), "added_tokens[0].content"),
            (with_part("normalizer", {"type": "Prepend", "prepend": "\ud800"}), "prepend"),
            (with_part("decoder", {"type": "Fuse", "\ud800": 1}), "A name in decoder"),
        ],
    )
    def test_half_of_a_character(self, tmp_path: Path, spec: Spec, where: str) -> None:
        """It could not be saved again."""
        assert f"{where} has half of a UTF-16 pair" in refusal(tmp_path, spec)

    def test_half_of_a_character_in_the_settings(self, tmp_path: Path) -> None:
        (tmp_path / "tokenizer_config.json").write_text(json.dumps({"cls_token": "\ud800"}))
        assert "cls_token has half of" in refusal(tmp_path, wordpiece({"[UNK]": 0}))

    def test_parts_that_stand_too_deep(self, tmp_path: Path) -> None:
        part: dict[str, Any] = {"type": "NFC"}
        for _ in range(300):
            part = {"type": "Sequence", "normalizers": [part]}
        assert "too deep" in refusal(tmp_path, with_part("normalizer", part))

    @pytest.mark.parametrize("content", ["[1]", '"text"', "3", "null"])
    def test_json_that_is_no_object(self, tmp_path: Path, content: str) -> None:
        assert "tokenizer.json holds" in refusal(tmp_path, content)

    @pytest.mark.parametrize("content", ["", "{", '{"a": }', b'{"a": "\xff"}', "[" * 200_000])
    def test_what_is_no_json(self, tmp_path: Path, content: str | bytes) -> None:
        assert "tokenizer.json" in (said := refusal(tmp_path, content))
        assert "Fetch it again" in said or "JSON" in said

    @pytest.mark.parametrize(
        "spec",
        [
            {},
            {"version": "1.0"},
            spec_of(None),
            spec_of([]),
            spec_of({}),
            spec_of({"type": "BPE"}),
            wordpiece("text"),
            wordpiece([["a", 1, 2]]),
            unigram([["<unk>", 0, 1]]),
            unigram([["<unk>"]]),
            bpe([3]),
            bpe(3),
        ],
        ids=lambda spec: json.dumps(spec.get("model", "no model"))[:60],
    )
    def test_models_without_what_they_need(self, tmp_path: Path, spec: Spec) -> None:
        refusal(tmp_path, spec)

    @pytest.mark.parametrize(
        "spec",
        [
            added(content=""),
            added(content=None),
            added(content=3),
            added(id=-2),
            added(id=2**40),
            added(id="2"),
            wordpiece({"[UNK]": 0}, added_tokens=["<x>"]),
            wordpiece({"[UNK]": 0}, added_tokens={"<x>": 1}),
        ],
        ids=lambda spec: json.dumps(spec["added_tokens"])[:40],
    )
    def test_added_tokens_that_are_none(self, tmp_path: Path, spec: Spec) -> None:
        refusal(tmp_path, spec)

    @pytest.mark.parametrize(
        "part",
        [
            {"type": "BertProcessing", "sep": ["[SEP]", 102], "cls": ["[CLS]", 101]},
            {
                "type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "[X]", "type_id": 0}}],
                "pair": [],
                "special_tokens": {"[X]": {"id": "[X]", "ids": [77], "tokens": ["[X]"]}},
            },
        ],
        ids=lambda part: part["type"],
    )
    def test_special_tokens_with_an_id_that_no_token_has(
        self, tmp_path: Path, part: dict[str, Any]
    ) -> None:
        """A model has no row for such an id."""
        assert "post-processor" in refusal(tmp_path, with_part("post_processor", part))
