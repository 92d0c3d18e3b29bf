"""Filling a Hub with many repositories in a minute, for measuring lists and searches.

Every repository is a real one: a row with all that the index knows, and a bare git repository that
can be fetched and cloned. What makes it quick: a few hundred different commits are made in one git
repository, and described by the Hub's own code; every repository then is a folder of its own that
borrows the objects of that one (git's `objects/info/alternates`) and whose `main` is one of these
commits. Rows are written in bulk, in one transaction.
"""

import json
import random
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2
from sqlalchemy import insert, text

from graft.server.db.tables import (
    AccountRow,
    BaseModelRow,
    ContentsRow,
    RepositoryRow,
    TagRow,
)
from graft.server.git.attributes import default_attributes
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.records import Entry, Kind
from graft.server.search.describe import Description, describe
from graft.server.search.text import index_words
from graft.server.settings import Settings

OWNERS = 500
TEMPLATES = {Kind.MODEL: 600, Kind.DATASET: 150}
BATCH = 5000


def _list(text: str) -> list[str]:
    return text.split()


TASKS = _list(
    "text-classification token-classification question-answering fill-mask text-generation "
    "summarization translation sentence-similarity feature-extraction zero-shot-classification"
)
LIBRARIES = _list("transformers graft sentence-transformers peft spacy fasttext")
LANGUAGES = _list("en de fr es it zh ja ko ru ar pt nl pl tr hi sv fi da cs el he uk vi th id")
LICENSES = _list("apache-2.0 mit cc-by-4.0 openrail bsd-3-clause gpl-3.0 other llama2")
FAMILIES = _list("bert roberta distilbert deberta electra albert gpt2 llama mistral qwen t5 bart")
SIZES = _list("tiny mini small base large xl 1b 3b 7b")
DATASETS = _list("squad imdb sst2 mnli conll2003 trec ag_news xnli wikitext c4 oscar dolly")


@dataclass(frozen=True)
class Filled:
    """What a filled Hub can be asked for: names of repositories, and words of the cards."""

    models: list[str]
    datasets: list[str]
    words: list[str]

    @property
    def public(self) -> list[str]:
        """The models that anybody may see."""
        return [name for number, name in enumerate(self.models) if not _is_private(number)]


def fill(folder: Path, models: int, datasets: int, seed: int = 0) -> Filled:
    """Makes a Hub in `folder` with so many repositories, or takes the one that is there."""
    kept = folder / "filled.json"
    if kept.exists():
        return Filled(**json.loads(kept.read_text()))
    chance = random.Random(seed)
    hub = Hub(Settings(data_folder=folder))
    words = _vocabulary(chance)
    store = pygit2.init_repository(str(folder / "repositories" / "templates.git"), bare=True)
    owners = _owners(hub)
    names: dict[Kind, list[str]] = {}
    for kind, count in ((Kind.MODEL, models), (Kind.DATASET, datasets)):
        templates = [_template(store, kind, chance, words) for _ in range(TEMPLATES[kind])]
        names[kind] = _repositories(hub, kind, count, owners, templates, chance, words)
    with hub.database.writing() as session:
        session.execute(text("ANALYZE"))
    hub.close()
    filled = Filled(names[Kind.MODEL], names[Kind.DATASET], words)
    kept.write_text(json.dumps(asdict(filled)))
    return filled


def _vocabulary(chance: random.Random) -> list[str]:
    syllables = _list("ba ke li mo nu ra si to ve za dor fin gal hen jor kul mar nil per sul tor")
    made = {"".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(8000)}
    return sorted(made)


def _is_private(number: int) -> bool:
    return number % 50 == 49


def pick(chance: random.Random, words: list[str]) -> str:
    """A word, the first of them far more often than the last (as words of a language are)."""
    return words[min(int(chance.paretovariate(0.35)) - 1, len(words) - 1)]


def _owners(hub: Hub) -> list[tuple[int, str]]:
    now = datetime.now(UTC)
    names = [f"owner-{number}" for number in range(OWNERS)]
    with hub.database.writing() as session:
        rows = [{"key": n, "name": n, "full_name": n, "created_at": now} for n in names]
        session.execute(insert(AccountRow), rows)
        found = session.execute(text("SELECT id, name FROM accounts")).all()
    return [(id_, name) for id_, name in found]


def _template(
    store: pygit2.Repository, kind: Kind, chance: random.Random, words: list[str]
) -> Description:
    files = {".gitattributes": default_attributes(), "README.md": _card(kind, chance, words)}
    if kind is Kind.MODEL:
        architecture = chance.choice(("BertForSequenceClassification", "LlamaForCausalLM"))
        config = {"architectures": [architecture], "model_type": chance.choice(FAMILIES)}
        files["config.json"] = json.dumps(config).encode()
        header = {"w": {"dtype": "F32", "shape": [chance.randint(1, 4000), 4096]}}
        body = json.dumps(header).encode()
        files["model.safetensors"] = len(body).to_bytes(8, "little") + body
        files["tokenizer.json"] = b'{"version": "1.0"}'
    else:
        files["train.csv"] = b"text,label\nWho?,0\n"
    builder = store.TreeBuilder()
    for path, content in files.items():
        builder.insert(path, store.create_blob(content), pygit2.enums.FileMode.BLOB)
    who = pygit2.Signature("ada", "ada@example.org", 1_700_000_000, 0)
    commit = store.create_commit(None, who, who, "All", builder.write(), [])
    snapshot = Snapshot(store, store[commit].peel(pygit2.Commit))

    def read(entry: Entry, start: int, length: int) -> bytes:
        return snapshot.blob(entry)[start : start + length]

    return describe(kind, snapshot, read)


def _card(kind: Kind, chance: random.Random, words: list[str]) -> bytes:
    head = {
        "license": chance.choice(LICENSES),
        "language": chance.sample(LANGUAGES, chance.choice((1, 1, 1, 2, 4))),
        "tags": [pick(chance, words) for _ in range(chance.randint(0, 3))],
    }
    if kind is Kind.MODEL:
        head["pipeline_tag"] = chance.choice(TASKS)
        head["library_name"] = chance.choice(LIBRARIES)
        head["datasets"] = chance.sample(DATASETS, chance.randint(0, 2))
        head["base_model"] = f"owner-0/{chance.choice(FAMILIES)}-base"
    else:
        head["task_categories"] = [chance.choice(TASKS)]
        head["size_categories"] = chance.choice(("n<1K", "1K<n<10K", "10K<n<100K"))
    body = " ".join(pick(chance, words) for _ in range(chance.randint(40, 150)))
    return f"---\n{json.dumps(head)}\n---\n# A {kind}\n\n{body}\n".encode()


def _repositories(
    hub: Hub,
    kind: Kind,
    count: int,
    owners: list[tuple[int, str]],
    templates: list[Description],
    chance: random.Random,
    words: list[str],
) -> list[str]:
    names: list[str] = []
    for start in range(0, count, BATCH):
        made = [
            _repository(hub, number, owners, templates, chance, words)
            for number in range(start, min(start + BATCH, count))
        ]
        _insert(hub, kind, made)
        names += [f"{item.owner[1]}/{item.name}" for item in made]
    return names


@dataclass(frozen=True)
class _Made:
    owner: tuple[int, str]
    name: str
    folder: str
    template: Description
    values: dict[str, Any]


def _repository(
    hub: Hub,
    number: int,
    owners: list[tuple[int, str]],
    templates: list[Description],
    chance: random.Random,
    words: list[str],
) -> _Made:
    template = chance.choice(templates)
    name = f"{chance.choice(FAMILIES)}-{chance.choice(SIZES)}-{pick(chance, words)}-{number}"
    unique = secrets.token_hex(16)
    folder = f"{unique[:2]}/{unique}.git"
    _make_git(hub.settings.repositories_folder, folder, template.head)
    created = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randrange(60_000_000))
    values = {
        "private": _is_private(number),
        "created_at": created,
        "updated_at": created + timedelta(seconds=chance.randrange(5_000_000)),
        "downloads": int(chance.paretovariate(0.7)) % 10**7,
        "likes": int(chance.paretovariate(0.9)) % 10**5,
        "trending_score": chance.randrange(100) if number % 20 == 0 else 0,
    }
    return _Made(chance.choice(owners), name, folder, template, values)


def _make_git(root: Path, folder: str, head: str) -> None:
    """A bare repository that borrows all its objects."""
    path = root / folder
    (path / "objects" / "info").mkdir(parents=True)
    (path / "refs" / "heads").mkdir(parents=True)
    (path / "HEAD").write_text("ref: refs/heads/main\n")
    (path / "refs" / "heads" / "main").write_text(f"{head}\n")
    (path / "objects" / "info" / "alternates").write_text(f"{root / 'templates.git' / 'objects'}\n")


def _insert(hub: Hub, kind: Kind, made: list[_Made]) -> None:
    with hub.database.writing() as session:
        rows = [_row(kind, item) for item in made]
        session.execute(insert(RepositoryRow), rows)
        found = session.execute(
            text("SELECT folder, id FROM repositories ORDER BY id DESC LIMIT :n"), {"n": len(made)}
        )
        ids = {str(folder): int(id_) for folder, id_ in found}
        for table, values in (
            (TagRow, _tags),
            (ContentsRow, _contents),
            (BaseModelRow, _bases),
        ):
            listed = [
                {"repository_id": ids[item.folder], **value}
                for item in made
                for value in values(kind, item.template)
            ]
            if listed:
                session.execute(insert(table), listed)
        searched = [
            {
                "id": ids[item.folder],
                "words": index_words(
                    f"{item.owner[1]}/{item.name}",
                    (" ".join(item.template.tags), item.template.body),
                ),
            }
            for item in made
        ]
        session.execute(
            text("INSERT INTO repository_search (rowid, words) VALUES (:id, :words)"), searched
        )


def _row(kind: Kind, item: _Made) -> dict[str, Any]:
    found = item.template
    return item.values | {
        "kind": kind.value,
        "owner_id": item.owner[0],
        "creator_id": item.owner[0],
        "name": item.name,
        "key": f"{item.owner[1]}/{item.name}",
        "folder": item.folder,
        "head": found.head,
        "task": found.task,
        "library": found.library,
        "license": found.license,
        "parameters": sum(found.weights.values()) or None,
        "weights": json.dumps(found.weights),
        "size": found.size,
        "card": json.dumps(found.card),
        "tag_list": json.dumps(list(found.tags)),
    }


def _tags(kind: Kind, found: Description) -> Iterator[dict[str, Any]]:
    for tag, facet in found.tags.items():
        yield {"kind": kind.value, "tag": tag, "facet": facet}


def _contents(_kind: Kind, found: Description) -> Iterator[dict[str, Any]]:
    listed = {"files": found.files, "facts": found.facts, "about": found.about}
    yield {"head": found.head, **{name: json.dumps(value) for name, value in listed.items()}}


def _bases(_kind: Kind, found: Description) -> Iterator[dict[str, Any]]:
    for base in found.bases:
        yield {"base_key": base.name, "base_name": base.name, "relation": base.relation}
