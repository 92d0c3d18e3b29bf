"""Lists of repositories: words, filters, order, pages; and the tags that there are."""

import re
from collections.abc import Collection
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from graft.server import records
from graft.server.api import fields
from graft.server.api.answers import json_answer, json_text, to_json
from graft.server.api.repository import find_kind, next_link
from graft.server.community import trending
from graft.server.errors import BadRequestError
from graft.server.hub import Hub
from graft.server.people.auth import current_user, get_hub
from graft.server.records import Kind, Page, Repository, Sort, User
from graft.server.repositories import catalogue, contents
from graft.server.rows import BRIEF, from_values

router = APIRouter()

DEFAULT_LIMIT = 100
MAX_TAGS_BY_TYPE = 100_000
MAX_FILTERS = 50
KEPT_LINES = 8192
"""Repositories as lists say them; two kilobytes each."""

_SORTS: dict[str, Sort] = {
    "lastModified": "updated",
    "last_modified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "downloads": "downloads",
    "downloadsAllTime": "downloads",
    "likes": "likes",
    "trendingScore": "trending",
    "trending_score": "trending",
    "num_parameters": "parameters",
    "mainSize": "size",
    "usedStorage": "size",
    "id": "name",
}
_TREND = [column.key for column in BRIEF].index("trending_score")
_FACET_NAMES = {"task": "pipeline_tag"}
_NUMBER = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([KMBT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
# Filters that older clients send under names of their own.
_FILTER_NAMES = ("pipeline_tag", "library", "language", "task_categories", "tags")
# What runs a model on one's own machine, and the tags that a model needs for it.
_GGUF_APPS = "ollama llama.cpp lmstudio lm-studio jan localai msty koboldcpp llama-cpp-python"
_APPS = dict.fromkeys(_GGUF_APPS.split(), ("gguf",)) | dict.fromkeys(
    ("vllm", "sglang", "tgi"), ("transformers", "safetensors", "text-generation")
)


@router.get("/api/{kind}-tags-by-type", response_model=None)
async def tags_by_type(request: Request, kind: str) -> Response:
    """Every tag that some repository has, by what it says."""
    found = find_kind(kind)
    user = await current_user(request)
    return await run_in_threadpool(_tags_by_type, get_hub(request), user, found)


def _tags_by_type(hub: Hub, user: User | None, kind: Kind) -> Response:
    facets = catalogue.facets(hub, records.Query(kind), user, MAX_TAGS_BY_TYPE)
    names = _FACET_NAMES if kind is Kind.MODEL else {"task": "task_categories"}
    found = {
        names.get(facet, facet): [
            {"id": value.tag, "label": value.label, "type": names.get(facet, facet)}
            for value in values
        ]
        for facet, values in facets.items()
    }
    return json_answer(found)


# These hold nothing on this Hub, and clients go on with an empty list.
@router.get("/api/spaces")
@router.get("/api/papers/search")
@router.get("/api/daily_papers")
async def nothing() -> list[Any]:
    """An empty list: this Hub holds models and data sets."""
    return []


@router.get("/api/{kind}", response_model=None)
async def list_repositories(request: Request, kind: str) -> Response:
    """The repositories that match, with the address of the next page in `Link`.

    Query parameters: `filter` (repeated), `author`, `search` (repeated), `pipeline_tag`, `apps`,
    `gated`, `num_parameters` (`min:6B,max:128B`), `sort`, `direction` (1 or -1), `limit`, `cursor`,
    `full`, `config`, `cardData`, and `expand` (repeated): the fields to answer.
    """
    # One thread for all that blocks: each change of threads costs as much as a query.
    user = await current_user(request)
    return await run_in_threadpool(_list, request, user, find_kind(kind))


def _list(request: Request, user: User | None, kind: Kind) -> Response:
    asked, hub = request.query_params, get_hub(request)
    expand = fields.expanded(kind, asked.getlist("expand"))
    names = expand or _names(kind, asked)
    query = _query(kind, asked, brief=not fields.OF_CARD.intersection(names))
    if query is None:
        return json_answer([])
    page = _lines(hub, query, names, user)
    headers = {} if page.total is None else {"X-Total-Count": str(page.total)}
    if page.next_cursor:
        headers |= next_link(request, cursor=page.next_cursor)
    return json_text(f"[{','.join(page.repositories)}]", headers)


def _lines(hub: Hub, query: records.Query, names: tuple[str, ...], user: User | None) -> Page[str]:
    """The page of the list, each repository as JSON."""
    if not fields.OF_ROW.issuperset(names):
        page = catalogue.search(hub, query, user)
        subjects = _subjects(hub, page.repositories, names, user)
        lines = tuple(to_json(fields.render(subject, names)) for subject in subjects)
        return Page(lines, page.total, page.next_cursor)
    now = datetime.now(UTC)

    def line(*values: Any) -> str:
        return _line(names, trending.shown(values[_TREND], now), values)

    return catalogue.search_rows(hub, query, user, line)


@lru_cache(KEPT_LINES)
def _line(names: tuple[str, ...], _trend: int, values: tuple[Any, ...]) -> str:
    """A repository as JSON, from the values of its row and from the trend of today: they are all
    that these fields say, so what has changed is not found here. Most lists show the same few."""
    return to_json(fields.render(fields.Subject(from_values(*values)), names))


def _names(kind: Kind, asked: Any) -> tuple[str, ...]:
    names = list(fields.BRIEF[kind])
    if _is_on(asked.get("full")):
        names.append("siblings")
        if kind is Kind.DATASET:
            names += ["cardData", "description", "citation", "paperswithcode_id"]
    if _is_on(asked.get("cardData")):
        names.append("cardData")
    if _is_on(asked.get("config")) and kind is Kind.MODEL:
        names.append("config")
    return tuple(dict.fromkeys(names))


def _query(kind: Kind, asked: Any, *, brief: bool) -> records.Query | None:
    """What the address asks for; None where nothing here can match it.

    Raises:
        BadRequestError: a parameter that makes no sense.
    """
    sort = asked.get("sort", "lastModified")
    if sort not in _SORTS:
        raise BadRequestError(f"Cannot sort by {sort[:60]!r}; use one of {', '.join(_SORTS)}.")
    if "inference" in asked or "inference_provider" in asked:
        return None  # no provider serves what this Hub holds
    tags = _tags(asked)
    if tags is None:
        return None
    least, most = _parse_range(asked.get("num_parameters"))
    gated = asked.get("gated")
    return records.Query(
        kind,
        words=" ".join([*asked.getlist("search"), *asked.getlist("model_name")]),
        author=asked.get("author") or None,
        tags=tags,
        min_parameters=least,
        max_parameters=most,
        sort=_SORTS[sort],
        descending=_number(asked, "direction", -1) != 1,
        limit=_number(asked, "limit", DEFAULT_LIMIT),
        cursor=asked.get("cursor"),
        gated=None if gated is None else _is_on(gated),
        brief=brief,
    )


def _tags(asked: Any) -> tuple[str, ...] | None:
    """All tags that a repository must have; None where an app is named that nothing runs in."""
    values = asked.getlist("filter")
    for name in _FILTER_NAMES:
        values += asked.getlist(name)
    values += [
        name if name.startswith("dataset:") else f"dataset:{name}"
        for name in asked.getlist("trained_dataset")
    ]
    tags = [tag.strip() for value in values for tag in value.split(",") if tag.strip()]
    for app in (name for value in asked.getlist("apps") for name in value.split(",")):
        if app not in _APPS:
            return None
        tags += _APPS[app]
    if len(tags) > MAX_FILTERS:
        raise BadRequestError(f"`filter` names {len(tags)} tags; at most {MAX_FILTERS} may be.")
    return tuple(dict.fromkeys(tags))


def _subjects(
    hub: Hub,
    found: Collection[Repository],
    names: Collection[str],
    user: User | None,
) -> list[fields.Subject]:
    read: dict[int, contents.Contents] = {}
    children: dict[int, int] = {}
    if fields.OF_CONTENTS.intersection(names):
        read = contents.contents_of(hub, found)
    if "childrenModelCount" in names:
        children = catalogue.children_of(hub, found, user)
    return [fields.Subject(item, read.get(item.id), children.get(item.id, 0)) for item in found]


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in ("true", "1")


def _number(asked: Any, name: str, default: int) -> int:
    text = asked.get(name)
    if text in (None, ""):
        return default
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise BadRequestError(f"`{name}` is {text[:60]!r}; it must be a whole number.")
    return int(text)


def _parse_range(text: str | None) -> tuple[int | None, int | None]:
    """`min:6B,max:128M` as two numbers."""
    bounds: dict[str, int] = {}
    for part in (text or "").split(","):
        name, _, value = part.partition(":")
        match = _NUMBER.fullmatch(value)
        if name in ("min", "max") and match:
            number = int(float(match[1]) * _UNITS[match[2].upper()])
            bounds[name] = min(number, 2**63 - 1)
        elif part:
            raise BadRequestError(
                f"num_parameters is {part[:60]!r}; write it like `min:6B,max:128B`."
            )
    return bounds.get("min"), bounds.get("max")
