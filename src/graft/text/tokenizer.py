"""The tokenizer: strings to token ids and back, loaded from a folder or a hub."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import tokenizers

from graft.errors import DataError, ModelError
from graft.files import atomic_folder
from graft.hub.client import local_folder, push_folder
from graft.text.encoding import Encoding, TokenBatch
from graft.text.truncation import kept_tokens

_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
_UNLIMITED = 1_000_000  # files write a huge number for "no limit"


class Tokenizer:
    """Turns text into token ids by the rules of a pretrained model.

    Args:
        engine: The parsed `tokenizer.json`.
        config: The parsed `tokenizer_config.json`.
    """

    def __init__(self, engine: tokenizers.Tokenizer, config: dict[str, Any] | None = None) -> None:
        self._engine = engine
        self._engine.no_padding()
        self._engine.no_truncation()
        self.config = dict(config or {})

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> Self:
        """Loads the tokenizer of a folder or of a repository on the hub.

        Raises:
            HubError: `source` is neither a folder nor a repository that can be fetched.
            ModelError: It holds no tokenizer, or a damaged one.
        """
        folder = local_folder(source, revision=revision, patterns=list(_FILES))
        path = folder / "tokenizer.json"
        config = _read_json(folder / "tokenizer_config.json")
        if path.is_file():
            return cls(_parse(path), config)
        if (folder / "vocab.txt").is_file():
            return cls(_wordpiece(folder / "vocab.txt", config), config)
        raise ModelError(
            f"{source} has no tokenizer: expected tokenizer.json or vocab.txt in {folder}."
        )

    def save_pretrained(self, folder: str | Path, *, max_length: int | None = None) -> None:
        """Writes `tokenizer.json` and `tokenizer_config.json`, as the ecosystem reads them.

        Args:
            folder: Where to.
            max_length: The longest input to declare, in tokens, in place of the tokenizer's own.
        """
        with atomic_folder(Path(folder)) as temporary:
            # Written from Python: the engine's own `save` has no OSError for a full disk.
            (temporary / "tokenizer.json").write_text(
                self._engine.to_str(pretty=True), encoding="utf-8"
            )
            config = {"tokenizer_class": "PreTrainedTokenizerFast", **self.config}
            if max_length is not None:
                config["model_max_length"] = max_length
            (temporary / "tokenizer_config.json").write_text(
                json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
            )

    def push_to_hub(self, repo_id: str, *, private: bool = False, message: str = "") -> str:
        """Uploads what `save_pretrained` writes in one commit; returns the page's address.

        Args:
            repo_id: `owner/name`; made if it is not there.
            private: Whether a new repository is private.
            message: Of the commit.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(
                folder, repo_id, private=private, message=message or "Upload a tokenizer"
            )

    @property
    def max_length(self) -> int | None:
        """The longest input the tokenizer's files declare, in tokens; None where they do not."""
        value = self.config.get("model_max_length")
        return int(value) if isinstance(value, int | float) and value < _UNLIMITED else None

    @property
    def vocab_size(self) -> int:
        """Entries in the vocabulary, added tokens included."""
        return int(self._engine.get_vocab_size())

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, None where the vocabulary lacks it."""
        value = self._engine.token_to_id(token)
        return None if value is None else int(value)

    def id_to_token(self, token_id: int) -> str | None:
        """The token of an id, None where there is none."""
        value = self._engine.id_to_token(token_id)
        return None if value is None else str(value)

    def __call__(self, text: str, pair: str | None = None) -> Encoding:
        """Encodes one text, or a pair, with everything there is to know of each token.

        Raises:
            DataError: A text is not a string, or not valid Unicode.
        """
        _check_text(text, "The text")
        if pair is not None:
            _check_text(pair, "The second text")
        found = self._engine.encode(text, pair)
        return Encoding(
            ids=found.ids,
            tokens=found.tokens,
            spans=found.offsets,
            words=found.word_ids,
            type_ids=found.type_ids,
            special=[bool(flag) for flag in found.special_tokens_mask],
        )

    def encode_batch(
        self,
        texts: Sequence[str] | pa.Array | pa.ChunkedArray,
        pairs: Sequence[str] | pa.Array | pa.ChunkedArray | None = None,
        *,
        max_length: int | None = None,
    ) -> TokenBatch:
        """Encodes many texts, or pairs of texts.

        Args:
            texts: Strings, or an Arrow string column.
            pairs: The second texts, as many as `texts`.
            max_length: Rows longer than this many tokens are cut; of a pair, the longer text first.

        Returns:
            The rows laid end to end, in the order of `texts`.

        Raises:
            DataError: A text is not a string, or not valid Unicode, or `pairs` are not as many, or
                `max_length` leaves no room for text between the special tokens.
        """
        rows: list[Any] = _strings(texts, "Text")
        if pairs is not None:
            seconds = _strings(pairs, "Second text")
            if len(seconds) != len(rows):
                raise DataError(f"There are {len(rows)} texts, but {len(seconds)} second texts.")
            rows = list(zip(rows, seconds, strict=True))
        special = int(self._engine.num_special_tokens_to_add(pairs is not None))
        if max_length is not None and max_length <= special:
            raise DataError(
                f"max_length is {max_length}, but {special} tokens of each row are special ones: "
                f"give {special + 1} or more."
            )
        # The engine cuts well, but makes an encoding of every combination of the parts cut off.
        found = self._engine.encode_batch_fast(rows)
        full = np.fromiter(map(len, found), np.int64, len(found))
        lengths = full if max_length is None else np.minimum(full, max_length)
        offsets = np.zeros(len(found) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        ids = np.empty(offsets[-1], np.int32)
        type_ids = np.zeros(offsets[-1], np.int32)
        for row, encoding in enumerate(found):
            place = slice(offsets[row], offsets[row + 1])
            kept: Any = slice(None)
            if lengths[row] < full[row]:
                kept = kept_tokens(encoding.sequence_ids, int(lengths[row]))
            ids[place] = np.asarray(encoding.ids, np.int32)[kept]
            if pairs is not None:
                type_ids[place] = np.asarray(encoding.type_ids, np.int32)[kept]
        return TokenBatch(ids, offsets, type_ids, int((lengths < full).sum()))

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids, without special tokens unless asked for."""
        return str(self._engine.decode(list(ids), skip_special_tokens=skip_special))

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, max_length={self.max_length})"


def _strings(texts: Sequence[str] | pa.Array | pa.ChunkedArray, name: str) -> list[str]:
    if isinstance(texts, str):
        raise DataError(f"A list of texts is needed, not one text: {texts[:40]!r}.")
    if isinstance(texts, pa.Array | pa.ChunkedArray):
        texts = texts.to_pylist()
    rows = list(texts)
    for row, text in enumerate(rows):
        _check_text(text, f"{name} {row}")
    return rows


def _check_text(text: object, name: str) -> None:
    """A Python string may hold half of a UTF-16 pair, which no tokenizer can read."""
    if not isinstance(text, str):
        raise DataError(f"{name} is {text!r}, which is not a string.")
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{name} is not valid Unicode: character {error.start} is {text[error.start]!a}. "
            "It was read in a wrong encoding; read it as UTF-8."
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON: {error}. Fetch it again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} holds {type(value).__name__}, not an object of settings.")
    return value


def _parse(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path} is not a tokenizer Graft can read: {error}") from error


def _wordpiece(path: Path, config: dict[str, Any]) -> tokenizers.Tokenizer:
    """BERT's tokenizer from its vocabulary alone, one token a line."""
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    try:
        vocabulary = models.WordPiece.read_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise ModelError(f"{path} is not a vocabulary Graft can read: {error}") from error
    special = {
        name: _special_token(config.get(f"{name}_token", f"[{name.upper()}]"))
        for name in ("unk", "sep", "pad", "cls", "mask")
    }
    missing = [token for token in special.values() if token not in vocabulary]
    if missing:
        raise ModelError(f"{path} lacks the special tokens {', '.join(missing)}.")
    engine = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=special["unk"]))
    engine.normalizer = normalizers.BertNormalizer(
        lowercase=bool(config.get("do_lower_case", True)),
        strip_accents=config.get("strip_accents"),
        handle_chinese_chars=bool(config.get("tokenize_chinese_chars", True)),
    )
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.post_processor = processors.BertProcessing(
        (special["sep"], vocabulary[special["sep"]]), (special["cls"], vocabulary[special["cls"]])
    )
    engine.decoder = decoders.WordPiece()
    engine.add_special_tokens(list(special.values()))
    return engine


def _special_token(value: Any) -> str:
    """A special token's text: files give it alone, or in a table with options of its own."""
    return str(value["content"] if isinstance(value, dict) and "content" in value else value)
