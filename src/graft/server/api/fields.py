"""A repository as the JSON that stock clients read: each field made where asked for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.server.api import wire
from graft.server.community import trending
from graft.server.errors import BadRequestError
from graft.server.records import Kind, Repository
from graft.server.repositories.contents import Contents


@dataclass(frozen=True)
class Subject:
    """What is known of one repository; what a field does not need may be left out."""

    repository: Repository
    contents: Contents | None = None
    children: int = 0
    """How many models were made from it."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def about(self) -> dict[str, Any]:
        """What its configuration and its tables say."""
        return self.contents.about if self.contents else {}


Field = Callable[[Subject], Any]


def _mask_token(subject: Subject) -> Any:
    config = subject.about.get("config", {})
    return config.get("tokenizer_config", {}).get("mask_token")


def _base_models(subject: Subject) -> list[str] | None:
    named = [tag for tag in subject.repository.tags if tag.startswith("base_model:")]
    names = [tag.removeprefix("base_model:") for tag in named]
    # Each stands there twice: alone, and after its relation.
    return [name for name in names if ":" not in name] or None


def _safetensors(subject: Subject) -> Any:
    repository = subject.repository
    if not repository.parameters:
        return None
    return {"parameters": repository.weights, "total": repository.parameters}


def _siblings(subject: Subject) -> list[dict[str, Any]]:
    return [{"rfilename": entry.path} for entry in _files(subject)]


def _files(subject: Subject) -> Collection[Any]:
    return subject.contents.files if subject.contents else ()


def _of_card(name: str) -> Field:
    return lambda subject: subject.repository.card.get(name)


_COMMON: dict[str, Field] = {
    "_id": lambda s: f"{s.repository.id:024x}",
    "id": lambda s: s.repository.full_name,
    "author": lambda s: s.repository.owner,
    "cardData": lambda s: s.repository.card,
    "createdAt": lambda s: wire.moment(s.repository.created_at),
    "disabled": lambda _: False,
    "downloads": lambda s: s.repository.downloads,
    "downloadsAllTime": lambda s: s.repository.downloads,
    "gated": lambda s: s.repository.gated or False,
    "lastModified": lambda s: wire.moment(s.repository.updated_at),
    "likes": lambda s: s.repository.likes,
    "private": lambda s: s.repository.private,
    "resourceGroup": lambda _: None,
    "sha": lambda s: s.repository.head,
    "siblings": _siblings,
    "tags": lambda s: wire.tags(s.repository),
    "trendingScore": lambda s: trending.shown(s.repository.trending_score),
    "usedStorage": lambda s: s.repository.size,
}
_MODEL: dict[str, Field] = _COMMON | {
    "modelId": lambda s: s.repository.full_name,
    "baseModels": _base_models,
    "childrenModelCount": lambda s: s.children,
    "config": lambda s: s.about.get("config", {}),
    "evalResults": lambda s: s.about.get("evalResults"),
    "gguf": lambda _: None,
    "inference": lambda _: None,
    "inferenceProviderMapping": lambda _: None,
    "library_name": lambda s: s.repository.library,
    "mask_token": _mask_token,
    "model-index": _of_card("model-index"),
    "pipeline_tag": lambda s: s.repository.task,
    "safetensors": _safetensors,
    "spaces": lambda _: [],
    "transformersInfo": lambda s: s.about.get("transformersInfo"),
    "widgetData": _of_card("widget"),
}
_DATASET: dict[str, Field] = _COMMON | {
    "citation": _of_card("citation"),
    "description": _of_card("description"),
    "mainSize": lambda s: s.repository.size,
    "paperswithcode_id": _of_card("paperswithcode_id"),
}
FIELDS = {Kind.MODEL: _MODEL, Kind.DATASET: _DATASET}

_BRIEF = """
_id id modelId author sha lastModified createdAt private gated disabled downloads likes
trendingScore tags pipeline_tag library_name
"""
BRIEF = {kind: tuple(n for n in _BRIEF.split() if n in FIELDS[kind]) for kind in Kind}
"""What a list says about each repository."""

_WHOLE = """
cardData siblings downloadsAllTime usedStorage baseModels config evalResults
mask_token model-index safetensors spaces transformersInfo widgetData citation description
mainSize paperswithcode_id
"""
WHOLE = {kind: (*BRIEF[kind], *(n for n in _WHOLE.split() if n in FIELDS[kind])) for kind in Kind}
"""What is said about one repository."""

OF_CONTENTS = frozenset({"siblings", "config", "evalResults", "mask_token", "transformersInfo"})
"""The fields that need what the repository's files say."""
OF_CARD = frozenset(
    [
        "cardData",
        "model-index",
        "widgetData",
        "citation",
        "description",
        "paperswithcode_id",
        "safetensors",
    ]
)
"""The fields that need the card or the counts of weights."""

OF_ROW = frozenset(BRIEF[Kind.MODEL] + BRIEF[Kind.DATASET])
"""Fields that need no more than a brief row holds."""

_EXPANDABLE = {kind: frozenset(FIELDS[kind]) - {"_id", "id", "modelId"} for kind in Kind}


def expanded(kind: Kind, values: Collection[str]) -> tuple[str, ...] | None:
    """The names of the fields that `expand` asks for; None where it asks for none.

    Raises:
        BadRequestError: a name that no field has.
    """
    names = [name for value in values for name in value.split(",") if name]
    if not names:
        return None
    for name in names:
        if name not in _EXPANDABLE[kind]:
            raise BadRequestError(
                f"`expand` cannot be {name[:60]!r}; use one of "
                f"{', '.join(sorted(_EXPANDABLE[kind]))}."
            )
    return ("_id", "id", *dict.fromkeys(names))


def render(subject: Subject, names: Collection[str], *, keep_empty: bool = False) -> dict[str, Any]:
    """The fields of these names; those that have no value are left out, unless asked for."""
    makers = FIELDS[subject.repository.kind]
    found = {
        name: value for name in names if (value := makers[name](subject)) is not None or keep_empty
    }
    found.update(subject.extra)
    return found
