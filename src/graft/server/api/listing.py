"""Lists of repositories: words, filters, order, pages; and the tags that there are."""

import re
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from graft.server import records, repos
from graft.server.api import wire
from graft.server.api.info import brief_config
from graft.server.api.repository import find_kind, next_link
from graft.server.auth import CurrentHub, CurrentUser
from graft.server.errors import BadRequestError, RepoNotFoundError
from graft.server.hub import Hub
from graft.server.records import Kind, Repository, Sort

router = APIRouter()

DEFAULT_LIMIT = 100

_SORTS: dict[str, Sort] = {
    "lastModified": "updated",
    "createdAt": "created",
    "created_at": "created",
    "last_modified": "updated",
    "downloads": "downloads",
    "num_parameters": "parameters",
    # Nobody can like anything here, so these two order nothing.
    "likes": "updated",
    "trendingScore": "updated",
}
_FACET_NAMES = {"task": "pipeline_tag"}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([KMBT]?)", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}

Values = Annotated[list[str] | None, Query()]


@router.get("/api/{kind}-tags-by-type")
def tags_by_type(kind: str, hub: CurrentHub, user: CurrentUser) -> dict[str, list[dict[str, str]]]:
    """Every tag that some repository has, by what it says."""
    found = find_kind(kind)
    facets = repos.facets(hub, records.Query(found), user)
    names = _FACET_NAMES if found is Kind.MODEL else {"task": "task_categories"}
    return {
        names.get(facet, facet): [
            {"id": value.tag, "label": value.label, "type": names.get(facet, facet)}
            for value in values
        ]
        for facet, values in facets.items()
    }


@router.get("/api/{kind}")
def list_repositories(
    request: Request,
    kind: str,
    hub: CurrentHub,
    user: CurrentUser,
    filters: Annotated[list[str] | None, Query(alias="filter")] = None,
    search: Values = None,
    author: str | None = None,
    pipeline_tag: str | None = None,
    num_parameters: str | None = None,
    sort: str = "lastModified",
    direction: int = -1,
    limit: int = DEFAULT_LIMIT,
    cursor: str | None = None,
) -> JSONResponse:
    """The repositories that match, with the address of the next page in `Link`."""
    found_kind = find_kind(kind)
    if _asks_for_what_is_not_here(request):
        return JSONResponse([])
    if sort not in _SORTS:
        raise BadRequestError(f"Cannot sort by {sort!r}; use one of {', '.join(_SORTS)}.")
    least, most = _parse_range(num_parameters)
    tags = [tag for value in filters or [] for tag in value.split(",") if tag]
    query = records.Query(
        found_kind,
        words=" ".join(search or []),
        author=author,
        tags=(*tags, *([pipeline_tag] if pipeline_tag else [])),
        min_parameters=least,
        max_parameters=most,
        sort=_SORTS[sort],
        descending=direction != 1,
        limit=limit,
        cursor=cursor,
    )
    page = repos.search(hub, query, user)
    items = []
    for repository in page.repositories:
        with suppress(RepoNotFoundError):  # deleted since the list was read
            items.append(_item(request, hub, repository))
    headers = {"X-Total-Count": str(page.total)}
    if page.next_cursor:
        headers |= next_link(request, cursor=page.next_cursor)
    return JSONResponse(items, headers=headers)


def _asks_for_what_is_not_here(request: Request) -> bool:
    asked = request.query_params
    gated = asked.get("gated", "false").lower() in ("true", "1")
    return gated or any(name in asked for name in ("inference", "inference_provider", "apps"))


def _item(request: Request, hub: Hub, repository: Repository) -> dict[str, Any]:
    asked = request.query_params
    fields = wire.summary(repository)
    expand = {name for part in asked.getlist("expand") for name in part.split(",")}
    full = _is_on(asked.get("full"))
    if expand or full or _is_on(asked.get("cardData")):
        fields |= wire.details(repository)
    if full or "siblings" in expand:
        entries = repos.snapshot(hub, repository).entries(recursive=True)
        fields["siblings"] = wire.siblings(entries)
    if _is_on(asked.get("config")) or "config" in expand:
        fields["config"] = brief_config(hub, repository, repos.snapshot(hub, repository))
    if expand:
        return {key: value for key, value in fields.items() if key in expand | {"_id", "id"}}
    if not _is_on(asked.get("cardData")):
        fields.pop("cardData", None)
    return fields


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in ("true", "1")


def _parse_range(text: str | None) -> tuple[int | None, int | None]:
    """`min:6B,max:128M` as two numbers."""
    bounds: dict[str, int] = {}
    for part in (text or "").split(","):
        name, _, value = part.partition(":")
        match = _NUMBER.fullmatch(value)
        if name in ("min", "max") and match:
            bounds[name] = int(float(match[1]) * _UNITS[match[2].upper()])
        elif part:
            raise BadRequestError(f"num_parameters is {text!r}; write it like `min:6B,max:128B`.")
    return bounds.get("min"), bounds.get("max")
