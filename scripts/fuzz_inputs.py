"""What the fuzz target feeds to the tokenizers: random texts, settings, files, whole and damaged.

Everything comes from the `random.Random` that is given, so that a seed makes it again.
"""

import base64
import json
import struct
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Json = Any

LETTERS = "abcdefghij XYZ,.'!?0123456789\n"
RARE = (
    "\u0000\t\r\u00a0\u00ad\u0130\u00df\u01c5\u0301\u0345\u0600\u0e33\u1100\u1161\u11a8\u200b\u200d"
    "\u2028\u2581\u3000\u6771\uac00\ufb01\ufdfa\ufe0f\ufffd\uffff\U0001f468\U0001f3fd\U00020000"
    "\U000e0041\U0010ffff"
)
WORDS = ["the", "THE", "Don't", "x" * 120, "##ing", "[CLS]", "[MASK]", "<s>", "</s>", "<unk>"]
PATTERNS = [
    " ",
    "",
    " {2,}",
    r"\s+",
    r"\A +",
    "[ \u2581]+\\z",
    "^x+$",
    r"\p{N}{1,3}",
    r"\d",
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(a|b)\1",
    "[",
    "(?P<n>x",
    "x{99999999999999999999}",
]
PATTERN_PIECES = [*"[](){}|*+?^$\\.-,0", r"\s", r"\p{L}", r"\x{", "{1,", "é", "\u2581", " ", "(?!"]
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous", "Split"]


def text(source: Random, longest: int = 60) -> str:
    """Valid Unicode: letters, words, rare characters, any code points."""
    parts: list[str] = []
    for _ in range(source.choice((0, 1, 2, 4, 8))):
        kind = source.randrange(5)
        if kind == 0:
            parts.append(source.choice(WORDS))
        elif kind == 1:
            parts.append("".join(source.choices(RARE, k=source.randint(1, 6))))
        elif kind == 2:
            parts.append(source.choice(LETTERS + RARE) * source.randint(1, longest))
        elif kind == 3:
            codes = (source.randrange(0x110000) for _ in range(4))
            parts.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
        else:
            parts.append("".join(source.choices(LETTERS, k=source.randint(1, longest))))
    return "".join(parts)


def any_bytes(source: Random) -> bytes:
    """Bytes, as often as not valid UTF-8."""
    data = text(source).encode()
    return data if source.random() < 0.5 else damage_bytes(source, data)


def damage_bytes(source: Random, data: bytes) -> bytes:
    """Some bytes changed, taken away, put in or doubled; or the end cut off."""
    made = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 5, 20))):
        at = source.randint(0, len(made))
        kind = source.randrange(5)
        if kind == 0 and made:
            made[at % len(made)] = source.randrange(256)
        elif kind == 1:
            del made[at : at + source.choice((1, 4, 100))]
        elif kind == 2:
            made[at:at] = source.randbytes(source.choice((1, 2, 8)))
        elif kind == 3:
            made[at:at] = made[at : at + source.randint(1, 64)]
        else:
            del made[at + source.randint(0, max(0, len(made) - at)) :]
    return bytes(made)


def number(source: Random) -> int:
    """A whole number: mostly small, sometimes negative or beyond what machines count with."""
    edges = (-1, 0, 1, 2, 2**24, 2**31 - 1, 2**31, 2**32, 2**63, 2**64, -(2**31), -(2**63), 10**30)
    return source.choice(edges) if source.random() < 0.3 else source.randint(0, 12)


def junk(source: Random) -> Json:
    """Any JSON value, mostly a wrong one."""
    return source.choice(
        (
            None,
            True,
            number(source),
            source.choice((0.5, -1e308, float("inf"), float("nan"))),
            text(source, 8),
            "",
            "\ud800",
            [],
            {},
            [number(source)],
            {"type": "Sequence"},
            {"type": text(source, 4)},
            {text(source, 4): None},
        )
    )


def pattern(source: Random) -> Json:
    """A pattern as `tokenizer.json` keeps it: a literal or a regular expression."""
    made = source.choice(PATTERNS)
    if source.random() < 0.4:
        made = "".join(source.choices(PATTERN_PIECES, k=source.randint(1, 6)))
    return source.choice(({"Regex": made}, {"String": made}, made))


def charsmap(source: Random) -> bytes:
    """SentencePiece's map of characters: a double array that mostly leads somewhere; strings."""
    blocks = source.choice((1, 2, 4))
    units = [0]
    for index in range(1, 256 * blocks):
        target = source.choice((0, 0, 256, 512, 768, index, source.randrange(1 << 12)))
        unit = (index & 0xFF) | source.randrange(2) << 8 | target << 10
        units.append(unit if source.random() < 0.7 else source.randrange(1 << 8))
    if source.random() < 0.3:
        units[source.randrange(len(units))] = source.randrange(1 << 32)
    strings = "\0".join(text(source, 4) for _ in range(source.randint(0, 20))).encode()
    blob = struct.pack(f"<I{len(units)}I", 4 * len(units), *units) + strings
    return blob if source.random() < 0.7 else damage_bytes(source, blob)


def normalizer(source: Random, depth: int = 0) -> Json:
    """A normalizer of any kind."""
    simple = ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "ByteLevel"]
    flag = source.choice((True, False, None))
    encoded = base64.b64encode(charsmap(source)).decode()
    kinds: list[Json] = [
        *({"type": name} for name in simple),
        {"type": "BertNormalizer", "strip_accents": flag, "lowercase": bool(flag)},
        {"type": "Precompiled", "precompiled_charsmap": encoded},
        {"type": "Precompiled", "precompiled_charsmap": encoded, "longest": True},
        {"type": "Replace", "pattern": pattern(source), "content": text(source, 3)},
        {"type": "Prepend", "prepend": text(source, 3)},
        {"type": "Strip", "strip_left": bool(flag), "strip_right": flag is None},
    ]
    if depth < 2:
        inner = [normalizer(source, depth + 1) for _ in range(source.randint(0, 4))]
        kinds += [{"type": "Sequence", "normalizers": inner}] * 4
    return source.choice(kinds)


def pre_tokenizer(source: Random, depth: int = 0) -> Json:
    """A pre-tokenizer of any kind."""
    flag = source.random() < 0.5
    behavior = source.choice([*BEHAVIORS[:5], source.choice(BEHAVIORS)])
    delimiter = source.choice([" ", "a", "\u2581", text(source, 2)])
    kinds: list[Json] = [
        *({"type": name} for name in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit")),
        {"type": "Digits", "individual_digits": flag},
        {"type": "Punctuation", "behavior": behavior},
        {"type": "CharDelimiterSplit", "delimiter": delimiter},
        {"type": "Split", "pattern": pattern(source), "behavior": behavior, "invert": flag},
        {"type": "ByteLevel", "add_prefix_space": flag, "use_regex": source.random() < 0.5},
        {
            "type": "Metaspace",
            "replacement": source.choice(["\u2581", "_", delimiter]),
            "prepend_scheme": source.choice(["always", "never", "first", "often"]),
            "split": flag,
        },
    ]
    if depth < 2:
        inner = [pre_tokenizer(source, depth + 1) for _ in range(source.randint(0, 4))]
        kinds += [{"type": "Sequence", "pretokenizers": inner}] * 3
    return source.choice(kinds)


def post_processor(source: Random) -> Json:
    """A post-processor of any kind, with ids that may be none."""
    first, second = number(source), number(source)
    special = {"[CLS]": {"id": "[CLS]", "ids": [first, second], "tokens": ["[CLS]", "x"]}}
    cls = {"SpecialToken": {"id": "[CLS]", "type_id": source.choice((0, 1, number(source)))}}
    one, two = ({"Sequence": {"id": name, "type_id": place}} for place, name in enumerate("AB"))
    trimming = {"trim_offsets": source.random() < 0.5, "add_prefix_space": source.random() < 0.5}
    ends: Json = {"sep": ["[SEP]", first], "cls": ["[CLS]", second]}
    kinds: list[Json] = [
        None,
        {"type": "ByteLevel", **trimming},
        {"type": "BertProcessing", **ends},
        {"type": "RobertaProcessing", **ends, **trimming},
        {
            "type": "TemplateProcessing",
            "single": source.sample([cls, one, cls, two][: source.choice((3, 3, 3, 4))], k=3),
            "pair": source.sample([cls, one, two, cls, one][: source.choice((4, 4, 5))], k=4),
            "special_tokens": special,
        },
    ]
    kinds.append({"type": "Sequence", "processors": source.sample(kinds[1:], k=2)})
    return source.choice(kinds)


def decoder(source: Random) -> Json:
    """A decoder of any kind."""
    simple = ["ByteLevel", "Metaspace", "BPEDecoder", "ByteFallback", "Fuse"]
    kinds: list[Json] = [
        None,
        {"type": "WordPiece", "prefix": source.choice(["##", ""]), "cleanup": True},
        *({"type": name} for name in simple),
        {"type": "Strip", "content": " ", "start": number(source), "stop": number(source)},
        {"type": "Replace", "pattern": pattern(source), "content": "y"},
    ]
    kinds.append({"type": "Sequence", "decoders": source.sample(kinds[1:], k=3)})
    return source.choice(kinds)


def added_token(source: Random) -> Json:
    """An entry of `added_tokens`."""
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    content = source.choice([*WORDS, " ", "\u2581", "a", text(source, 4)])
    return {"id": number(source), "content": content} | {n: source.random() < 0.5 for n in names}


def vocabulary(source: Random) -> dict[str, int]:
    """Tokens with ids that may have holes, occur twice, be negative or huge; now and then ''."""
    tokens = ["[UNK]", "<unk>", *"abcdefghXYZ", "##a", "\u2581", "\u2581a", "ab", "abc", "Ġ", "Ġa"]
    tokens += [f"<0x{byte:02X}>" for byte in source.sample(range(256), k=source.choice((0, 3)))]
    tokens += [text(source, 3) for _ in range(source.randint(0, 6))]
    source.shuffle(tokens)
    vocab = {token: place for place, token in enumerate(tokens[: source.randint(0, len(tokens))])}
    if source.random() < 0.5:
        vocab |= {token: number(source) for token in source.sample(list(vocab), k=len(vocab) // 4)}
    return vocab


def model(source: Random) -> Json:
    """A model of any kind around a random vocabulary."""
    vocab = vocabulary(source)
    tokens = [*vocab, "zzz"]
    merges = [[source.choice(tokens), source.choice(tokens)] for _ in range(source.randint(0, 12))]
    flags = ("fuse_unk", "byte_fallback", "ignore_merges")
    unknown = source.choice([None, "[UNK]", "<unk>", "zzz", ""])
    scored = [[token, source.choice((-1.5, 0, -1e300, number(source)))] for token in vocab]
    return source.choice(
        (
            {"type": "WordPiece", "vocab": vocab, "unk_token": unknown or "[UNK]"}
            | {"max_input_chars_per_word": number(source)},
            {"type": "BPE", "vocab": vocab, "unk_token": unknown}
            | {"merges": source.choice((merges, [" ".join(merge) for merge in merges]))}
            | {flag: source.random() < 0.5 for flag in flags}
            | {"continuing_subword_prefix": source.choice((None, "", "##"))}
            | {"end_of_word_suffix": source.choice((None, "", "</w>"))},
            {"type": "Unigram", "vocab": scored, "unk_id": source.choice((0, 1, number(source)))}
            | {"byte_fallback": source.random() < 0.5, "single_precision": source.random() < 0.5},
        )
    )


def spec(source: Random, bases: list[str]) -> Json:
    """A `tokenizer.json`, of one of `bases` or random, with some parts exchanged."""
    made = json.loads(source.choice(bases))
    makers: dict[str, Callable[[Random], Json]] = {
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": decoder,
        "model": model,
        "added_tokens": lambda source: [added_token(source) for _ in range(source.randint(0, 4))],
    }
    for part, make in makers.items():
        if source.random() < 0.35:
            made[part] = make(source)
    if source.random() < 0.8:
        _number_on(made["added_tokens"], made["model"]["vocab"])
    return made


def _number_on(added: list[Json], vocab: Json) -> None:
    """Gives added tokens the ids that they have to have: the vocabulary's, or the next."""
    ids = {entry if isinstance(entry, str) else entry[0]: i for i, entry in enumerate(vocab)}
    ids |= vocab if isinstance(vocab, dict) else {}
    for token in added:
        token["id"] = ids.setdefault(token["content"], len(ids))


def _places(value: Json) -> Iterator[tuple[Json, Any]]:
    """Where values stand in a JSON value: their holder, and key or index; of long ones, a part."""
    keys = list(value)[:40] if isinstance(value, dict) else range(min(len(value), 40))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def damage_json(source: Random, value: Json) -> Json:
    """Some values exchanged for others, taken away or doubled."""
    for _ in range(source.choice((1, 1, 1, 2, 4))):
        places = list(_places(value))
        if not places:
            break
        holder, key = source.choice(places)
        kind = source.randrange(4)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.append(holder[key])
        elif kind == 2:
            other, name = source.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                holder[key] = json.loads(json.dumps(other[name]))
        else:
            holder[key] = junk(source)
    return value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])


def _field(tag: int, value: bytes | int) -> bytes:
    """A field of a Protocol Buffers message: bytes, or a number."""
    if isinstance(value, int):
        return _varint(tag << 3) + _varint(value)
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def sentencepiece_model(source: Random) -> bytes:
    """A small SentencePiece `.model`, whose settings may make no sense."""
    made = b""
    pieces = [("<unk>", 2), ("<s>", 3), *((token, 1) for token in vocabulary(source))]
    pieces += [(token, source.choice((1, 1, 4, 5, 6, 9))) for token in vocabulary(source)]
    for token, kind in pieces:
        edges = (0.0, 3e38, float("nan"), float("-inf"))
        score = source.choice((*edges, -source.random(), -source.random()))
        content = token.encode() if source.random() < 0.98 else any_bytes(source)
        made += _field(1, _field(1, content) + struct.pack("<Bf", 0x15, score) + _field(3, kind))
    settings = _field(3, source.choice((1, 1, 2, 2, 3, 4, 2**40)))
    settings += _field(24, source.random() < 0.1) + _field(35, source.random() < 0.5)
    rules = _field(3, source.random() < 0.5) + _field(4, source.random() < 0.5)
    if source.random() < 0.5:
        rules += _field(2, charsmap(source))
    return made + _field(2, settings) + _field(3, rules)
