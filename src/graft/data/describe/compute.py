"""`describe`: the rows read once for all figures of their texts, and once for each column."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.cache import EntryWriter, computed
from graft.data.describe.characters import KINDS, Texts, main_scripts, script_counts
from graft.data.describe.columns import batches_of, describe_column
from graft.data.describe.figures import Description, SplitFigures
from graft.data.describe.lengths import LengthCounter
from graft.data.describe.near import Near, near_repeats
from graft.data.describe.repeats import Hasher, Leak, SeenTexts, Shared, hashing
from graft.data.describe.tag_counts import (
    class_numbers,
    entity_counts,
    is_single_class,
    label_counts,
)
from graft.data.fingerprint import digest
from graft.data.fingerprint.library import library_of
from graft.data.roles import is_list
from graft.data.texts import is_blank, join_tokens
from graft.data.tokens.names import INPUT_IDS
from graft.data.tokens.plan import planned
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.base import DatasetBase
    from graft.data.dataset import Dataset
    from graft.data.tokens.tokenize import Tokenization
    from graft.text.tokenizer import Tokenizer

_EMPTY_ROWS = 5
_LONGEST_EXAMPLE = 300
_MODULES = (
    "characters",
    "columns",
    "compute",
    "lengths",
    "near",
    "repeats",
    "script_table",
    "tag_counts",
)


def describe(
    splits: "Mapping[str, Dataset]",
    source: str,
    tokenizer: "Tokenizer | None",
    max_length: int | None,
    near: float | None,
) -> Description:
    """What the rows of the splits are like; see `Dataset.describe`, whose arguments these are."""
    if max_length is not None and max_length < 1:
        raise DataError(f"max_length={max_length}: give 1 or more, in tokens.")
    if max_length is not None and tokenizer is None:
        raise DataError("max_length is in tokens: give the tokenizer too, tokenizer=...")
    if tokenizer is not None and max_length is None:
        max_length = tokenizer.max_length

    def parts() -> dict[str, str]:
        inputs = {f"input {name}".strip(): one.fingerprint for name, one in splits.items()}
        return {
            **inputs,
            "splits": digest(list(splits)),
            "tokenizer": digest(tokenizer),
            "max_length": digest(max_length),
            "near": digest(near),
            "code": digest([library_of(f"graft.data.describe.{name}") for name in _MODULES]),
        }

    def write(writer: EntryWriter) -> None:
        found = _described(splits, source, tokenizer, max_length)
        if near is not None:
            found = replace(found, near=near, alike=_alike(splits, near))
        writer.metadata["description"] = found.as_dict()

    entry = computed("describe", parts, write)
    found = Description.from_dict(entry.metadata["description"])
    return replace(found, source=source)


def _described(
    splits: "Mapping[str, Dataset]",
    source: str,
    tokenizer: "Tokenizer | None",
    max_length: int | None,
) -> Description:
    with hashing() as hasher:
        reads = {name: _Reading(one, hasher, tokenizer, max_length) for name, one in splits.items()}
        figures = {name: read.figures() for name, read in reads.items()}
        leaks = list(_leaks(reads))
    return Description(source, figures, leaks, max_length)


def _alike(splits: "Mapping[str, Dataset]", near: float) -> list[Near]:
    first = next(iter(splits.values()), None)
    if first is None or not (first.roles.text or first.roles.tokens):
        return []
    return list(near_repeats(splits, near))


def _leaks(reads: "Mapping[str, _Reading]") -> Iterator[Leak]:
    """What later splits have of earlier ones, such as the test's texts that are in train."""
    names = [name for name, read in reads.items() if read.texts]
    for place, name in enumerate(names):
        for other in names[:place]:
            here, there = reads[name], reads[other]
            exact, folded, pairs = here.seen.leaked_from(there.seen)
            if folded:
                examples = [Shared(row, first, here.example(row)) for row, first in pairs]
                yield Leak(name, other, exact, folded, len(here.dataset), examples)


class _Reading:
    """Reads a split.

    Attributes:
        dataset: The split.
        texts: The columns that make up a row's text: the text and its pair, or the words.
        seen: Its texts, to be compared with those of other splits once `figures` was called.
    """

    def __init__(
        self,
        dataset: "DatasetBase",
        hasher: Hasher,
        tokenizer: "Tokenizer | None",
        max_length: int | None,
    ) -> None:
        roles = dataset.roles
        self.dataset = dataset
        first = roles.text or roles.tokens
        pair = roles.text_pair if roles.text else None
        self.texts = [name for name in (first, pair) if name is not None]
        self.seen = SeenTexts(hasher)
        self._hasher = hasher
        self._max_length = max_length
        self._plan = None if tokenizer is None or not self.texts else _plan(dataset, tokenizer)
        self._characters = LengthCounter("characters")
        self._tokens = LengthCounter("tokens")
        self._too_long = 0
        self._empty = 0
        self._empty_rows: list[int] = []
        self._letters = np.zeros(len(KINDS) + 1, np.int64)
        self._scripts = np.zeros(len(KINDS) + 1, np.int64)

    def figures(self) -> SplitFigures:
        """All figures of the split."""
        classes = self._read_texts() if self.texts else None
        self._read_tokens()
        self.seen.finish()
        entities, are_entities = entity_counts(self.dataset)
        columns = [
            describe_column(self.dataset, name, self._hasher) for name in self.dataset.column_names
        ]
        role = self.dataset.roles.label
        missing = {column.name: column.missing for column in columns}
        counters = (self._characters, self._tokens)
        told = {one.unit: one.figures() for one in counters}
        lengths = {unit: figures for unit, figures in told.items() if figures is not None}
        with_limit = "tokens" in lengths and self._max_length is not None
        found = SplitFigures(
            rows=len(self.dataset),
            empty=self._empty,
            empty_rows=self._empty_rows,
            too_long=self._too_long if with_limit else None,
            lengths=lengths,
            labels=label_counts(self.dataset),
            unlabelled=missing[role] if role else 0,
            entities=entities,
            are_entities=are_entities,
            letters=script_counts(self._letters),
            scripts=script_counts(self._scripts),
            columns=columns,
        )
        if not self.texts:
            return found
        repeats, firsts = self.seen.repeats(classes)
        examples = [
            replace(one, text=self.example(row))
            for one, row in zip(repeats.examples, firsts, strict=True)
        ]
        return replace(found, repeats=replace(repeats, examples=examples))

    def example(self, row: int) -> str:
        """The text of a row, cut where it is long."""
        taken = self.dataset.rows.take([row], self.texts).combine_chunks().to_batches()[0]
        text = str(_joined([_as_text(column) for column in taken.columns])[0].as_py())
        return text if len(text) <= _LONGEST_EXAMPLE else f"{text[: _LONGEST_EXAMPLE - 1]}…"

    def _read_texts(self) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
        """Reads the texts; returns the class of each row where there is one a row."""
        label = self.dataset.roles.label if is_single_class(self.dataset) else None
        labels = [np.zeros(0, np.int64)]
        row = 0
        for batch in batches_of(self.dataset, [*self.texts, *([label] if label else [])]):
            columns = [_as_text(batch.column(name)) for name in self.texts]
            self._count(columns, row)
            if label is not None:
                labels.append(class_numbers(batch.column(label)))
            row += batch.num_rows
        return None if label is None else np.concatenate(labels)

    def _count(self, columns: list[pa.Array], first_row: int) -> None:
        blanks = [is_blank(pa.chunked_array([column])).to_numpy() for column in columns]
        empty = np.flatnonzero(np.logical_or.reduce(blanks))
        self._empty += len(empty)
        wanted = _EMPTY_ROWS - len(self._empty_rows)
        self._empty_rows += (empty[:wanted] + first_row).tolist()
        lengths = [np.asarray(pc.utf8_length(column), np.int64) for column in columns]
        self._characters.add(np.sum(lengths, axis=0))
        joined = _joined(columns)
        self.seen.add(joined, np.logical_and.reduce(blanks))
        by_script = Texts.of(joined).by_script()
        self._letters += by_script.sum(axis=0)
        self._scripts += np.bincount(main_scripts(by_script), minlength=len(self._scripts))

    def _read_tokens(self) -> None:
        for lengths in self._token_lengths():
            self._tokens.add(lengths)
            if self._max_length is not None:
                self._too_long += int((lengths > self._max_length).sum())

    def _token_lengths(self) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
        """How many tokens rows have: of texts that are tokenized now, or were before."""
        if self._plan is not None:
            row = 0
            for batch in batches_of(self.dataset, self._plan.columns):
                for made in self._plan.apply(batch, row):
                    yield _list_lengths(made.column(INPUT_IDS))
                row += batch.num_rows
        elif not self.texts and INPUT_IDS in self.dataset.features:
            for batch in batches_of(self.dataset, [INPUT_IDS]):
                yield _list_lengths(batch.column(0))


def _plan(dataset: "DatasetBase", tokenizer: "Tokenizer") -> "Tokenization":
    return planned(
        dataset,
        tokenizer,
        text=None,
        text_pair=None,
        keep=(),
        labels="none",
        inside=False,
        entities=None,
        entity_labels=None,
        scheme="BIO",
    )


def _as_text(column: pa.Array) -> pa.Array:
    """A column of texts, or of words, as `large_string` without nulls."""
    if is_list(column.type):
        column = join_tokens(pa.chunked_array([column])).combine_chunks()
    return pc.fill_null(column.cast(pa.large_string()), "")


def _joined(columns: list[pa.Array]) -> pa.Array:
    if len(columns) == 1:
        return columns[0]
    return pc.binary_join_element_wise(*columns, pa.scalar("\n", pa.large_string()))


def _list_lengths(lists: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.asarray(pc.fill_null(pc.list_value_length(lists), 0), np.int64)
