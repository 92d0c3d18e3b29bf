"""The engine's parts, put together as a `tokenizer.json` says."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from graft.errors import ModelError
from graft.text import _engine

T = TypeVar("T")
Part = Mapping[str, Any]
Item = tuple[int, int, int]
"""Of a template: 0 a special token, 1 the first text, 2 the second; the token's id; the type id."""

_SPECIAL, _FIRST, _SECOND = 0, 1, 2
_NORMALIZERS: dict[str, Callable[[Part], _engine.Normalizer]] = {
    "NFC": lambda _: _engine.NFC(),
    "NFD": lambda _: _engine.NFD(),
    "NFKC": lambda _: _engine.NFKC(),
    "NFKD": lambda _: _engine.NFKD(),
    "Lowercase": lambda _: _engine.Lowercase(),
    "StripAccents": lambda _: _engine.StripAccents(),
    "ByteLevel": lambda _: _engine.ByteLevelNormalizer(),
    "BertNormalizer": lambda part: _engine.BertNormalizer(
        clean_text=part.get("clean_text", True),
        handle_chinese_chars=part.get("handle_chinese_chars", True),
        strip_accents=part.get("strip_accents"),
        lowercase=part.get("lowercase", True),
    ),
    "Precompiled": lambda part: _charsmap(base64.b64decode(part["precompiled_charsmap"]), part),
    "Replace": lambda part: _engine.Replace(*_pattern(part), content=part["content"]),
    "Prepend": lambda part: _engine.Prepend(part["prepend"]),
    "Strip": lambda part: _engine.Strip(
        left=part.get("strip_left", True), right=part.get("strip_right", True)
    ),
    "Sequence": lambda part: _engine.NormalizerSequence(
        [normalizer(inner) for inner in part["normalizers"]]
    ),
}

_PRE_TOKENIZERS: dict[str, Callable[[Part], _engine.PreTokenizer]] = {
    "BertPreTokenizer": lambda _: _engine.BertPreTokenizer(),
    "Whitespace": lambda _: _engine.Whitespace(),
    "WhitespaceSplit": lambda _: _engine.WhitespaceSplit(),
    "ByteLevel": lambda part: _engine.ByteLevelPreTokenizer(
        add_prefix_space=part.get("add_prefix_space", True), use_regex=part.get("use_regex", True)
    ),
    "Metaspace": lambda part: _engine.Metaspace(
        replacement=part.get("replacement", "\u2581"),
        prepend_scheme=_prepend_scheme(part),
        split=part.get("split", True),
    ),
    "Digits": lambda part: _engine.Digits(individual_digits=part.get("individual_digits", False)),
    "Punctuation": lambda part: _engine.Punctuation(behavior=_behavior(part, "Isolated")),
    "CharDelimiterSplit": lambda part: _engine.CharDelimiterSplit(delimiter=part["delimiter"]),
    "Split": lambda part: _split(*_pattern(part), part),
    "Sequence": lambda part: _engine.PreTokenizerSequence(
        [pre_tokenizer(inner) for inner in part["pretokenizers"]]
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
            part["vocab"],
            unk_token=part.get("unk_token", "[UNK]"),
            continuing_subword_prefix=part.get("continuing_subword_prefix", "##"),
            max_input_chars_per_word=part.get("max_input_chars_per_word", 100),
        ),
        "BPE": lambda part: _engine.BPE(
            part["vocab"],
            [_merge(number, merge) for number, merge in enumerate(part["merges"])],
            unk_token=part.get("unk_token"),
            continuing_subword_prefix=part.get("continuing_subword_prefix") or None,
            end_of_word_suffix=part.get("end_of_word_suffix") or None,
            fuse_unk=part.get("fuse_unk", False),
            byte_fallback=part.get("byte_fallback", False),
            ignore_merges=part.get("ignore_merges", False),
            byte_level=byte_level,
            dropout=part.get("dropout"),
            ranks=part.get("ranks"),
        ),
        "Unigram": lambda part: _engine.Unigram(
            _pieces(part),
            unk_id=part.get("unk_id"),
            byte_fallback=part.get("byte_fallback", False),
            single_precision=part.get("single_precision", False),
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
    if not part:
        return []
    found = [str(part.get("type"))]
    for other in part.get(inner, ()):
        found += kinds(other, inner)
    return found


def templates(part: Part | None) -> tuple[list[Item], list[Item]]:
    """What a row of one text, and one of two, is made of, by the post-processor.

    Raises:
        ModelError: A kind that Graft does not have, or a special token without an id.
    """
    plain = ([(_FIRST, 0, 0)], [(_FIRST, 0, 0), (_SECOND, 0, 1)])
    kind = str(part.get("type")) if part else "ByteLevel"
    if part is None or kind == "ByteLevel":
        return plain
    if kind == "Sequence":
        found = [templates(inner) for inner in part["processors"]]
        made = [each for each in found if each != plain]
        if len(made) > 1:
            raise ModelError("The post-processor adds special tokens in two places at once.")
        return made[0] if made else plain
    if kind in ("BertProcessing", "RobertaProcessing"):
        return _sentence_templates(part, roberta=kind == "RobertaProcessing")
    if kind == "TemplateProcessing":
        special = part["special_tokens"]
        return _template(part["single"], special), _template(part["pair"], special)
    raise _unknown(kind, "post-processor", ["BertProcessing", "ByteLevel", "RobertaProcessing"])


def trimming(part: Part | None) -> tuple[bool, bool]:
    """Whether spans leave white space out, and whether a space was put before the text."""
    for inner in _flat(part):
        if inner.get("type") in ("ByteLevel", "RobertaProcessing"):
            return bool(inner.get("trim_offsets", True)), bool(inner.get("add_prefix_space", True))
    return False, False


def _flat(part: Part | None) -> list[Part]:
    if not part:
        return []
    return [part, *(found for inner in part.get("processors", ()) for found in _flat(inner))]


def _sentence_templates(part: Part, *, roberta: bool) -> tuple[list[Item], list[Item]]:
    start, end = (_SPECIAL, part["cls"][1], 0), (_SPECIAL, part["sep"][1], 0)
    single = [start, (_FIRST, 0, 0), end]
    if roberta:
        return single, [*single, end, (_SECOND, 0, 0), end]
    return single, [*single, (_SECOND, 0, 1), (_SPECIAL, part["sep"][1], 1)]


def _template(items: list[Part], special: Part) -> list[Item]:
    found: list[Item] = []
    for item in items:
        if "Sequence" in item:
            inner = item["Sequence"]
            kind = _FIRST if inner["id"] == "A" else _SECOND
            found.append((kind, 0, inner["type_id"]))
        else:
            inner = item["SpecialToken"]
            if inner["id"] not in special:
                raise ModelError(
                    f"The post-processor's template names {inner['id']!r}, "
                    "which its special_tokens do not have."
                )
            ids = special[inner["id"]]["ids"]
            found += [(_SPECIAL, token_id, inner["type_id"]) for token_id in ids]
    return found


def _make(table: Mapping[str, Callable[[Part], T]], part: Part, what: str) -> T:
    kind = str(part.get("type"))
    if kind not in table:
        raise _unknown(kind, what, sorted(table))
    try:
        return table[kind](part)
    except KeyError as error:
        raise ModelError(f"The {what} {kind} has no {error}.") from error
    except (TypeError, ValueError) as error:
        raise ModelError(f"The {what} {kind} cannot be used: {error}") from error


def _unknown(kind: str, what: str, known: list[str]) -> ModelError:
    return ModelError(f"Graft has no {what} {kind!r}. It has: {', '.join(known)}.")


def _pattern(part: Part) -> tuple[str, bool]:
    """A pattern, and whether it is a regular expression."""
    pattern = part["pattern"]
    if isinstance(pattern, str):
        return pattern, False
    if "Regex" in pattern:
        return str(pattern["Regex"]), True
    return str(pattern["String"]), False


def _charsmap(blob: bytes, part: Part) -> _engine.Normalizer:
    """SentencePiece replaces the longest match; the ecosystem's files, whole characters."""
    return _engine.LongestCharsMap(blob) if part.get("longest") else _engine.Precompiled(blob)


def _pieces(part: Part) -> list[tuple[str, float | None]]:
    """A Unigram's pieces; those that no text may spell have no score, and so are never found."""
    special = set(part.get("special_ids", ()))
    return [
        (piece, None if token_id in special else score)
        for token_id, (piece, score) in enumerate(part["vocab"])
    ]


def _split(pattern: str, regex: bool, part: Part) -> _engine.PreTokenizer:
    return _engine.Split(
        pattern, behavior=_behavior(part), invert=part.get("invert", False), regex=regex
    )


def _behavior(part: Part, default: str = "") -> str:
    return str(part.get("behavior", default))


def _prepend_scheme(part: Part) -> str:
    """Older files say `add_prefix_space` in its place."""
    if "prepend_scheme" in part:
        return str(part["prepend_scheme"])
    return "always" if part.get("add_prefix_space", True) else "never"


def _merge(number: int, merge: Any) -> tuple[str, str]:
    """Newer files have pairs, older ones the two tokens with a space between them."""
    parts = merge.split(" ") if isinstance(merge, str) else merge
    if len(parts) != 2:
        raise ValueError(f"merge {number} is {merge!r}, which is not two tokens")
    return parts[0], parts[1]
