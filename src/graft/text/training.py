"""Learning a vocabulary from texts: WordPiece, BPE, byte-level BPE and Unigram."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, get_args

import pyarrow as pa

from graft.errors import DataError
from graft.text import _engine, assemble
from graft.text.columns import Column, text_column
from graft.text.decoding import byte_of_char
from graft.text.formats import bert_spec
from graft.text.spec import Spec, added_token, new_spec

Kind = Literal["wordpiece", "bpe", "byte-level-bpe", "unigram"]
"""What a tokenizer's model is."""

Progress = Callable[[int, int], None]
"""`(done, total)`, called a few times a second."""

_TEXTS_AT_ONCE = 10_000
_MOST = 2**31 - 1
_SPACE = "\u2581"
_SPECIAL: dict[Kind, tuple[str, ...]] = {
    "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "bpe": ("<unk>", "<s>", "</s>", "<pad>"),
    "byte-level-bpe": ("<|endoftext|>",),
    "unigram": ("<unk>", "<s>", "</s>", "<pad>"),
}


def train_spec(
    texts: Iterable[str] | pa.Array | pa.ChunkedArray,
    kind: Kind,
    *,
    vocab_size: int = 30_000,
    min_frequency: int = 2,
    special_tokens: Sequence[str] | None = None,
    limit_alphabet: int | None = None,
    lowercase: bool = True,
    threads: int = 1,
    progress: Progress | None = None,
) -> Spec:
    """Learns a vocabulary; the same texts give the same one.

    Memory grows with the number of different words, and not with the texts, which are read once.

    Args:
        texts: Any number of strings, or an Arrow column.
        kind: "wordpiece" (BERT), "bpe" (over characters), "byte-level-bpe" (GPT-2), "unigram".
        vocab_size: How many tokens, special tokens included.
        min_frequency: Pairs that occur less often are not joined (not of Unigram).
        special_tokens: In place of the kind's own, which its models expect; they get the first
            ids. `<unk>` or `[UNK]` stands for what is unknown, else the first.
        limit_alphabet: How many different characters to keep, the most frequent ones (of WordPiece
            and BPE over characters).
        lowercase: Whether WordPiece reads lower case, without accents.
        threads: How many count words.
        progress: Called with what is done and how much there is, while it learns.

    Returns:
        The content of a `tokenizer.json`.

    Raises:
        DataError: There are no texts, or one is not valid, or the options contradict each other.
    """
    if kind not in get_args(Kind):
        raise DataError(f"kind is {kind!r}; it may be {', '.join(get_args(Kind))}.")
    special = list(_SPECIAL[kind] if special_tokens is None else special_tokens)
    _check_options(kind, special, special_tokens, limit_alphabet)
    _check_numbers(
        {
            "vocab_size": vocab_size,
            "min_frequency": min_frequency,
            "limit_alphabet": 1 if limit_alphabet is None else limit_alphabet,
        }
    )
    frame = _frame(kind, lowercase)
    counter = _count_words(frame, texts, threads)
    limits: dict[str, Any] = {
        "vocab_size": vocab_size,
        "special_tokens": special,
        "progress": progress,
    }
    if kind != "unigram":
        limits |= {"min_frequency": min_frequency, "limit_alphabet": limit_alphabet}
    try:
        if kind == "wordpiece":
            vocabulary = _ids(_engine.train_wordpiece(counter, **limits))
            made = bert_spec(vocabulary, {"do_lower_case": lowercase})
        elif kind == "unigram":
            made = {**frame, "model": _learn_unigram(counter, limits)}
        else:
            model = _learn_bpe(counter, limits, byte_level=kind == "byte-level-bpe")
            made = {**frame, "model": model}
    except ValueError as error:
        raise DataError(f"No vocabulary can be learned: {error}.") from error
    # Special tokens come first, in their order.
    added = [added_token(token_id, token) for token_id, token in enumerate(special)]
    return {**made, "added_tokens": added}


def special_config(spec: Spec) -> dict[str, str]:
    """What a `tokenizer_config.json` says of the special tokens of a trained tokenizer."""
    names = {
        "[PAD]": "pad",
        "[UNK]": "unk",
        "[CLS]": "cls",
        "[SEP]": "sep",
        "[MASK]": "mask",
        "<unk>": "unk",
        "<s>": "bos",
        "</s>": "eos",
        "<pad>": "pad",
        "<|endoftext|>": "eos",
    }
    contents = [token["content"] for token in spec["added_tokens"]]
    return {f"{names[content]}_token": content for content in contents if content in names}


def _check_options(
    kind: Kind, special: list[str], given: object, limit_alphabet: int | None
) -> None:
    """Says what is wrong before the texts are read, which may take long.

    Raises:
        DataError: The special tokens, or the options of a kind, make no sense.
    """
    if isinstance(given, str) or not all(isinstance(token, str) for token in special):
        raise DataError(f"special_tokens are {given!r}; give a list of strings.")
    if kind == "wordpiece":
        missing = [token for token in _SPECIAL[kind] if token not in special]
        if missing:
            raise DataError(f"special_tokens lack {', '.join(missing)}, which WordPiece needs.")
    if kind in ("bpe", "unigram") and not special:
        raise DataError(f"special_tokens are none, but {kind} needs one for what is unknown.")
    if kind in ("byte-level-bpe", "unigram") and limit_alphabet is not None:
        raise DataError(
            f"limit_alphabet is for wordpiece and bpe: the alphabet of {kind} is "
            + ("every byte." if kind == "byte-level-bpe" else "every character of the texts.")
        )


def _check_numbers(options: dict[str, object]) -> None:
    """Raises DataError where an option is no number of anything, or beyond what ids count."""
    for name, value in options.items():
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
            raise DataError(f"{name} is {value!r}; give a whole number up to {_MOST}.")
    if not options["vocab_size"]:
        raise DataError("vocab_size is 0; give at least as many as there are special tokens.")


def _count_words(
    frame: Spec, texts: Iterable[str] | pa.Array | pa.ChunkedArray, threads: int
) -> _engine.WordCounter:
    """How often the texts have each word, as a normalizer and pre-tokenizer make them.

    Raises:
        DataError: A text is not valid.
    """
    normalizer = frame["normalizer"]
    splitter = _engine.Tokenizer(
        normalizer=assemble.normalizer(normalizer) if normalizer else None,
        pre_tokenizer=assemble.pre_tokenizer(frame["pre_tokenizer"]),
        model=None,
        raw_added=[],
        normalized_added=[],
        single=[],
        pair=[],
    )
    counter = _engine.WordCounter()
    row = 0
    for column in _columns(texts):
        try:
            splitter.count_words(counter, column.data, column.offsets, first=row, threads=threads)
        except ValueError as error:
            raise DataError(f"{error}.") from error
        row += len(column)
    return counter


def _ids(tokens: Iterable[str]) -> dict[str, int]:
    return {token: token_id for token_id, token in enumerate(tokens)}


def _unknown(special: list[str]) -> str:
    """The special token for what is unknown: by its name, else the first."""
    return next((token for token in ("<unk>", "[UNK]") if token in special), special[0])


def _learn_unigram(counter: _engine.WordCounter, limits: dict[str, Any]) -> dict[str, Any]:
    unknown = _unknown(limits["special_tokens"])
    pieces = _engine.train_unigram(counter, unk_token=unknown, **limits)
    unk_id = limits["special_tokens"].index(unknown)
    return {"type": "Unigram", "unk_id": unk_id, "vocab": [list(piece) for piece in pieces]}


def _learn_bpe(
    counter: _engine.WordCounter, limits: dict[str, Any], *, byte_level: bool
) -> dict[str, Any]:
    alphabet = sorted(byte_of_char()) if byte_level else []
    tokens, merges = _engine.train_bpe(
        counter, initial_alphabet=alphabet, byte_level=byte_level, **limits
    )
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": None if byte_level else _unknown(limits["special_tokens"]),
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        "vocab": _ids(tokens),
        "merges": [list(merge) for merge in merges],
    }


def _columns(texts: Iterable[str] | pa.Array | pa.ChunkedArray) -> Iterator[Column]:
    """The texts as columns of a size that is quick to work on."""
    if isinstance(texts, pa.Array):
        texts = pa.chunked_array([texts])
    row = 0
    if isinstance(texts, pa.ChunkedArray):
        for chunk in texts.chunks:
            yield text_column(chunk, "Text", row)
            row += len(chunk)
        return
    if isinstance(texts, str):
        raise DataError(f"Many texts are needed, not one text: {texts[:40]!r}.")
    try:
        source = iter(texts)
    except TypeError:
        kind = type(texts).__name__
        raise DataError(f"Many texts or an Arrow column are needed, not {kind}.") from None
    while rows := list(islice(source, _TEXTS_AT_ONCE)):
        yield text_column(rows, "Text", row)
        row += len(rows)


def _frame(kind: Kind, lowercase: bool) -> Spec:
    """A `tokenizer.json` of a kind, without its model."""
    if kind == "wordpiece":
        normalizer = {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": lowercase,
        }
        return new_spec({}, normalizer=normalizer, pre_tokenizer={"type": "BertPreTokenizer"})
    if kind == "byte-level-bpe":
        part = {
            "type": "ByteLevel",
            "add_prefix_space": False,
            "trim_offsets": True,
            "use_regex": True,
        }
        return new_spec({}, pre_tokenizer=part, post_processor=part, decoder=part)
    space: dict[str, Any] = {
        "type": "Metaspace",
        "replacement": _SPACE,
        "prepend_scheme": "always",
        "split": True,
    }
    return new_spec({}, normalizer={"type": "NFKC"}, pre_tokenizer=space, decoder=space)
