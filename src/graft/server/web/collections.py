"""Pages of collections: lists, one with all in it, and the forms to change it."""

from typing import Annotated
from urllib.parse import quote

from fastapi import Form, Query
from fastapi.responses import RedirectResponse, Response

from graft.server.community import collecting, collection_items, collections
from graft.server.community.collecting import Collection
from graft.server.errors import RefusedError
from graft.server.people import access
from graft.server.people.scopes import WRITE_COLLECTIONS
from graft.server.web.rendering import with_query
from graft.server.web.routing import page_router
from graft.server.web.visit import CurrentVisit, LoggedInVisit, Visit

router = page_router()

PAGE = 30
ONE = "/collections/{owner}/{name}"

Text = Annotated[str, Form(max_length=10_000)]

SORT_TITLES: dict[collecting.Sort, str] = {
    "trending": "trending",
    "upvotes": "most liked",
    "lastModified": "recently changed",
}


@router.get("/collections")
def list_page(
    visit: CurrentVisit,
    search: str = "",
    sort: collecting.Sort = "trending",
    number: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1,
) -> Response:
    """All collections that the reader may see."""
    start = (number - 1) * PAGE
    found = collecting.find_all(
        visit.hub, visit.user, words=search, sort=sort, start=start, limit=PAGE + 1
    )
    return _list(visit, found, search, sort, number)


@router.post("/collections")
def create(
    visit: LoggedInVisit, title: Text = "", description: Text = "", visibility: Text = "public"
) -> Response:
    """Makes a collection of the reader's, and shows it."""
    try:
        made = collections.create(
            visit.hub,
            visit.user.account,
            title,
            visit.user,
            description=description,
            private=visibility == "private",
        )
    except RefusedError as error:
        found = collecting.find_all(visit.hub, visit.user, sort="trending", limit=PAGE + 1)
        values = {"title": title, "description": description, "wrong": str(error)}
        return _list(visit, found, "", "trending", 1, status=error.status, **values)
    return RedirectResponse(quote(made.path), status_code=303)


@router.get(ONE)
def collection_page(visit: CurrentVisit, owner: str, name: str) -> Response:
    """A collection; an address that it had leads to the one it has."""
    found = collecting.find(visit.hub, f"{owner}/{name}", visit.user)
    if found.slug != f"{owner}/{name}":
        return RedirectResponse(quote(found.path), status_code=302)
    return _page(visit, found)


@router.post(f"{ONE}/settings")
def change(
    visit: LoggedInVisit,
    owner: str,
    name: str,
    title: Text = "",
    description: Text = "",
    visibility: Text = "public",
) -> Response:
    """Changes the title, description and visibility."""
    slug = f"{owner}/{name}"
    try:
        changed = collections.change(
            visit.hub,
            slug,
            visit.user,
            title=title,
            description=description,
            private=visibility == "private",
        )
    except RefusedError as error:
        return _wrong(visit, slug, error)
    return RedirectResponse(quote(changed.path), status_code=303)


@router.post(f"{ONE}/delete")
def delete(visit: LoggedInVisit, owner: str, name: str) -> Response:
    """Deletes a collection."""
    slug = f"{owner}/{name}"
    collections.delete(visit.hub, slug, visit.user)
    return RedirectResponse(f"/{quote(owner)}", status_code=303)


@router.post(f"{ONE}/upvote")
def upvote(visit: LoggedInVisit, owner: str, name: str, like: Text = "yes") -> Response:
    """Likes a collection, or no longer."""
    slug = f"{owner}/{name}"
    collections.set_upvote(visit.hub, slug, visit.user, like == "yes")
    return _back(slug)


@router.post(f"{ONE}/items")
def add_item(
    visit: LoggedInVisit,
    owner: str,
    name: str,
    item: Text = "",
    kind: Annotated[str, Form()] = "model",
    note: Text = "",
) -> Response:
    """Puts something into a collection."""
    slug = f"{owner}/{name}"
    try:
        collection_items.add(
            visit.hub, slug, kind, item.strip(), visit.user, note=note.strip() or None
        )
    except RefusedError as error:
        return _wrong(visit, slug, error)
    return _back(slug)


@router.post(f"{ONE}/items/{{key}}")
def change_item(
    visit: LoggedInVisit,
    owner: str,
    name: str,
    key: str,
    position: Annotated[int | None, Form(ge=0, le=10**6)] = None,
    remove: Annotated[bool, Form()] = False,
) -> Response:
    """Moves an item, or takes it out."""
    slug = f"{owner}/{name}"
    if remove:
        collection_items.remove(visit.hub, slug, key, visit.user)
    else:
        collection_items.change(visit.hub, slug, key, visit.user, position=position)
    return _back(slug)


def _list(
    visit: Visit,
    found: list[Collection],
    search: str,
    sort: collecting.Sort,
    number: int,
    *,
    status: int = 200,
    title: str = "",
    description: str = "",
    wrong: str = "",
) -> Response:
    return visit.page(
        "collections.html",
        status=status,
        collections=found[:PAGE],
        more=len(found) > PAGE,
        search=search,
        sort=sort,
        sorts=SORT_TITLES,
        number=number,
        title=title,
        description=description,
        wrong=wrong,
        json=with_query("/api/collections", q=search, sort=sort),
    )


def _page(visit: Visit, found: Collection, wrong: str = "", status: int = 200) -> Response:
    owners = access.owners_for(visit.user, WRITE_COLLECTIONS)
    return visit.page(
        "collection.html",
        status=status,
        collection=found,
        may_change=found.owner.id in owners,
        wrong=wrong,
        json=f"/api/collections/{found.slug}",
    )


def _wrong(visit: Visit, slug: str, error: RefusedError) -> Response:
    """The page again, with what was wrong; to those who may not even see it, the error."""
    found = collecting.find(visit.hub, slug, visit.user)
    return _page(visit, found, str(error), error.status)


def _back(slug: str) -> Response:
    return RedirectResponse(f"/collections/{quote(slug)}", status_code=303)
