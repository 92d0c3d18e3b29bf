"""Tokenizers of one file, for tests of files that are not what they should be."""

import json
from pathlib import Path
from typing import Any

import pytest

import graft
from graft.errors import ModelError

Spec = dict[str, Any]
PARTS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}


def spec_of(model: Any, **parts: Any) -> Spec:
    empty = dict.fromkeys(["truncation", "padding", *PARTS])
    space = {"pre_tokenizer": {"type": "WhitespaceSplit"}}
    return {"version": "1.0", "added_tokens": [], **empty, **space, **parts, "model": model}


def wordpiece(vocab: Any, **parts: Any) -> Spec:
    settings = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
    model = {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab}
    return spec_of({**model, **settings}, **parts)


def bpe(merges: Any, **settings: Any) -> Spec:
    vocab = {"a": 0, "b": 1, "ab": 2, "c": 3}
    return spec_of({"type": "BPE", "vocab": vocab, "merges": merges, **settings})


def unigram(vocab: Any, unk_id: Any = 0) -> Spec:
    return spec_of({"type": "Unigram", "unk_id": unk_id, "vocab": vocab})


def with_part(name: str, part: Any) -> Spec:
    return wordpiece({"[UNK]": 0, "a": 1}, **{name: part})


def added(**changes: Any) -> Spec:
    flags = dict.fromkeys(["single_word", "lstrip", "rstrip", "normalized"], False)
    token = {"id": 2, "content": "<x>", "special": True, **flags, **changes}
    kept = {key: value for key, value in token.items() if value is not None}
    return wordpiece({"[UNK]": 0, "a": 1}, added_tokens=[kept])


def load(folder: Path, content: Any, name: str = "tokenizer.json") -> graft.Tokenizer:
    """A tokenizer of one file: of bytes, text, or what is written as JSON."""
    data = content if isinstance(content, bytes | str) else json.dumps(content)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return graft.Tokenizer.from_pretrained(folder)


def refusal(folder: Path, content: Any, name: str = "tokenizer.json") -> str:
    """What is said of such a file: a ModelError that names its folder or itself."""
    with pytest.raises(ModelError) as caught:
        load(folder, content, name)
    assert str(folder) in str(caught.value)
    return str(caught.value)
