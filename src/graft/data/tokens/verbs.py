"""What makes tokens of a data set's texts, and blocks of tokens."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

import pyarrow as pa

from graft.data.base import DatasetBase
from graft.data.cache import EntryWriter, computed
from graft.data.features import Features
from graft.data.fingerprint import digest
from graft.data.fingerprint.library import library_of
from graft.data.ray_engine import Engine, check_engine, in_order_by_ray
from graft.data.roles import Roles
from graft.data.rows import Rows
from graft.data.tokens.align import Alignment
from graft.data.tokens.blocks import Blocks
from graft.data.tokens.names import INPUT_IDS
from graft.data.tokens.plan import check_tokenized, planned
from graft.data.tokens.tokenize import ROWS_AT_A_TIME, Tokenization
from graft.text.truncation import Truncation

if TYPE_CHECKING:
    from graft.text.tokenizer import Tokenizer

_ROWS = "rows"
# What else than options and rules decides the tokens. A new version of Graft counts too.
_CODE_OF_TOKENS = (
    "graft.data.tokens.tokenize",
    "graft.data.tokens.align",
    "graft.data.tokens.spans",
)


class _Made(NamedTuple):
    """What a step makes: its schema, features and roles."""

    schema: pa.Schema
    features: Features
    roles: Roles


@dataclass(frozen=True)
class _Tokenizing:
    """A plan over blocks of rows, `ROWS_AT_A_TIME` each."""

    plan: Tokenization
    rows: Rows

    def __call__(self, block: int) -> list[pa.RecordBatch]:
        return list(self.made(block))

    def made(self, block: int) -> Iterator[pa.RecordBatch]:
        """The tokens of a block, one batch after the other."""
        row = block * ROWS_AT_A_TIME
        stop = row + ROWS_AT_A_TIME
        for batch in self.rows.batches(ROWS_AT_A_TIME, self.plan.columns, start=row, stop=stop):
            yield from self.plan.apply(batch, row)
            row += batch.num_rows


class TokenVerbs(DatasetBase):
    """From texts to tokens, and from tokens to blocks of them."""

    def tokenize(
        self,
        tokenizer: "Tokenizer",
        *,
        max_length: int | None = None,
        stride: int | None = None,
        truncation: Truncation = "longest_first",
        text: str | None = None,
        text_pair: str | None = None,
        keep: Sequence[str] = (),
        spans: bool = False,
        labels: Alignment = "first",
        inside: bool = False,
        entities: str | None = None,
        entity_labels: Sequence[str] | None = None,
        scheme: str = "BIO",
        add_special_tokens: bool = True,
        num_threads: int | None = None,
        cache: bool = True,
        engine: Engine = "local",
    ) -> Self:
        """The rows as token ids, which batches are made of: see `BatchLoader`.

        The new columns are `input_ids`; `token_type_ids` for pairs; `offset_mapping` and `word_ids`
        with `spans`; `labels`, where words have tags or there are `entities`; and `source_row` with
        `stride`. The label column stays, and those of `keep`. What was tokenized before with the
        same rules and options is found in the cache.

        Args:
            tokenizer: From texts to ids.
            max_length: Rows longer than this many tokens are cut.
            stride: In place of being cut, long texts become several rows, windows, each of which
                repeats this many tokens of the one before. `source_row` is the row of this data set
                that each is of; see `graft.data.windows`.
            truncation: What is cut of a pair: its longer text first, or always the same one.
            text: The column of texts, or of lists of words, which are joined by single spaces;
                by default the one with the role `tokens` where words have tags, else `text`.
            text_pair: The column of second texts; by default the one that has the role.
            keep: Other columns to keep.
            spans: Whether to tell where each token stands in its text, in characters (special
                tokens: 0 to 0), and which word it is of (special tokens: -1).
            labels: Where words have tags: which tokens of a word get its tag. "first": its first
                one, and the others -100, which losses ignore; "all": all of them; "none": tags are
                left out. Special tokens get -100.
            inside: With "all", the later tokens of a word that begins a stretch (`B-x`) are inside
                it (`I-x`); with BIOES, what ends a stretch ends it with the word's last token.
            entities: A column of labelled spans of the text, lists of {start, end, label} in
                characters, which become tags of the tokens: see `graft.data.tokens.spans`.
            entity_labels: The labels of spans, in the order of their tags; by default the declared
                classes or else the names that occur, sorted.
            scheme: Which tags these are: "BIO" (IOB2), "BIOES", "BILOU" or "BMES".
            add_special_tokens: Whether rows get the special tokens that the model expects.
            num_threads: How many threads the engine uses; by default one for each processor.
            cache: Whether the result is kept for the next time.
            engine: "ray" has Ray Data do the work, on one machine or many (`graft-nlp[ray]`); the
                rows are the same. See `graft.data.ray_engine`.

        Raises:
            DataError: A column is not there or holds something else, options contradict each other,
                a row has not one tag for each word, or spans overlap.
        """
        check_engine(engine)
        plan = planned(
            self,
            tokenizer,
            text=text,
            text_pair=text_pair,
            keep=keep,
            labels=labels,
            inside=inside,
            entities=entities,
            entity_labels=entity_labels,
            scheme=scheme,
            max_length=max_length,
            stride=stride,
            truncation=truncation,
            special_tokens=add_special_tokens,
            spans=spans,
            threads=num_threads,
        )

        def batches() -> Iterator[pa.RecordBatch]:
            work = _Tokenizing(plan, self._rows)
            count = -(-len(self) // ROWS_AT_A_TIME)
            if engine == "local":
                for block in range(count):
                    yield from work.made(block)
            else:
                for made in in_order_by_ray(work, count):
                    yield from made

        def parts() -> dict[str, str]:
            options = {name: digest(value) for name, value in plan.options.items()}
            code = digest([library_of(module) for module in _CODE_OF_TOKENS])
            fixed = {"tokenizer": digest(tokenizer), "roles": digest(plan.roles), "code": code}
            return {**fixed, **options}

        made = _Made(plan.schema, plan.made, plan.roles)
        return self._streamed("tokenize", parts, made, batches, cache)

    def blocks(
        self,
        size: int,
        *,
        across_documents: bool = True,
        separator_id: int | None = None,
        drop_last: bool = False,
        cache: bool = True,
    ) -> Self:
        """The token ids cut into blocks of `size`, for training language models.

        Where nothing stands between documents and nothing is left out, blocks are views of the
        tokens, and nothing is copied; else they are kept in the cache.

        Args:
            size: Tokens in a block.
            across_documents: Whether rows are laid end to end before they are cut, so that all
                blocks but the last one are full; else each row is cut by itself, and has a last
                block of its own.
            separator_id: A token put behind every row.
            drop_last: Whether last blocks that are not full are left out.
            cache: Whether what has to be copied is kept for the next time.

        Returns:
            A data set with the one column `input_ids`; no block is longer than `size`, or empty.

        Raises:
            DataError: The rows are not tokenized, or `size` is less than 1.
        """
        check_tokenized(self)
        plan = Blocks(size, across_documents, separator_id, drop_last)
        schema = pa.schema([self._rows.schema.field(INPUT_IDS)])
        made = _Made(schema, {INPUT_IDS: self._features[INPUT_IDS]}, Roles())

        def cut(columns: Iterable[pa.Array]) -> Iterator[pa.RecordBatch]:
            for lists in plan.cut(columns):
                array = lists.cast(schema.field(0).type)
                yield pa.RecordBatch.from_arrays([array], schema=schema)

        if self._rows.order is None and plan.are_views:
            table = pa.Table.from_batches(cut(self._rows.table.column(INPUT_IDS).chunks), schema)
            fingerprint = self._identity.then("blocks", size, across_documents, drop_last)
            return self._like(Rows(table), fingerprint, features=made.features, roles=made.roles)

        def batches() -> Iterator[pa.RecordBatch]:
            return cut(batch.column(0) for batch in self.batches(columns=[INPUT_IDS]))

        def parts() -> dict[str, str]:
            options = {name: digest(value) for name, value in plan.options.items()}
            return {"code": digest(library_of(Blocks.__module__)), **options}

        return self._streamed("blocks", parts, made, batches, cache)

    def _streamed(
        self,
        name: str,
        parts: Callable[[], Mapping[str, str]],
        made: _Made,
        batches: Callable[[], Iterator[pa.RecordBatch]],
        cache: bool,
    ) -> Self:
        """The rows that a step makes of these, written batch by batch and opened memory-mapped."""

        def write(writer: EntryWriter) -> None:
            with writer.table(_ROWS, made.schema) as table:
                for batch in batches():
                    table.write(batch)

        def every_part() -> dict[str, str]:
            return {"input": self.fingerprint, **parts()}

        entry = computed(name, every_part, write, cache=cache)
        return type(self)(
            entry.tables[_ROWS],
            features=made.features,
            roles=made.roles,
            source=self._source,
            fingerprint=entry.fingerprint,
        )
