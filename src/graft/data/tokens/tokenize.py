"""From Arrow's strings to Arrow's lists of token ids, through the engine's batches.

No Python object stands for a row or a token: the engine reads the bytes of a column, and its arrays
become the new columns as they are.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import ClassLabel, Features, Sequence, Value, arrow_type_of
from graft.data.roles import Roles, is_list
from graft.data.tokens.align import Alignment, PartsOfTags, Tokens, Words, aligned_tags
from graft.data.tokens.lists import lists_of
from graft.data.tokens.names import INPUT_IDS, LABELS, OFFSETS, SOURCE_ROW, TYPE_IDS, WORD_IDS
from graft.data.tokens.spans import Spans, span_tags
from graft.errors import DataError
from graft.text.encoding import TokenBatch
from graft.text.truncation import Truncation

if TYPE_CHECKING:
    from graft.text.tokenizer import Tokenizer

ROWS_AT_A_TIME = 5000
# A batch of longer texts is tokenized in parts, so that its tokens do not fill the memory.
_BYTES_AT_A_TIME = 8 << 20


@dataclass(frozen=True)
class Labels:
    """The labels that tokens get.

    Attributes:
        column: Where they come from: tags of words, or spans of characters.
        names: The names of the tags of tokens; None where they have none.
        alignment: "first", "all", or, for spans, "spans".
        inside: With "all", whether later tokens of a word that begins a stretch are inside it.
        span_labels: The names of the labels of spans.
        scheme: Which tags tell spans.
    """

    column: str
    names: list[str] | None
    alignment: str
    inside: bool = False
    span_labels: list[str] = field(default_factory=list)
    scheme: str = "IOB2"


@dataclass(frozen=True)
class Tokenization:
    """What `tokenize` does to a batch of rows.

    It is a plain value that can be sent to other processes: `apply` needs nothing else.

    Attributes:
        tokenizer: From texts to ids.
        features: What the columns of the rows hold.
        where: What errors call the rows.
        text: The column of texts, or of lists of words.
        text_pair: The column of second texts.
        max_length: Longer rows are cut to this many tokens.
        stride: In place of being cut, long texts become several rows that overlap by as many.
        truncation: What is cut of a pair.
        special_tokens: Whether rows get the special tokens that the model expects.
        spans: Whether to tell where tokens stand.
        keep: Columns of the rows that are kept.
        labels: What labels tokens get.
        threads: How many threads the engine uses; None for as many as there are processors.
        roles: Of the columns that come out.
    """

    tokenizer: "Tokenizer"
    features: Features
    where: str
    text: str
    text_pair: str | None = None
    max_length: int | None = None
    stride: int | None = None
    truncation: Truncation = "longest_first"
    special_tokens: bool = True
    spans: bool = False
    keep: tuple[str, ...] = ()
    labels: Labels | None = None
    threads: int | None = None
    roles: Roles = field(default_factory=Roles)

    @property
    def columns(self) -> list[str]:
        """The columns of the rows that are read."""
        labels = [] if self.labels is None else [self.labels.column]
        pair = [] if self.text_pair is None else [self.text_pair]
        return list(dict.fromkeys([self.text, *pair, *self.keep, *labels]))

    @property
    def options(self) -> Mapping[str, Any]:
        """All that the result depends on but the rows and the tokenizer, as plain values."""
        labels = self.labels
        return {
            "text": self.text,
            "text_pair": self.text_pair,
            "max_length": self.max_length,
            "stride": self.stride,
            "truncation": self.truncation,
            "special_tokens": self.special_tokens,
            "spans": self.spans,
            "keep": list(self.keep),
            "labels": None if labels is None else [labels.column, labels.alignment, labels.inside],
            "label names": None if labels is None else labels.names,
            "span labels": None if labels is None else [labels.span_labels, labels.scheme],
        }

    @cached_property
    def made(self) -> Features:
        """The columns that come out, and what each holds."""
        numbers = Sequence(Value("int32"))
        found: Features = {INPUT_IDS: numbers}
        if self.text_pair is not None:
            found[TYPE_IDS] = numbers
        if self.spans:
            found[OFFSETS] = Sequence(Sequence(Value("int32"), length=2))
            found[WORD_IDS] = numbers
        if self.labels is not None:
            names = self.labels.names
            found[LABELS] = Sequence(Value("int64") if names is None else ClassLabel(names))
        if self.stride is not None:
            found[SOURCE_ROW] = Value("int64")
        twice = sorted(found.keys() & set(self.keep))
        if twice:
            raise DataError(
                f"{self.where}: tokenizing makes a column {twice[0]!r} itself. Rename yours."
            )
        return {**found, **{name: self.features[name] for name in self.keep}}

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the batches that come out."""
        return pa.schema([(name, arrow_type_of(feature)) for name, feature in self.made.items()])

    def apply(self, batch: pa.RecordBatch, first_row: int = 0) -> Iterator[pa.RecordBatch]:
        """The tokens of some rows, in one batch or several where texts are long.

        Args:
            batch: Rows with the `columns`.
            first_row: The number of the first of them.

        Raises:
            DataError: A row cannot be tokenized, or has not one tag for each word.
        """
        size = sum(batch.column(name).nbytes for name in (self.text, self.text_pair) if name)
        if size > _BYTES_AT_A_TIME and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self.apply(batch.slice(0, half), first_row)
            yield from self.apply(batch.slice(half), first_row + half)
            return
        yield self._tokenized(batch, first_row)

    def _tokenized(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        column = batch.column(self.text)
        words = Words.of(column) if is_list(column.type) else None
        tokens = self._encoded(batch, first_row)
        found: dict[str, pa.Array] = {INPUT_IDS: lists_of(tokens.offsets, tokens.ids)}
        if self.text_pair is not None:
            found[TYPE_IDS] = lists_of(tokens.offsets, tokens.type_ids)
        if tokens.spans is not None:
            self._add_places(found, batch, tokens, words, first_row)
        if tokens.sources is not None:
            found[SOURCE_ROW] = pa.array(tokens.sources + first_row)
        for name in self.keep:
            kept = batch.column(name).cast(self.schema.field(name).type)
            found[name] = kept if tokens.sources is None else kept.take(pa.array(tokens.sources))
        columns = [found[each.name] for each in self.schema]
        return pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _encoded(self, batch: pa.RecordBatch, first_row: int) -> TokenBatch:
        try:
            return self.tokenizer.encode_batch(
                _texts(batch.column(self.text)),
                None if self.text_pair is None else _texts(batch.column(self.text_pair)),
                max_length=self.max_length,
                stride=self.stride,
                truncation=self.truncation,
                add_special_tokens=self.special_tokens,
                spans=self.spans or self.labels is not None,
                threads=self.threads,
            )
        except DataError as error:
            last = first_row + batch.num_rows - 1
            raise DataError(
                f"{self.where}, column {self.text!r}, rows {first_row} to {last} (the message "
                f"counts from the first of them): {error}"
            ) from error

    def _add_places(
        self,
        found: dict[str, pa.Array],
        batch: pa.RecordBatch,
        tokens: TokenBatch,
        words: Words | None,
        first_row: int,
    ) -> None:
        """The columns that need to know where tokens stand."""
        assert tokens.spans is not None
        assert tokens.words is not None
        places = Tokens.of(tokens)
        of_words = None if words is None else words.of_tokens(places)
        if self.spans:
            pairs = np.arange(0, 2 * len(tokens.ids) + 1, 2)
            found[OFFSETS] = pa.ListArray.from_arrays(
                pa.array(tokens.offsets.astype(np.int32)),
                lists_of(pairs, tokens.spans.reshape(-1)),
            )
            told = tokens.words
            if words is not None and of_words is not None:
                told = words.within_rows(of_words, places.rows)
            found[WORD_IDS] = lists_of(tokens.offsets, told)
        if self.labels is None:
            return
        column = batch.column(self.labels.column)
        if self.labels.alignment == "spans":
            where = f"{self.where}, column {self.labels.column!r}"
            spans = Spans.of(column, self.labels.span_labels, where, first_row)
            labels = span_tags(spans, places, self.labels.scheme)
        else:
            assert words is not None
            assert of_words is not None
            labels = self._aligned(column, words, of_words, places, first_row)
        found[LABELS] = lists_of(tokens.offsets, labels)

    def _aligned(
        self, column: pa.Array, words: Words, of_words: Any, places: Tokens, first_row: int
    ) -> Any:
        assert self.labels is not None
        counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        differ = np.flatnonzero(counts != np.diff(words.offsets))
        if len(differ):
            row = int(differ[0])
            raise DataError(
                f"{self.where}, row {first_row + row}: {np.diff(words.offsets)[row]} words in "
                f"{self.text!r}, but {counts[row]} tags in {self.labels.column!r}. "
                "Give each word one."
            )
        names, inside = self.labels.names, self.labels.inside
        tags = pc.fill_null(pc.list_flatten(column), -100).cast(pa.int64()).to_numpy()
        parts = PartsOfTags.of(names) if inside and names else None
        alignment: Alignment = "first" if self.labels.alignment == "first" else "all"
        return aligned_tags(tags, of_words, places, alignment, parts)


def _texts(column: pa.Array) -> pa.Array:
    """A column of texts without nulls; words are joined by single spaces."""
    if is_list(column.type):
        words = column.cast(pa.list_(pa.string()))
        flat = pc.list_flatten(words)
        if flat.null_count:
            counts = pc.fill_null(pc.list_value_length(words), 0).to_numpy(zero_copy_only=False)
            offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(counts, dtype=np.int32)])
            words = pa.ListArray.from_arrays(pa.array(offsets), pc.fill_null(flat, ""))
        column = pc.binary_join(words, " ")
    return pc.fill_null(column, "") if column.null_count else column
