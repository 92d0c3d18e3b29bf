"""The tokenizer: strings to token ids and back, loaded from a folder or a hub."""

import copy
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graft.errors import DataError, ModelError
from graft.files import atomic_folder
from graft.hub.client import local_folder, push_folder
from graft.text import decoding, growth
from graft.text.chat import render_chat
from graft.text.columns import check_text, text_column
from graft.text.declared import declared_tokens, read_config, special_tokens
from graft.text.encoding import Encoding, TokenBatch
from graft.text.formats import FILES, read_folder
from graft.text.rules import Rules
from graft.text.spec import Spec, check_strings
from graft.text.training import Kind, special_config, train_spec
from graft.text.truncation import Truncation, check_lengths

_UNLIMITED = 1_000_000  # files write a huge number for "no limit"


class Tokenizer:
    """Turns text into token ids by the rules of a pretrained model.

    Args:
        spec: The parsed `tokenizer.json`.
        config: The parsed `tokenizer_config.json`.

    Raises:
        ModelError: The rules make no sense, or are some that Graft does not have.
    """

    def __init__(self, spec: Spec, config: dict[str, Any] | None = None) -> None:
        self.config = dict(config or {})
        check_strings(self.config)
        self._rules = Rules({**copy.deepcopy(spec), "truncation": None, "padding": None})

    def __reduce__(self) -> tuple[type[Self], tuple[Spec, dict[str, Any]]]:
        # The engine is made anew: its rules are all there is to it.
        return type(self), (self._rules.spec, self.config)

    @classmethod
    def from_pretrained(cls, source: str | Path, *, revision: str | None = None) -> Self:
        """Loads the tokenizer of a folder or of a repository on the hub.

        It may be kept as `tokenizer.json`, `vocab.txt`, `vocab.json` with `merges.txt`, or a
        SentencePiece `.model`.

        Raises:
            HubError: `source` is neither a folder nor a repository that can be fetched.
            ModelError: It holds no tokenizer, or a damaged one, or one that Graft does not have.
        """
        folder = local_folder(source, revision=revision, patterns=list(FILES))
        config = read_config(folder)
        spec = read_folder(folder, config)
        if spec is None:
            raise ModelError(
                f"{source} has no tokenizer: expected tokenizer.json, vocab.txt, vocab.json with "
                f"merges.txt, or a SentencePiece .model in {folder}."
            )
        try:
            made = cls(spec, config)
            made._add_declared()
        except ModelError as error:
            raise ModelError(f"The tokenizer in {folder} cannot be read: {error}") from error
        except RecursionError as error:
            raise ModelError(
                f"The tokenizer in {folder} cannot be read: its parts stand too deep in each "
                "other. Fetch it again."
            ) from error
        return made

    @classmethod
    def train(
        cls,
        texts: Iterable[str] | pa.Array | pa.ChunkedArray,
        kind: Kind = "byte-level-bpe",
        *,
        max_length: int | None = None,
        **options: Any,
    ) -> Self:
        """Learns a tokenizer from texts; the same texts give the same one.

        Args:
            texts: Any number of strings, or an Arrow column.
            kind: "wordpiece" (BERT), "bpe" (over characters), "byte-level-bpe" (GPT-2), "unigram".
            max_length: The longest input to declare, in tokens.
            options: `vocab_size`, `min_frequency`, `special_tokens`, `limit_alphabet`, `lowercase`,
                `progress`: see `graft.text.training.train_spec`.

        Raises:
            DataError: There are no texts, one is not valid, or options contradict each other.
        """
        spec = train_spec(texts, kind, threads=_threads(), **options)
        config = special_config(spec)
        return cls(
            spec, config if max_length is None else {**config, "model_max_length": max_length}
        )

    def save_pretrained(self, folder: str | Path, *, max_length: int | None = None) -> None:
        """Writes the tokenizer's files, as the ecosystem reads them.

        Args:
            folder: Where to.
            max_length: The longest input to declare, in tokens, in place of the tokenizer's own.
        """
        config = {"tokenizer_class": "PreTrainedTokenizerFast", **self.config}
        if max_length is not None:
            config["model_max_length"] = max_length
        with atomic_folder(Path(folder)) as temporary:
            for name, value in (
                ("tokenizer.json", self._rules.spec),
                ("tokenizer_config.json", config),
                ("special_tokens_map.json", self.special_tokens),
            ):
                text = json.dumps(value, indent=2, ensure_ascii=False)
                (temporary / name).write_text(text + "\n", encoding="utf-8")

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

    def longest_normalized(self, *sizes: int) -> int:
        """How many bytes the normalizer can make of texts of these sizes at most: to ask where both
        the tokenizer and the texts are somebody else's."""
        spec = self._rules.spec["normalizer"]
        # Of a text it is a multiple, and what each text gets besides.
        each = growth.longest(spec, 0) if len(sizes) > 1 else 0
        return growth.longest(spec, sum(sizes)) + (len(sizes) - 1) * each

    @property
    def vocab_size(self) -> int:
        """Entries in the vocabulary, added tokens included."""
        return len(self._rules.ids)

    @property
    def vocabulary(self) -> dict[str, int]:
        """The ids of all tokens, added ones included, in the order of the ids; a copy."""
        return dict(sorted(self._rules.ids.items(), key=lambda entry: entry[1]))

    @property
    def special_tokens(self) -> dict[str, str]:
        """The special tokens by what they are for, such as `{"cls_token": "[CLS]"}`."""
        return special_tokens(self.config)

    @property
    def special_ids(self) -> dict[str, int]:
        """The ids of the special tokens by what they are for, such as `{"cls_token": 101}`."""
        tokens = self.special_tokens.items()
        return {name: self._rules.ids[token] for name, token in tokens if token in self._rules.ids}

    @property
    def unknown_id(self) -> int | None:
        """The id of the token for what the vocabulary cannot spell; None where there is none."""
        model = self._rules.spec["model"]
        if "unk_id" in model:
            return None if model["unk_id"] is None else int(model["unk_id"])
        return self._rules.ids.get(model.get("unk_token") or "")

    def token_to_id(self, token: str) -> int | None:
        """The id of a token, None where the vocabulary lacks it."""
        return self._rules.ids.get(token)

    def id_to_token(self, token_id: int) -> str | None:
        """The token of an id, None where there is none."""
        return self._rules.tokens.get(token_id)

    def add_tokens(
        self,
        tokens: Sequence[str],
        *,
        special: bool = False,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: bool | None = None,
    ) -> int:
        """Adds tokens that are found in texts as a whole; returns how many were new.

        A model that reads them needs rows for them: `model.resize_vocabulary(tok.vocab_size)`.

        Args:
            tokens: What to add; added tokens that are there already stay as they are.
            special: Whether `decode` leaves them out unless asked for.
            single_word: Whether they are found only where no letter or digit touches them.
            lstrip: Whether white space before them is part of them.
            rstrip: Whether white space behind them is part of them.
            normalized: Whether they are looked for after normalization, such as lower-casing, which
                they then go through too; if None, unless they are special.

        Raises:
            DataError: A token is empty or not a string.
            ModelError: A token cannot be found in texts, as nothing of it is left when they are
                normalized; no token is added then.
        """
        if isinstance(tokens, str):
            raise DataError(f"A list of tokens is needed, not one: [{tokens!r}].")
        for token in tokens:
            if not isinstance(token, str) or not token:
                raise DataError(f"{token!r} cannot be a token: give strings that are not empty.")
            check_text(token, "The token")
        flags = {
            "single_word": single_word,
            "lstrip": lstrip,
            "rstrip": rstrip,
            "normalized": not special if normalized is None else normalized,
            "special": special,
        }
        return self._add([{"content": token, **flags} for token in tokens])

    def _add_declared(self) -> None:
        """Adds what the settings declare and the rules lack, as the ecosystem does on loading.

        Not of tokens that a SentencePiece model has: for its own library they are plain text.
        """
        is_sentencepiece = "special_ids" in self._rules.spec["model"]
        self._add(
            [
                token
                for token in declared_tokens(self.config)
                if not (is_sentencepiece and token["content"] in self._rules.ids)
            ]
        )

    def _add(self, entries: list[dict[str, Any]]) -> int:
        before = self.vocab_size
        self._rules = self._rules.with_added(entries)
        return self.vocab_size - before

    def __call__(self, text: str, pair: str | None = None) -> Encoding:
        """Encodes one text, or a pair, with everything there is to know of each token.

        Raises:
            DataError: A text is not a string, or not valid Unicode.
        """
        for given, name in ((text, "The text"), (pair, "The second text")):
            if given is not None or name == "The text":
                check_text(given, name)
        found = self.encode_batch([text], None if pair is None else [pair], spans=True)
        assert found.spans is not None
        assert found.words is not None
        assert found.sequences is not None
        sequences = found.sequences.tolist()
        return Encoding(
            ids=found.ids.tolist(),
            tokens=[self._rules.tokens[token_id] for token_id in found.ids.tolist()],
            spans=[(start, end) for start, end in found.spans.tolist()],
            words=[None if word < 0 else word for word in found.words.tolist()],
            type_ids=found.type_ids.tolist(),
            special=[sequence < 0 for sequence in sequences],
            sequences=[None if sequence < 0 else sequence for sequence in sequences],
        )

    def encode_batch(
        self,
        texts: Sequence[str] | pa.Array | pa.ChunkedArray,
        pairs: Sequence[str] | pa.Array | pa.ChunkedArray | None = None,
        *,
        max_length: int | None = None,
        stride: int | None = None,
        truncation: Truncation = "longest_first",
        add_special_tokens: bool = True,
        spans: bool = False,
        threads: int | None = None,
    ) -> TokenBatch:
        """Encodes many texts, or pairs of texts.

        Args:
            texts: Strings, or an Arrow string column.
            pairs: The second texts, as many as `texts`.
            max_length: Rows longer than this many tokens are cut.
            stride: In place of being cut, long texts become several rows, each of which repeats
                this many tokens of the one before. Where both texts of a pair are cut, each row of
                the first is put together with each of the second.
            truncation: What is cut of a pair: its longer text first, or always the same one.
            add_special_tokens: Whether rows get the special tokens that the model expects.
            spans: Whether to tell where each token stands: see `TokenBatch`.
            threads: How many to use at most; None for as many as there are processors.

        Returns:
            The rows laid end to end, in the order of `texts`.

        Raises:
            DataError: A text is not a string, or not valid Unicode, or `pairs` are not as many, or
                `max_length` leaves no room for text between the special tokens.
        """
        first = text_column(texts, "Text")
        second = None if pairs is None else text_column(pairs, "Second text")
        if second is not None and len(second) != len(first):
            raise DataError(f"There are {len(first)} texts, but {len(second)} second texts.")
        special = self._rules.special_in[second is not None] if add_special_tokens else 0
        check_lengths(max_length, stride, truncation, special)
        try:
            ids, lengths, type_ids, sources, places, words, sequences, truncated = (
                self._rules.engine.encode(
                    first.data,
                    first.offsets,
                    None if second is None else second.data,
                    None if second is None else second.offsets,
                    max_length=-1 if max_length is None else max_length,
                    stride=-1 if stride is None else stride,
                    truncation=get_args(Truncation).index(truncation),
                    add_special_tokens=add_special_tokens,
                    spans=spans,
                    threads=_threads() if threads is None else threads,
                )
            )
        except ValueError as error:
            raise DataError(f"{error}.") from None
        offsets: npt.NDArray[np.int64] = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return TokenBatch(
            ids,
            offsets,
            type_ids if second is not None else np.zeros(len(ids), np.int32),
            truncated,
            sources=sources if stride is not None else None,
            spans=places.reshape(-1, 2) if spans else None,
            words=words if spans else None,
            sequences=sequences if spans else None,
        )

    def decode(self, ids: Sequence[int], *, skip_special: bool = True) -> str:
        """The text of token ids, without special tokens unless asked for."""
        known, hidden = self._rules.tokens, self._rules.special if skip_special else ()
        tokens = [known[each] for each in map(int, ids) if each in known and each not in hidden]
        return "".join(self._rules.decoder(tokens))

    def decode_stream(self, *, skip_special: bool = True) -> decoding.DecodeStream:
        """Decodes ids that come one by one: `push(id)` gives the text that is new."""
        return decoding.DecodeStream(lambda ids: self.decode(ids, skip_special=skip_special))

    def apply_chat_template(
        self,
        messages: Sequence[dict[str, Any]],
        *,
        tools: Sequence[dict[str, Any]] | None = None,
        add_generation_prompt: bool = False,
        **more: Any,
    ) -> str:
        """The text of a conversation, by the template in the tokenizer's files.

        Args:
            messages: Each with a `role` and its `content`.
            tools: JSON schemas of functions that the model may call.
            add_generation_prompt: Whether the text ends where an answer is to begin.
            more: What else the template asks for, such as `documents`.

        Raises:
            ModelError: The files carry no template, or one that does not work.
            DataError: The template refuses the messages.
        """
        return render_chat(
            self.config.get("chat_template"),
            messages,
            tools=tools,
            add_generation_prompt=add_generation_prompt,
            **{**self.special_tokens, **more},
        )

    def __repr__(self) -> str:
        return f"Tokenizer(vocab_size={self.vocab_size}, max_length={self.max_length})"


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
