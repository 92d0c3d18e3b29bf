"""The splits of a data set by name, over one set of columns, roles and classes."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import RenderableType

from graft.data import show
from graft.data.duplicates.splits import deduplicated
from graft.data.features import Feature, Features, class_label_in
from graft.data.formats import bad_rows
from graft.data.labels import encode_labels
from graft.data.ray_engine import Engine
from graft.data.roles import Roles, infer_roles
from graft.data.rows import ROWS_AT_A_TIME
from graft.data.tags import TagProblem, scheme_of
from graft.data.tokens.plan import span_labels
from graft.data.writing import save
from graft.data.writing.card import DEFAULT
from graft.data.writing.disk import write_to_disk
from graft.data.writing.push import push
from graft.data.writing.shards import SHARD_BYTES, parse_size
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.data.dataset import Dataset
    from graft.data.describe.figures import Description
    from graft.text.tokenizer import Tokenizer


class DatasetDict(dict[str, "Dataset"]):
    """Splits by name: `data["train"]`. All have the same columns, roles and classes.

    Methods that a `Dataset` has too do to every split what they do to one.

    Attributes:
        source: where it comes from, for people.
        metadata: what its card's YAML header says.
        bad_rows: rows of the files that were set aside when it was loaded: see `load_dataset`.
    """

    def __init__(
        self,
        splits: Mapping[str, "Dataset"],
        *,
        source: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """Keeps `splits` in their order; `metadata` is what a card's YAML header says.

        Raises `DataError` when there is none, or when features or roles differ between splits.
        """
        super().__init__(splits)
        if not splits:
            raise DataError("A data set needs at least one split.")
        first_name, first = next(iter(self.items()))
        for name, dataset in self.items():
            if dataset.features != first.features or dataset.roles != first.roles:
                raise DataError(
                    f"The splits {first_name!r} and {name!r} differ: {show.summary(first)} / "
                    f"{show.summary(dataset)}. Bring them to the same columns, types and roles."
                )
        self.source = first.source if source is None else source
        self.metadata: dict[str, Any] = dict(metadata or {})
        self.bad_rows: pa.Table = bad_rows.NONE

    def __missing__(self, name: str) -> "Dataset":
        raise DataError(f"{self.source} has no split {name!r}. Its splits are: {', '.join(self)}.")

    @property
    def features(self) -> Features:
        """What each column holds, by name."""
        return next(iter(self.values())).features

    @property
    def roles(self) -> Roles:
        """Which columns are the text, its pair and the label."""
        return next(iter(self.values())).roles

    @property
    def label_names(self) -> list[str]:
        """The classes' names in the order of their numbers; [] when the label is not a class."""
        return next(iter(self.values())).label_names

    def __repr__(self) -> str:
        return show.as_text(self)

    def __rich__(self) -> RenderableType:
        return show.as_table(self)

    def _repr_html_(self) -> str:
        return show.as_html(self)

    def map(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
        num_proc: int = 1,
        remove: Sequence[str] = (),
        features: Features | None = None,
        cache: bool = True,
        engine: Engine = "local",
    ) -> "DatasetDict":
        """See `Dataset.map`."""
        return self._each(
            lambda dataset: dataset.map(
                fn,
                batched=batched,
                batch_size=batch_size,
                with_index=with_index,
                num_proc=num_proc,
                remove=remove,
                features=features,
                cache=cache,
                engine=engine,
            )
        )

    def filter(
        self,
        fn: Callable[..., Any],
        *,
        batched: bool = False,
        batch_size: int = ROWS_AT_A_TIME,
        with_index: bool = False,
        num_proc: int = 1,
        cache: bool = True,
        engine: Engine = "local",
    ) -> "DatasetDict":
        """See `Dataset.filter`."""
        return self._each(
            lambda dataset: dataset.filter(
                fn,
                batched=batched,
                batch_size=batch_size,
                with_index=with_index,
                num_proc=num_proc,
                cache=cache,
                engine=engine,
            )
        )

    def sort(
        self, column: str | Sequence[str], *, descending: bool | Sequence[bool] = False
    ) -> "DatasetDict":
        """See `Dataset.sort`."""
        return self._each(lambda dataset: dataset.sort(column, descending=descending))

    def materialize(self) -> "DatasetDict":
        """See `Dataset.materialize`."""
        return self._each(lambda dataset: dataset.materialize())

    def shuffle(self, seed: int | None = 0) -> "DatasetDict":
        """See `Dataset.shuffle`."""
        return self._each(lambda dataset: dataset.shuffle(seed))

    def subset(self, fraction: float, seed: int | None = 0) -> "DatasetDict":
        """See `Dataset.subset`."""
        return self._each(lambda dataset: dataset.subset(fraction, seed))

    def deduplicate(
        self,
        columns: Sequence[str] | None = None,
        near: float | None = None,
        *,
        words: int = 3,
        across: bool = False,
    ) -> "DatasetDict":
        """See `Dataset.deduplicate`.

        With `across`, rows are compared with those of the other splits too, and later splits keep
        theirs: a row of "train" that is in "test" too leaves "train", so that no figure is measured
        on what was learned.
        """
        if across:
            return self._like(deduplicated(self, columns, near, words))
        return self._each(lambda dataset: dataset.deduplicate(columns, near, words=words))

    def rename(self, names: Mapping[str, str]) -> "DatasetDict":
        """See `Dataset.rename`."""
        return self._each(lambda dataset: dataset.rename(names))

    def remove(self, *columns: str) -> "DatasetDict":
        """See `Dataset.remove`."""
        return self._each(lambda dataset: dataset.remove(*columns))

    def cast(self, column: str, feature: Feature) -> "DatasetDict":
        """See `Dataset.cast`."""
        return self._each(lambda dataset: dataset.cast(column, feature))

    def class_encode(self, column: str) -> "DatasetDict":
        """A column of strings or numbers as classes: those of "train", which all splits share.

        Raises `DataError` when another split has a value that "train" lacks.
        """
        columns = {name: dataset.column(column) for name, dataset in self.items()}

        def where(split: str, row: int) -> str:
            return f"{self[split].source}, row {row} (counted from 0), column {column!r}"

        encoded, feature = encode_labels(columns, None, where)
        return self._like(
            {name: self[name].with_column(column, encoded[name], feature) for name in self}
        )

    def tag_scheme(self, column: str | None = None) -> str | None:
        """The scheme of a column of tags, told from all splits; see `Dataset.tag_scheme`."""
        first = next(iter(self.values()))
        name, names = first.tag_column(column), first.tag_names(column)
        chunks = [chunk for dataset in self.values() for chunk in dataset.column(name).chunks]
        return scheme_of(pa.chunked_array(chunks, first.column(name).type), names)

    def check_tags(
        self, column: str | None = None, *, scheme: str | None = None, limit: int = 100
    ) -> dict[str, list[TagProblem]]:
        """For each split, the tags that their scheme does not allow; see `Dataset.check_tags`."""
        found = scheme or self.tag_scheme(column)
        return {
            name: dataset.check_tags(column, scheme=found, limit=limit)
            for name, dataset in self.items()
        }

    def convert_tags(
        self,
        scheme: str,
        column: str | None = None,
        *,
        source: str | None = None,
        repair: bool = False,
    ) -> "DatasetDict":
        """The tags of all splits in another scheme; see `Dataset.convert_tags`."""
        source = source or self.tag_scheme(column)
        return self._each(
            lambda dataset: dataset.convert_tags(scheme, column, source=source, repair=repair)
        )

    def with_roles(
        self,
        *,
        text: str | None = None,
        text_pair: str | None = None,
        label: str | None = None,
        tokens: str | None = None,
        tags: str | None = None,
        answers: str | None = None,
        target: str | None = None,
    ) -> "DatasetDict":
        """With roles given to other columns; those not given stay.

        A new label column becomes classes if it was not. Raises `DataError` when a column is
        missing or does not fit its role.
        """
        old = self.roles
        first = next(iter(self.values()))
        given = {
            **old.given(),
            **Roles(text, text_pair, label, tokens, tags, answers, target).given(),
        }
        # As stored: what a column holds does not depend on the order.
        roles = infer_roles(first.rows.table, first.features, where=self.source, **given)
        new = self
        if label is not None and class_label_in(self.features[label]) is None:
            new = self.class_encode(label)
        return new._each(lambda dataset: dataset.with_roles_of(roles))

    def tokenize(self, tokenizer: "Tokenizer", **options: Any) -> "DatasetDict":
        """See `Dataset.tokenize`; labels of spans that are not declared are those of all splits."""
        entities = options.get("entities")
        if entities is not None and options.get("entity_labels") is None:
            every = {name for dataset in self.values() for name in span_labels(dataset, entities)}
            declared = span_labels(next(iter(self.values())), entities)
            same = every == set(declared)
            options["entity_labels"] = declared if same else sorted(every)
        return self._each(lambda dataset: dataset.tokenize(tokenizer, **options))

    def blocks(self, size: int, **options: Any) -> "DatasetDict":
        """See `Dataset.blocks`."""
        return self._each(lambda dataset: dataset.blocks(size, **options))

    def describe(
        self,
        tokenizer: "Tokenizer | None" = None,
        *,
        max_length: int | None = None,
        near: float | None = None,
    ) -> "Description":
        """What the rows of every split are like, and which texts are in two; `Dataset.describe`."""
        from graft.data.describe.compute import describe

        return describe(self, self.source, tokenizer, max_length, near)

    def save(
        self,
        folder: str | Path,
        *,
        config: str | None = None,
        max_shard_size: int | str = SHARD_BYTES,
    ) -> None:
        """Writes every split as Parquet, and README.md: a folder to load or push.

        `datasets` reads it with the same features. The card keeps `metadata`, and what a card in
        the folder says besides, and gains the files, features and figures. Rows are written batch
        by batch, however many there are. All files appear at once, or none.

        Args:
            folder: where to. Other configurations in it stay; of this one it replaces all files.
            config: the name of the configuration that the splits are, in a folder with several.
            max_shard_size: how much a file may hold, as bytes in memory or "500MB".

        Raises `DataError` for a name that cannot be that of a file, and for values that are not of
        their feature.
        """
        where = Path(folder).expanduser()
        layout = save.Layout(where.name, config or DEFAULT, parse_size(max_shard_size))
        save.save_folder(self, where, self.metadata, layout)

    def save_to_disk(self, folder: str | Path, *, max_shard_size: int | str = SHARD_BYTES) -> None:
        """Writes Arrow files as `save_to_disk` of `datasets` does, for its `load_from_disk`.

        `load_dataset` loads the folder too. All files appear at once, or none.
        """
        write_to_disk(self, Path(folder).expanduser(), parse_size(max_shard_size))

    def push_to_hub(
        self,
        repo_id: str,
        *,
        config: str | None = None,
        max_shard_size: int | str = SHARD_BYTES,
        private: bool = False,
        message: str = "",
    ) -> str:
        """Uploads what `save` writes to a data set on the hub, in one commit.

        Older files of the configuration go in the same commit; other configurations, and what
        people wrote into the card, stay. What the hub has already is not sent again.

        Args:
            repo_id: `owner/name`; made when it is not there (`private` counts only then).
            config: the name of the configuration that the splits are, in a repository with several.
            max_shard_size: how much a file may hold, as bytes in memory or "500MB".
            private: whether only you see a repository that is made.
            message: the commit's message.

        Returns the address of its page. Raises `HubError` when the hub refuses or is not there.
        """
        return push(
            self,
            repo_id,
            self.metadata,
            config=config or DEFAULT,
            most_bytes=parse_size(max_shard_size),
            private=private,
            message=message,
        )

    def _each(self, do: Callable[["Dataset"], "Dataset"]) -> "DatasetDict":
        return self._like({name: do(dataset) for name, dataset in self.items()})

    def _like(self, splits: Mapping[str, "Dataset"]) -> "DatasetDict":
        return DatasetDict(splits, source=self.source, metadata=self.metadata)
