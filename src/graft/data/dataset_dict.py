"""The splits of a data set by name, over one set of columns, roles and classes."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from rich.console import RenderableType

from graft.data import bad_rows, save, show
from graft.data.features import Feature, Features, class_label_in
from graft.data.labels import encode_labels
from graft.data.roles import Roles, infer_roles
from graft.data.rows import ROWS_AT_A_TIME
from graft.errors import DataError
from graft.hub.client import push_folder

if TYPE_CHECKING:
    from graft.data.dataset import Dataset
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
        self.bad_rows: pa.Table = bad_rows.SCHEMA.empty_table()

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
            )
        )

    def sort(self, column: str, *, descending: bool = False) -> "DatasetDict":
        """See `Dataset.sort`."""
        return self._each(lambda dataset: dataset.sort(column, descending=descending))

    def materialize(self) -> "DatasetDict":
        """See `Dataset.materialize`."""
        return self._each(lambda dataset: dataset.materialize())

    def shuffle(self, seed: int = 0) -> "DatasetDict":
        """See `Dataset.shuffle`."""
        return self._each(lambda dataset: dataset.shuffle(seed))

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

    def with_roles(
        self, *, text: str | None = None, text_pair: str | None = None, label: str | None = None
    ) -> "DatasetDict":
        """With roles given to other columns; those not given stay.

        A new label column becomes classes if it was not. Raises `DataError` when a column is
        missing or does not fit its role.
        """
        old = self.roles
        first = next(iter(self.values()))
        roles = infer_roles(
            first.table,
            first.features,
            where=self.source,
            text=text or old.text,
            text_pair=text_pair or old.text_pair,
            label=label or old.label,
        )
        new = self
        if label is not None and class_label_in(self.features[label]) is None:
            new = self.class_encode(label)
        return new._each(lambda dataset: dataset.with_roles_of(roles))

    def tokenize(self, tokenizer: "Tokenizer", **options: Any) -> "DatasetDict":
        """See `Dataset.tokenize`; labels of spans that are not declared are those of all splits."""
        entities = options.get("entities")
        if entities is not None and options.get("entity_labels") is None:
            from graft.data.token_plan import span_labels

            every = {name for dataset in self.values() for name in span_labels(dataset, entities)}
            declared = span_labels(next(iter(self.values())), entities)
            same = every == set(declared)
            options["entity_labels"] = declared if same else sorted(every)
        return self._each(lambda dataset: dataset.tokenize(tokenizer, **options))

    def blocks(self, size: int, **options: Any) -> "DatasetDict":
        """See `Dataset.blocks`."""
        return self._each(lambda dataset: dataset.blocks(size, **options))

    def save(self, folder: str | Path) -> None:
        """Writes every split as Parquet under `data/`, and README.md: a folder to load or push.

        `datasets` reads it with the same features. The card keeps `metadata` and gains the
        files, features and figures. All files appear at once, or none.
        """
        save.write_folder(self, Path(folder).expanduser(), self.metadata)

    def push_to_hub(self, repo_id: str, *, private: bool = False, message: str = "") -> str:
        """Uploads what `save` writes to a data set on the hub, in one commit.

        Args:
            repo_id: `owner/name`; made when it is not there (`private` counts only then).
            message: the commit's message.

        Returns the address of its page. Raises `HubError` when the hub refuses or is not there.
        """
        with tempfile.TemporaryDirectory() as folder:
            save.write_folder(self, Path(folder), self.metadata, title=repo_id)
            return push_folder(
                folder,
                repo_id,
                repo_type="dataset",
                private=private,
                message=message or f"Upload {', '.join(self)}",
                replace=[f"{save.DATA}/*.parquet"],
            )

    def _each(self, do: Callable[["Dataset"], "Dataset"]) -> "DatasetDict":
        return self._like({name: do(dataset) for name, dataset in self.items()})

    def _like(self, splits: Mapping[str, "Dataset"]) -> "DatasetDict":
        return DatasetDict(splits, source=self.source, metadata=self.metadata)
