"""Graft's tokenizers: the parts that `graft.text` puts together."""

from collections.abc import Callable, Sequence

import numpy
from numpy.typing import NDArray

UNICODE_VERSION: str = "16.0.0"

class Normalizer:
    """Rewrites a text before it is split."""

    def normalize(self, text: str) -> str: ...
    def normalize_aligned(self, text: str) -> tuple[str, list[tuple[int, int]]]: ...

class NFC(Normalizer):
    def __init__(self) -> None: ...

class NFD(Normalizer):
    def __init__(self) -> None: ...

class NFKC(Normalizer):
    def __init__(self) -> None: ...

class NFKD(Normalizer):
    def __init__(self) -> None: ...

class Lowercase(Normalizer):
    def __init__(self) -> None: ...

class StripAccents(Normalizer):
    def __init__(self) -> None: ...

class ByteLevelNormalizer(Normalizer):
    def __init__(self) -> None: ...

class Precompiled(Normalizer):
    def __init__(self, precompiled_charsmap: bytes) -> None: ...

class LongestCharsMap(Normalizer):
    def __init__(self, precompiled_charsmap: bytes) -> None: ...

class BertNormalizer(Normalizer):
    def __init__(
        self,
        clean_text: bool = True,
        handle_chinese_chars: bool = True,
        strip_accents: bool | None = None,
        lowercase: bool = True,
    ) -> None: ...

class Replace(Normalizer):
    def __init__(self, pattern: str, regex: bool, content: str) -> None: ...

class Prepend(Normalizer):
    def __init__(self, prepend: str) -> None: ...

class Strip(Normalizer):
    def __init__(self, left: bool = True, right: bool = True) -> None: ...

class NormalizerSequence(Normalizer):
    def __init__(self, normalizers: Sequence[Normalizer]) -> None: ...

class PreTokenizer:
    def split(self, text: str) -> list[tuple[str, tuple[int, int]]]:
        """The words, each with the range of characters it stands for."""

    def words(self, text: str) -> list[str]:
        """The words as a model gets them where no ranges are asked for."""

    def needs_origins(self) -> bool:
        """Whether the words depend on where in the text they stand."""

class BertPreTokenizer(PreTokenizer):
    def __init__(self) -> None: ...

class Whitespace(PreTokenizer):
    def __init__(self) -> None: ...

class WhitespaceSplit(PreTokenizer):
    def __init__(self) -> None: ...

class Digits(PreTokenizer):
    def __init__(self, individual_digits: bool = False) -> None: ...

class CharDelimiterSplit(PreTokenizer):
    def __init__(self, delimiter: str) -> None: ...

class Punctuation(PreTokenizer):
    def __init__(self, behavior: str = "Isolated") -> None: ...

class Split(PreTokenizer):
    def __init__(
        self, pattern: str, behavior: str, invert: bool = False, regex: bool = False
    ) -> None: ...

class ByteLevelPreTokenizer(PreTokenizer):
    def __init__(
        self, add_prefix_space: bool = True, trim_offsets: bool = True, use_regex: bool = True
    ) -> None: ...

class Metaspace(PreTokenizer):
    def __init__(
        self, replacement: str = "▁", prepend_scheme: str = "always", split: bool = True
    ) -> None: ...

class PreTokenizerSequence(PreTokenizer):
    def __init__(self, pretokenizers: Sequence[PreTokenizer]) -> None: ...

class Model:
    """Cuts words into tokens."""

    def tokenize(self, word: object) -> list[tuple[int, tuple[int, int]]]:
        """The tokens of a word: ids, and ranges of its bytes."""

    def token_to_id(self, token: str) -> int | None: ...
    def id_to_token(self, id: int) -> str | None: ...
    @property
    def vocab_size(self) -> int:
        """How many tokens it has."""

    @property
    def takes_bytes(self) -> bool:
        """Whether words are any bytes, or else valid UTF-8."""

class WordPiece(Model):
    def __init__(
        self,
        vocab: object,
        unk_token: str,
        continuing_subword_prefix: str = "##",
        max_input_chars_per_word: int = 100,
    ) -> None: ...

class BPE(Model):
    def __init__(
        self,
        vocab: object,
        merges: object,
        unk_token: str | None = None,
        continuing_subword_prefix: str | None = None,
        end_of_word_suffix: str | None = None,
        fuse_unk: bool = False,
        byte_fallback: bool = False,
        ignore_merges: bool = False,
        byte_level: bool = False,
        dropout: float | None = None,
        ranks: Sequence[int] | None = None,
    ) -> None: ...

class Unigram(Model):
    def __init__(
        self,
        vocab: Sequence[tuple[str, float | None]],
        unk_id: int | None = None,
        byte_fallback: bool = False,
        single_precision: bool = False,
        unk_score: float | None = None,
    ) -> None: ...

class Tokenizer:
    """From texts to ids."""

    def __init__(
        self,
        *,
        normalizer: Normalizer | None,
        pre_tokenizer: PreTokenizer | None,
        model: Model | None,
        raw_added: Sequence[tuple[int, str, bool, bool, bool]],
        normalized_added: Sequence[tuple[int, str, bool, bool, bool]],
        single: Sequence[tuple[int, int, int]],
        pair: Sequence[tuple[int, int, int]],
        trim_offsets: bool = False,
        add_prefix_space: bool = False,
    ) -> None: ...
    def encode(
        self,
        data: NDArray[numpy.uint8],
        offsets: NDArray[numpy.int64],
        pair_data: NDArray[numpy.uint8] | None = None,
        pair_offsets: NDArray[numpy.int64] | None = None,
        *,
        max_length: int = -1,
        stride: int = -1,
        truncation: int = 0,
        add_special_tokens: bool = True,
        spans: bool = False,
        threads: int = 1,
    ) -> tuple[
        NDArray[numpy.int32],
        NDArray[numpy.int64],
        NDArray[numpy.int32],
        NDArray[numpy.int64],
        NDArray[numpy.int32],
        NDArray[numpy.int32],
        NDArray[numpy.int8],
        int,
    ]:
        """
        (ids, lengths, type_ids, sources, spans, words, sequences, truncated) of the rows.
        """

    def count_words(
        self,
        counter: WordCounter,
        data: NDArray[numpy.uint8],
        offsets: NDArray[numpy.int64],
        threads: int = 1,
        first: int = 0,
    ) -> None:
        """Counts the words that the model would be asked for."""

class WordCounter:
    """How often each word occurs."""

    def __init__(self) -> None: ...
    def add(self, word: object, count: int = 1) -> None:
        """Count a word, as often as `count` says."""

    def merge(self, other: WordCounter) -> None:
        """Count all that `other` has counted."""

    def items(self) -> list[tuple[bytes, int]]:
        """All words, as bytes, with their counts, in the order first seen."""

    def __len__(self) -> int: ...

def train_bpe(
    counter: WordCounter,
    vocab_size: int,
    *,
    min_frequency: int = 0,
    special_tokens: Sequence[str] = [],
    limit_alphabet: int | None = None,
    initial_alphabet: Sequence[str] = [],
    continuing_subword_prefix: str | None = None,
    end_of_word_suffix: str | None = None,
    max_token_length: int | None = None,
    byte_level: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[tuple[str, str]]]:
    """Learn BPE: the tokens by id, and the merges."""

def train_wordpiece(
    counter: WordCounter,
    vocab_size: int,
    *,
    min_frequency: int = 0,
    special_tokens: Sequence[str] = [],
    limit_alphabet: int | None = None,
    initial_alphabet: Sequence[str] = [],
    continuing_subword_prefix: str = "##",
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Learn WordPiece: the tokens by id."""

def train_unigram(
    counter: WordCounter,
    vocab_size: int,
    *,
    special_tokens: Sequence[str] = [],
    initial_alphabet: Sequence[str] = [],
    unk_token: str | None = None,
    max_piece_length: int = 16,
    shrinking_factor: float = 0.75,
    n_sub_iterations: int = 2,
    seed_size: int = 1000000,
    progress: Callable[[int, int], None] | None = None,
) -> list[tuple[str, float]]:
    """Learn Unigram: the pieces by id, with their log probabilities."""
