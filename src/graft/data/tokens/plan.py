"""What `tokenize` is asked for, found out from the columns and roles of the data set."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, get_args

import pyarrow as pa
import pyarrow.compute as pc

from graft.data.features import Feature, Features, Struct, arrow_type_of, class_label_in
from graft.data.features import Sequence as ListOf
from graft.data.roles import Roles, is_list, is_text, is_tokens
from graft.data.tags.schemes import tag_names
from graft.data.tokens.align import Alignment
from graft.data.tokens.names import INPUT_IDS
from graft.data.tokens.spans import span_scheme
from graft.data.tokens.tokenize import Labels, Tokenization
from graft.errors import DataError

if TYPE_CHECKING:
    from graft.text.tokenizer import Tokenizer


class Described(Protocol):
    """What is read of a data set, in memory or streamed, to plan its tokenizing."""

    @property
    def source(self) -> str: ...
    @property
    def features(self) -> Features: ...
    @property
    def roles(self) -> Roles: ...
    @property
    def text_column(self) -> str: ...
    def batches(
        self, size: int = ..., columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]: ...


def planned(
    dataset: Described,
    tokenizer: "Tokenizer",
    *,
    text: str | None,
    text_pair: str | None,
    keep: Sequence[str],
    labels: Alignment,
    inside: bool,
    entities: str | None,
    entity_labels: Sequence[str] | None,
    scheme: str,
    **options: Any,
) -> Tokenization:
    """The plan of `Dataset.tokenize`, whose arguments these are.

    Raises:
        DataError: A column is not there or holds something else, or options contradict each other.
    """
    if not hasattr(tokenizer, "encode_batch"):
        given = repr(tokenizer) if isinstance(tokenizer, str) else type(tokenizer).__name__
        raise DataError(
            f"tokenize: {given} is no tokenizer of Graft's. Give one: "
            "graft.Tokenizer.from_pretrained('<folder or id>')."
        )
    if labels not in get_args(Alignment):
        choices = ", ".join(get_args(Alignment))
        raise DataError(f"labels is {labels!r}; it may be {choices}.")
    if isinstance(keep, str):
        raise DataError(f"keep is a list of columns: keep=[{keep!r}].")
    roles = dataset.roles
    read = text or _text_to_read(dataset, labels, entities)
    _check_readable(dataset, read)
    if text_pair is None and read == roles.text:
        text_pair = roles.text_pair
    if text_pair is not None:
        _check_readable(dataset, text_pair)
    kept = [name for name in (roles.label, *keep) if name is not None]
    for name in kept:
        _type_of(dataset, name)
    plan = Tokenization(
        tokenizer=tokenizer,
        features=dataset.features,
        where=dataset.source,
        text=read,
        text_pair=text_pair,
        keep=tuple(dict.fromkeys(kept)),
        labels=(
            _labels_of_spans(dataset, read, entities, entity_labels, scheme)
            if entities is not None
            else _labels_of_words(dataset, read, labels, inside)
        ),
        roles=Roles(label=roles.label),
        **options,
    )
    # What is wrong with the options is said now, and not at the first text.
    tokenizer.encode_batch(
        [],
        None if text_pair is None else [],
        max_length=plan.max_length,
        stride=plan.stride,
        truncation=plan.truncation,
        add_special_tokens=plan.special_tokens,
    )
    return plan


def check_tokenized(dataset: Described, column: str = INPUT_IDS) -> None:
    """Raises `DataError` unless `column` is there and holds lists of whole numbers."""
    if column not in dataset.features:
        raise DataError(
            f"{dataset.source} is not tokenized: there is no column {column!r} among "
            f"{', '.join(dataset.features)}. Tokenize it: dataset.tokenize(tokenizer)."
        )
    kind = _type_of(dataset, column)
    if not (is_list(kind) and pa.types.is_integer(kind.value_type)):
        raise DataError(
            f"{dataset.source}, column {column!r} holds {kind}; lists of token ids were expected."
        )


def _text_to_read(dataset: Described, labels: Alignment, entities: str | None) -> str:
    roles = dataset.roles
    words = roles.tokens
    with_tags = roles.tags is not None and labels != "none" and entities is None
    if words is not None and (roles.text is None or with_tags):
        return words
    return dataset.text_column


def _check_readable(dataset: Described, column: str) -> None:
    kind = _type_of(dataset, column)
    empty = pa.types.is_null(kind)
    if not (is_text(kind) or is_tokens(kind) or empty):
        raise DataError(
            f"{dataset.source}, column {column!r}: texts, or lists of words, were expected, but it "
            f"holds {kind}."
        )


def _labels_of_words(
    dataset: Described, text: str, labels: Alignment, inside: bool
) -> Labels | None:
    tags = dataset.roles.tags
    if tags is None or labels == "none" or not is_list(_type_of(dataset, text)):
        return None
    kind = _type_of(dataset, tags)
    if not is_list(kind) or not pa.types.is_integer(kind.value_type):
        raise DataError(
            f"{dataset.source}, column {tags!r}: classes of tags were expected, but it holds "
            f"{kind}. Make classes of them: class_encode({tags!r})."
        )
    classes = class_label_in(dataset.features[tags])
    names = None if classes is None else list(classes.names)
    return Labels(tags, names, labels, inside)


def _labels_of_spans(
    dataset: Described, text: str, entities: str, labels: Sequence[str] | None, scheme: str
) -> Labels:
    if is_list(_type_of(dataset, text)):
        raise DataError(
            f"{dataset.source}: spans are of characters, but {text!r} holds lists of words. Give "
            "the column of the text: text='<column>'."
        )
    found = span_labels(dataset, entities)
    names = found if labels is None else list(labels)
    if labels is not None and sorted(set(names)) != sorted(names):
        raise DataError(f"entity_labels has a label twice: {', '.join(names)}.")
    full = span_scheme(scheme)
    return Labels(entities, tag_names(names, full), "spans", span_labels=names, scheme=full)


def span_labels(dataset: Described, column: str) -> list[str]:
    """The names of the labels of a column of spans: declared ones, or those that occur, sorted.

    Raises `DataError` where it does not hold lists of records `start`, `end` and `label`.
    """
    kind = _type_of(dataset, column)
    shaped = is_list(kind) and pa.types.is_struct(kind.value_type)
    if not shaped or not {"start", "end", "label"} <= {each.name for each in kind.value_type}:
        raise DataError(
            f"{dataset.source}, column {column!r} holds {kind}; spans are lists of records of "
            "start, end and label."
        )
    declared = class_label_in(_field(dataset.features[column], "label"))
    if declared is not None:
        return list(declared.names)
    found: set[str] = set()
    for batch in dataset.batches(columns=[column]):
        labels = pc.struct_field(pc.list_flatten(batch.column(0)), "label")
        if not is_text(labels.type):
            raise DataError(
                f"{dataset.source}: the labels of the spans in {column!r} are {labels.type}, "
                "neither names nor declared classes."
            )
        found.update(pc.unique(labels).drop_null().to_pylist())
    return sorted(found)


def _field(feature: Feature, name: str) -> Feature | None:
    record = feature.feature if isinstance(feature, ListOf) else None
    return record.fields.get(name) if isinstance(record, Struct) else None


def _type_of(dataset: Described, column: str) -> pa.DataType:
    """The Arrow type of a column. Raises `DataError` where there is none such."""
    if column not in dataset.features:
        raise DataError(
            f"{dataset.source} has no column {column!r}. "
            f"Its columns are: {', '.join(dataset.features)}."
        )
    return arrow_type_of(dataset.features[column])
