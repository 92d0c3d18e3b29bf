"""The front page, the lists of models and data sets, and the profiles."""

from dataclasses import replace
from typing import Annotated, get_args

from fastapi import Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from graft.server.community import collecting, follows
from graft.server.people import accounts
from graft.server.records import FacetValue, Kind, Repository, Sort
from graft.server.records import Query as ListQuery
from graft.server.repositories import catalogue
from graft.server.search.selectors import FEW
from graft.server.web.facts import headline
from graft.server.web.rendering import human_figure, with_query
from graft.server.web.routing import page_router
from graft.server.web.visit import CurrentVisit, Visit

router = page_router()

KIND_NAMES = {Kind.MODEL: "models", Kind.DATASET: "data sets"}
FACET_TITLES = {
    "task": "Task",
    "author": "Author",
    "language": "Language",
    "library": "Library",
    "license": "Licence",
    "dataset": "Trained on",
}
SORT_TITLES: dict[Sort, str] = {
    "updated": "recently changed",
    "trending": "trending",
    "downloads": "most downloads",
    "likes": "most liked",
    "name": "name",
}
_API_SORTS: dict[Sort, str] = {
    "updated": "lastModified",
    "trending": "trendingScore",
    "downloads": "downloads",
    "likes": "likes",
}
FACET_VALUES_SHOWN = 12


@router.get("/")
def front_page(visit: CurrentVisit) -> Response:
    """Says what this place is, and what is new here."""
    recent = {
        kind: catalogue.search(visit.hub, ListQuery(kind, limit=6), visit.user).repositories
        for kind in Kind
    }
    return visit.page(
        "home.html",
        models=recent[Kind.MODEL],
        datasets=recent[Kind.DATASET],
        headline=_headline,
    )


class ListParameters(BaseModel):
    """What a list's address asks for, as in `/api/models` and `/api/datasets`."""

    search: str = ""
    tags: Annotated[list[str], Field(alias="filter")] = []
    author: str = ""
    sort: str = "updated"
    cursor: str = ""


@router.get("/models")
def models(visit: CurrentVisit, wanted: Annotated[ListParameters, Query()]) -> Response:
    """The list of models."""
    return _listing(visit, Kind.MODEL, wanted)


@router.get("/datasets")
def datasets(visit: CurrentVisit, wanted: Annotated[ListParameters, Query()]) -> Response:
    """The list of data sets."""
    return _listing(visit, Kind.DATASET, wanted)


def _listing(visit: Visit, kind: Kind, wanted: ListParameters) -> Response:
    chosen: Sort = _sort(wanted.sort)
    query = ListQuery(
        kind=kind,
        words=wanted.search,
        author=wanted.author or None,
        tags=tuple(wanted.tags),
        sort=chosen,
        descending=chosen != "name",
        cursor=wanted.cursor or None,
    )
    facets = catalogue.facets(visit.hub, query, visit.user)
    return visit.page(
        "listing.html",
        kind=kind,
        kind_name=KIND_NAMES[kind],
        query=query,
        found=catalogue.search(visit.hub, query, visit.user),
        facets={
            FACET_TITLES[name]: _shown(facets.get(name, []), wanted.tags)
            for name in FACET_TITLES
            if facets.get(name)
        },
        sorts=SORT_TITLES,
        address=lambda **changes: _address(query, **changes),
        headline=_headline,
        most_counted=FEW,
        json=_json_address(query),
    )


def _sort(value: str) -> Sort:
    return next((sort for sort in get_args(Sort) if sort == value), "updated")


def _shown(values: list[FacetValue], tags: list[str]) -> list[FacetValue]:
    """The most frequent values, and those in use even where they are rarer."""
    first, rest = values[:FACET_VALUES_SHOWN], values[FACET_VALUES_SHOWN:]
    return first + [value for value in rest if value.tag in tags]


def _address(
    query: ListQuery, *, add: str = "", drop: str = "", cursor: str | None = None, **changes: str
) -> str:
    """This list's address with some of it changed; all but `cursor` goes back to the first part."""
    tags = [tag for tag in query.tags if tag != drop] + ([add] if add else [])
    values = {"search": query.words, "author": query.author, "sort": query.sort} | changes
    if values["sort"] == "updated":
        values["sort"] = ""
    return with_query(f"/{query.kind.plural}", **values, filter=tags, cursor=cursor)


def _json_address(query: ListQuery) -> str:
    return with_query(
        f"/api/{query.kind.plural}",
        search=query.words,
        author=query.author,
        filter=list(query.tags),
        sort=_API_SORTS.get(query.sort),
    )


def _headline(repository: Repository) -> str:
    """The one figure that a list shows of a model, such as `accuracy 0.9683 on trec`."""
    found = headline(repository.card)
    if found is None:
        return ""
    metric, value, dataset = found
    return f"{metric} {human_figure(value)}" + (f" on {dataset}" if dataset else "")


@router.get("/{owner}")
def profile(visit: CurrentVisit, owner: str) -> Response:
    """Everything an account owns that the reader may see."""
    account = accounts.find_account(visit.hub, owner)
    listed = ListQuery(Kind.MODEL, author=account.name, limit=100)
    found = {
        kind: catalogue.search(visit.hub, replace(listed, kind=kind), visit.user) for kind in Kind
    }
    return visit.page(
        "profile.html",
        account=account,
        models=found[Kind.MODEL],
        datasets=found[Kind.DATASET],
        headline=_headline,
        collections=collecting.of_owner(visit.hub, account, visit.user),
        followed=follows.is_following(visit.hub, account, visit.user),
        json=with_query("/api/models", author=account.name),
    )
