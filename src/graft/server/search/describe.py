"""What a repository's files say about it: task, library, languages, tags, size, weights."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from graft.errors import CardError
from graft.hub.header import parse_card
from graft.server.errors import EntryNotFoundError
from graft.server.git.snapshot import Snapshot
from graft.server.names import CARD_FILE
from graft.server.records import Card, Entry, Kind

MAX_TAGS = 300
MAX_TAG_LENGTH = 200
MAX_SAFETENSORS_HEADER = 16 * 1024**2
MAX_CARD_BYTES = 2 * 1024**2
MAX_CONFIG_BYTES = 2 * 1024**2
MAX_COUNT = 2**63 - 1
"""The most that the database can count to."""
MAX_INTEGER_BITS = 1024

Read = Callable[[Entry, int, int], bytes]
"""(entry, start, length) -> that part of the file, large files included.

Raises EntryNotFoundError where the repository does not hold the file's bytes."""

# Endings of class names in `config.json`, and the task that such a model does.
_TASK_OF_ARCHITECTURE = {
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMultipleChoice": "multiple-choice",
    "ForMaskedLM": "fill-mask",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
}

# Keys of a data set's card whose values become tags `key:value`.
_DATASET_FACETS = {
    "task_categories": "task",
    "task_ids": "other",
    "size_categories": "other",
    "multilinguality": "other",
    "annotations_creators": "other",
    "language_creators": "other",
    "source_datasets": "other",
}


@dataclass(frozen=True)
class Description:
    """Everything about one commit that the database keeps to list and find its repository."""

    head: str
    card: dict[str, Any]
    body: str
    tags: dict[str, str]
    """Tag -> facet (task, library, language, license, dataset, other)."""
    task: str | None
    library: str | None
    license: str | None
    size: int
    weights: dict[str, int] = field(default_factory=dict)


def describe(kind: Kind, snapshot: Snapshot, read: Read) -> Description:
    """Reads the card, `config.json` and the heads of safetensors files.

    A push is there before it is read: whatever its files hold, nothing here fails because of it.
    """
    files = {e.path: e for e in snapshot.entries(recursive=True) if e.is_file}
    card = read_card(snapshot, read)
    config = read_config(files.get("config.json"), read) if kind is Kind.MODEL else {}
    metadata = card.metadata
    task = _text(metadata.get("pipeline_tag")) or _task_of(config)
    library = _text(metadata.get("library_name")) or _library_of(files, config)
    if kind is Kind.DATASET:
        task, library = next(iter(_texts(metadata.get("task_categories"))), None), None
    license_name = next(iter(_texts(metadata.get("license"))), None)
    return Description(
        head=snapshot.id,
        card=metadata,
        body=card.body,
        tags=_tags(kind, metadata, task, library, files),
        task=task,
        library=library,
        license=license_name,
        size=min(sum(entry.size for entry in files.values()), MAX_COUNT),
        weights=_weights(files.values(), read),
    )


def read_card(snapshot: Snapshot, read: Read) -> Card:
    """README.md taken apart; a card that cannot be read is all body, with the reason beside it."""
    try:
        entry = snapshot.entry(CARD_FILE)
    except EntryNotFoundError:
        return Card({}, "")
    if not entry.is_file:
        return Card({}, "")
    try:
        data = read(entry, 0, min(entry.size, MAX_CARD_BYTES))
    except EntryNotFoundError as error:
        return Card({}, "", str(error))
    try:
        metadata, body = parse_card(data, CARD_FILE)
        return Card(plain(metadata), body)
    except (CardError, ValueError, RecursionError) as error:
        return Card({}, data.decode("utf-8", "replace"), str(error))


def read_config(entry: Entry | None, read: Read) -> dict[str, Any]:
    """A model's `config.json`; empty where there is none that can be read."""
    if entry is None or not entry.is_file or entry.size > MAX_CONFIG_BYTES:
        return {}
    try:
        config = plain(json.loads(read(entry, 0, entry.size)))
    except (ValueError, RecursionError, EntryNotFoundError):
        return {}
    return config if isinstance(config, dict) else {}


def plain(value: Any) -> Any:
    """`value` with nothing in it that JSON, UTF-8 or the database cannot say."""
    if isinstance(value, dict):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_INTEGER_BITS else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value).encode("utf-8", "replace").decode()


def _tags(
    kind: Kind,
    metadata: dict[str, Any],
    task: str | None,
    library: str | None,
    files: Iterable[str],
) -> dict[str, str]:
    tags: dict[str, str] = {}

    def add(facet: str, names: Iterable[str], prefix: str = "") -> None:
        for name in names:
            tag = f"{prefix}{name}"
            if len(tag) <= MAX_TAG_LENGTH and len(tags) < MAX_TAGS:
                tags.setdefault(tag, facet)

    if kind is Kind.MODEL:
        add("task", [task] if task else [])
        add("library", [library] if library else [])
        if any(path.endswith(".safetensors") for path in files):
            add("library", ["safetensors"])
        add("dataset", _texts(metadata.get("datasets")), "dataset:")
        add("other", _texts(metadata.get("base_model")), "base_model:")
    else:
        for key, facet in _DATASET_FACETS.items():
            add(facet, _texts(metadata.get(key)), f"{key}:")
    add("language", _texts(metadata.get("language")), "language:")
    add("license", _texts(metadata.get("license")), "license:")
    add("other", _texts(metadata.get("tags")))
    return tags


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for item in values if (text := _text(item))]


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _task_of(config: dict[str, Any]) -> str | None:
    for architecture in _texts(config.get("architectures")):
        for ending, task in _TASK_OF_ARCHITECTURE.items():
            if architecture.endswith(ending):
                return task
    return None


def _library_of(files: Iterable[str], config: dict[str, Any]) -> str | None:
    if "modules.json" in files:
        return "sentence-transformers"
    return "transformers" if "architectures" in config else None


def _weights(files: Iterable[Entry], read: Read) -> dict[str, int]:
    """How many numbers of each type the safetensors files at the top of the repository hold."""
    counts: Counter[str] = Counter()
    for entry in files:
        if entry.path.endswith(".safetensors") and "/" not in entry.path:
            counts.update(_count_weights(entry, read))
    return {dtype: min(count, MAX_COUNT) for dtype, count in counts.items()}


def _count_weights(entry: Entry, read: Read) -> Counter[str]:
    counts: Counter[str] = Counter()
    if entry.size < 8:
        return counts
    try:
        length = int.from_bytes(read(entry, 0, 8), "little")
        if length > min(entry.size - 8, MAX_SAFETENSORS_HEADER):
            return counts
        tensors = json.loads(read(entry, 8, length))
        for name, tensor in tensors.items():
            if name != "__metadata__":
                counts[plain(str(tensor["dtype"]))] += _count_numbers(tensor["shape"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return Counter()  # not a safetensors file, whatever its name: a hub keeps any file
    except EntryNotFoundError:
        return Counter()
    return counts


def _count_numbers(shape: list[Any]) -> int:
    """How many numbers a tensor holds. What is more than anybody has is not worth multiplying."""
    count = 1
    for length in shape:
        count = min(count * int(length), MAX_COUNT)
    return max(count, 0)
