"""The engine's parts, put together as a `tokenizer.json` says."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from graft.errors import ModelError
from graft.text import _engine
from graft.text.spec import kind_of, optional, setting

T = TypeVar("T")
Part = Mapping[str, Any]

_NORMALIZERS: dict[str, Callable[[Part], _engine.Normalizer]] = {
    "NFC": lambda _: _engine.NFC(),
    "NFD": lambda _: _engine.NFD(),
    "NFKC": lambda _: _engine.NFKC(),
    "NFKD": lambda _: _engine.NFKD(),
    "Lowercase": lambda _: _engine.Lowercase(),
    "StripAccents": lambda _: _engine.StripAccents(),
    "ByteLevel": lambda _: _engine.ByteLevelNormalizer(),
    "BertNormalizer": lambda part: _engine.BertNormalizer(
        clean_text=setting(part, "clean_text", bool, True),
        handle_chinese_chars=setting(part, "handle_chinese_chars", bool, True),
        strip_accents=optional(part, "strip_accents", bool),
        lowercase=setting(part, "lowercase", bool, True),
    ),
    "Precompiled": lambda part: _charsmap(
        base64.b64decode(setting(part, "precompiled_charsmap", str)), part
    ),
    "Replace": lambda part: _engine.Replace(*_pattern(part), content=setting(part, "content", str)),
    "Prepend": lambda part: _engine.Prepend(setting(part, "prepend", str)),
    "Strip": lambda part: _engine.Strip(
        left=setting(part, "strip_left", bool, True),
        right=setting(part, "strip_right", bool, True),
    ),
    "Sequence": lambda part: _engine.NormalizerSequence(
        [normalizer(inner) for inner in setting(part, "normalizers", list)]
    ),
}

_PRE_TOKENIZERS: dict[str, Callable[[Part], _engine.PreTokenizer]] = {
    "BertPreTokenizer": lambda _: _engine.BertPreTokenizer(),
    "Whitespace": lambda _: _engine.Whitespace(),
    "WhitespaceSplit": lambda _: _engine.WhitespaceSplit(),
    "ByteLevel": lambda part: _engine.ByteLevelPreTokenizer(
        add_prefix_space=setting(part, "add_prefix_space", bool, True),
        use_regex=setting(part, "use_regex", bool, True),
    ),
    "Metaspace": lambda part: _engine.Metaspace(
        replacement=_character(part, "replacement", "\u2581"),
        prepend_scheme=_prepend_scheme(part),
        split=setting(part, "split", bool, True),
    ),
    "Digits": lambda part: _engine.Digits(
        individual_digits=setting(part, "individual_digits", bool, False)
    ),
    "Punctuation": lambda part: _engine.Punctuation(
        behavior=setting(part, "behavior", str, "Isolated")
    ),
    "CharDelimiterSplit": lambda part: _engine.CharDelimiterSplit(
        delimiter=_character(part, "delimiter")
    ),
    "Split": lambda part: _split(*_pattern(part), part),
    "Sequence": lambda part: _engine.PreTokenizerSequence(
        [pre_tokenizer(inner) for inner in setting(part, "pretokenizers", list)]
    ),
}


def normalizer(part: Part) -> _engine.Normalizer:
    """The normalizer that a `tokenizer.json` describes.

    Raises:
        ModelError: A kind that Graft does not have, or with settings that make no sense.
    """
    return _make(_NORMALIZERS, part, "normalizer")


def pre_tokenizer(part: Part) -> _engine.PreTokenizer:
    """The pre-tokenizer that a `tokenizer.json` describes; raises as `normalizer` does."""
    return _make(_PRE_TOKENIZERS, part, "pre-tokenizer")


def model(part: Part, *, byte_level: bool) -> _engine.Model:
    """The model that a `tokenizer.json` describes; raises as `normalizer` does.

    Args:
        part: The description.
        byte_level: Whether words are bytes, which the vocabulary spells in visible characters.
    """
    kinds: dict[str, Callable[[Part], _engine.Model]] = {
        "WordPiece": lambda part: _engine.WordPiece(
            setting(part, "vocab", dict),
            unk_token=setting(part, "unk_token", str, "[UNK]"),
            continuing_subword_prefix=setting(part, "continuing_subword_prefix", str, "##"),
            max_input_chars_per_word=setting(part, "max_input_chars_per_word", int, 100),
        ),
        "BPE": lambda part: _engine.BPE(
            setting(part, "vocab", dict),
            [_merge(*each) for each in enumerate(setting(part, "merges", list))],
            unk_token=optional(part, "unk_token", str),
            continuing_subword_prefix=optional(part, "continuing_subword_prefix", str),
            end_of_word_suffix=optional(part, "end_of_word_suffix", str),
            fuse_unk=setting(part, "fuse_unk", bool, False),
            byte_fallback=setting(part, "byte_fallback", bool, False),
            ignore_merges=setting(part, "ignore_merges", bool, False),
            byte_level=byte_level,
            dropout=part.get("dropout"),
            ranks=part.get("ranks"),
        ),
        "Unigram": lambda part: _engine.Unigram(
            _pieces(part),
            unk_id=optional(part, "unk_id", int),
            byte_fallback=setting(part, "byte_fallback", bool, False),
            single_precision=setting(part, "single_precision", bool, False),
        ),
    }
    kind = model_kind(part)
    if byte_level and kind != "BPE":
        raise ModelError(
            f"The pre-tokenizer ByteLevel with a model {kind} is not something Graft can read; "
            "it reads ByteLevel with BPE."
        )
    return _make(kinds, {**part, "type": kind}, "model")


def model_kind(part: Part) -> str:
    """The model's kind; older files leave it to be seen from the settings."""
    signs = {"merges": "BPE", "unk_id": "Unigram", "max_input_chars_per_word": "WordPiece"}
    seen = next((kind for sign, kind in signs.items() if sign in part), "without a type")
    return str(part.get("type") or seen)


def kinds(part: Part | None, inner: str) -> list[str]:
    """The types of a part and of all parts in it; `inner` is where a Sequence keeps them."""
    if part is None:
        return []
    found = [str(part.get("type"))]
    for other in part.get(inner, ()):
        found += kinds(other, inner)
    return found


def _make(table: Mapping[str, Callable[[Part], T]], part: Part, what: str) -> T:
    kind = kind_of(part, what, sorted(table))
    try:
        return table[kind](part)
    except KeyError as error:
        raise ModelError(f"The {what} {kind} has no {error}.") from error
    except ValueError as error:
        raise ModelError(f"The {what} {kind} cannot be used: {error}") from error
    except TypeError as error:  # the engine's, which tell its own signatures
        raise ModelError(
            f"The {what} {kind} cannot be used: a number in its settings is out of range, or "
            "something is no number."
        ) from error


def _pattern(part: Part) -> tuple[str, bool]:
    """A pattern, and whether it is a regular expression."""
    pattern = part["pattern"]
    if isinstance(pattern, str):
        return pattern, False
    pattern = setting(part, "pattern", dict)
    is_regex = "Regex" in pattern
    return setting(pattern, "Regex" if is_regex else "String", str), is_regex


def _character(part: Part, name: str, *default: str) -> str:
    text = setting(part, name, str, *default)
    if len(text) != 1:
        raise ValueError(f"its {name} is {text!r}, which is not one character")
    return text


def _charsmap(blob: bytes, part: Part) -> _engine.Normalizer:
    """SentencePiece replaces the longest match; the ecosystem's files, whole characters."""
    return _engine.LongestCharsMap(blob) if part.get("longest") else _engine.Precompiled(blob)


def _pieces(part: Part) -> list[tuple[str, float | None]]:
    """A Unigram's pieces; those that no text may spell have no score, and so are never found."""
    vocab = setting(part, "vocab", list)
    special = set(setting(part, "special_ids", list, []))
    for token_id, entry in enumerate(vocab):
        if not isinstance(entry, list) or len(entry) != 2:
            raise ValueError(f"vocab[{token_id}] is {entry!r}, which is not a token and its score")
    return [
        (piece, None if token_id in special else score)
        for token_id, (piece, score) in enumerate(vocab)
    ]


def _split(pattern: str, regex: bool, part: Part) -> _engine.PreTokenizer:
    return _engine.Split(
        pattern,
        behavior=setting(part, "behavior", str),
        invert=setting(part, "invert", bool, False),
        regex=regex,
    )


def _prepend_scheme(part: Part) -> str:
    """Older files say `add_prefix_space` in its place."""
    if "prepend_scheme" in part:
        return setting(part, "prepend_scheme", str)
    return "always" if setting(part, "add_prefix_space", bool, True) else "never"


def _merge(number: int, merge: Any) -> tuple[str, str]:
    """Newer files have pairs, older ones the two tokens with a space between them."""
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if not isinstance(parts, list) or len(parts) != 2:
        raise ValueError(f"merges[{number}] is {merge!r}, which is not two tokens")
    return parts[0], parts[1]
