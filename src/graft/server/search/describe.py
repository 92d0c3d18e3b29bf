"""What a repository's files say about it: task, library, languages, tags, size, weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.errors import CardError
from graft.hub.header import parse_card
from graft.server.errors import EntryNotFoundError
from graft.server.git.snapshot import Snapshot
from graft.server.names import CARD_FILE
from graft.server.records import Card, Entry, Kind
from graft.server.search import architectures, results, tables, weights
from graft.server.search.lineage import Base, bases
from graft.server.search.results import Result
from graft.server.search.tags import dataset_tags, model_tags
from graft.server.search.values import MAX_COUNT, Read, plain, read_json, text_of, texts_of

__all__ = ["MAX_CARD_BYTES", "MAX_COUNT", "Description", "Read", "describe", "read_card"]

MAX_CARD_BYTES = 2 * 1024**2
MAX_CONFIG_BYTES = 2 * 1024**2

Facts = dict[str, Any]
"""What was read out of one file: its tensors by type, or its rows and columns."""


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
    files: list[list[Any]] = field(default_factory=list)
    """`[path, size, blob, sha256 or None, pointer size]` of each, in the order of the tree."""
    facts: dict[str, Facts] = field(default_factory=dict)
    """What was read out of the files, by blob."""
    about: dict[str, Any] = field(default_factory=dict)
    bases: list[Base] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)


def describe(
    kind: Kind, snapshot: Snapshot, read: Read, known: Mapping[str, Facts] | None = None
) -> Description:
    """Reads the card, the configuration, and the heads or ends of files that have such.

    A push is there before it is read: whatever its files hold, nothing here fails because of it.

    Args:
        known: what an earlier description read out of files; the same bytes are not read again.
    """
    entries = [entry for entry in snapshot.entries(recursive=True) if entry.is_file]
    files = {entry.path: entry for entry in entries}
    card = read_card(snapshot, read)
    common: dict[str, Any] = {
        "head": snapshot.id,
        "card": card.metadata,
        "body": card.body,
        "license": next((name[:100] for name in texts_of(card.metadata.get("license"))), None),
        "size": min(sum(entry.size for entry in entries), MAX_COUNT),
        "files": [_listed(entry) for entry in entries],
    }
    if kind is Kind.DATASET:
        return Description(**common, **_of_dataset(card, files, read, known or {}))
    return Description(**common, **_of_model(card, files, read, known or {}))


def _of_model(
    card: Card, files: dict[str, Entry], read: Read, known: Mapping[str, Facts]
) -> dict[str, Any]:
    metadata = card.metadata
    config = read_json(files.get("config.json"), read, MAX_CONFIG_BYTES)
    tokenizer = read_json(files.get("tokenizer_config.json"), read, MAX_CONFIG_BYTES)
    adapter = read_json(files.get("adapter_config.json"), read, MAX_CONFIG_BYTES)
    task = text_of(metadata.get("pipeline_tag")) or architectures.task_of(config)
    library = text_of(metadata.get("library_name")) or _library_of(files, config, adapter)
    listed = results.eval_results(files, read)
    facts = {
        _blob(entry): known.get(_blob(entry)) or {"tensors": weights.count_weights(entry, read)}
        for entry in weights.weight_files(files, read)
    }
    ancestors = bases(metadata, files, config, adapter)
    brief = architectures.brief(config, tokenizer)
    about = {
        "config": brief,
        "transformersInfo": architectures.transformers_info(config, files),
        "evalResults": listed,
    }
    return {
        "task": task[:100] if task else None,
        "library": library[:100] if library else None,
        "tags": model_tags(
            metadata, card.body, files, config, task=task, library=library, bases=ancestors
        ),
        "weights": weights.add_up(fact.get("tensors", {}) for fact in facts.values()),
        "facts": facts,
        "about": {key: value for key, value in about.items() if value},
        "bases": ancestors,
        "results": results.figures(listed, metadata),
    }


def _of_dataset(
    card: Card, files: dict[str, Entry], read: Read, known: Mapping[str, Facts]
) -> dict[str, Any]:
    task = next(iter(texts_of(card.metadata.get("task_categories"))), None)
    parquet = [entry for path, entry in files.items() if path.lower().endswith(".parquet")]
    facts: dict[str, Facts] = {}
    listed = []
    for entry in parquet[: tables.MAX_FILES]:
        fact = known.get(_blob(entry)) or tables.read_table(entry, read)
        if fact:
            facts[_blob(entry)] = fact
            listed.append({"path": entry.path, "rows": fact["rows"], "blob": _blob(entry)})
    about: dict[str, Any] = {}
    if listed:
        about["tables"] = listed
        about["rows"] = min(sum(item["rows"] for item in listed), MAX_COUNT)
    return {
        "task": task[:100] if task else None,
        "library": None,
        "tags": dataset_tags(card.metadata, card.body, files),
        "facts": facts,
        "about": about,
    }


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
        metadata, body = parse_card(data.lstrip(), CARD_FILE)
        return Card(plain(metadata), plain(body))
    except (CardError, ValueError, RecursionError) as error:
        return Card({}, plain(data.decode("utf-8", "replace")), str(error))


def _blob(entry: Entry) -> str:
    """What names a file's bytes: the SHA-256 of a large one, git's id of another."""
    return entry.lfs.sha256 if entry.lfs else entry.oid


def _listed(entry: Entry) -> list[Any]:
    sha256, pointer = (entry.lfs.sha256, entry.lfs.pointer_size) if entry.lfs else (None, 0)
    return [entry.path, entry.size, entry.oid, sha256, pointer]


def _library_of(
    files: Mapping[str, Entry], config: Mapping[str, Any], adapter: Mapping[str, Any]
) -> str | None:
    if "modules.json" in files:
        return "sentence-transformers"
    if adapter:
        return "peft"
    return "transformers" if "architectures" in config else None
