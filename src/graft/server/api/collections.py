"""Collections: making and changing them, and finding them."""

import html
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server.api.repository import next_link
from graft.server.api.wire import moment
from graft.server.community import collecting, collection_items, collections, trending
from graft.server.community.collecting import Collection, Item
from graft.server.community.collections import CollectionExistsError
from graft.server.errors import BadRequestError
from graft.server.people import accounts
from graft.server.people.auth import CurrentHub, CurrentUser, LoggedInUser, base_url
from graft.server.records import Kind, Repository

router = APIRouter()

LIST = "/api/collections"
ONE = f"{LIST}/{{owner}}/{{name}}"
ITEMS = f"{ONE}/items"

MAX_LIMIT = 100

Text = Annotated[str, Field(max_length=10_000)]
Position = Annotated[int, Field(ge=0, le=10**6)]
Values = Annotated[list[str] | None, Query(max_length=100)]


class NewCollection(BaseModel):
    """What `create_collection` sends; `namespace` is the owner, the asker where it is left out."""

    title: Text
    namespace: Annotated[str, Field(max_length=100)] | None = None
    description: Text | None = None
    private: bool = False
    resource_group: Annotated[str | None, Field(alias="resourceGroupId")] = None


class Metadata(BaseModel):
    """What `update_collection_metadata` sends: only what changes."""

    title: Text | None = None
    description: Text | None = None
    position: Position | None = None
    private: bool | None = None
    theme: str | None = None


class Thing(BaseModel):
    """What is put into a collection."""

    id: Annotated[str, Field(max_length=300)]
    type: Annotated[str, Field(max_length=20)]


class NewItem(BaseModel):
    """What `add_collection_item` sends."""

    item: Thing
    note: Text | None = None


class ItemChange(BaseModel):
    """What `update_collection_item` sends: only what changes."""

    note: Text | None = None
    position: Position | None = None


@router.get(LIST)
def list_collections(
    request: Request,
    hub: CurrentHub,
    user: CurrentUser,
    owner: Values = None,
    item: Values = None,
    q: str = "",
    sort: collecting.Sort = "lastModified",
    limit: Annotated[int, Query(ge=1)] = 30,
    cursor: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> JSONResponse:
    """A page of collections, each with the first of its items."""
    limit = min(limit, MAX_LIMIT)
    found = collecting.find_all(
        hub,
        user,
        owners=owner or (),
        items=item or (),
        words=q,
        sort=sort,
        start=cursor,
        limit=limit + 1,
    )
    headers = next_link(request, cursor=cursor + limit) if len(found) > limit else {}
    base = base_url(request)
    # Clients number what a list gives them themselves.
    items = [_collection(base, one) for one in found[:limit]]
    for fields in items:
        fields.pop("position")
    return JSONResponse(items, headers=headers)


@router.post(LIST)
def create(request: Request, body: NewCollection, hub: CurrentHub, user: LoggedInUser) -> Any:
    """Makes a collection; one of that title is answered 409, with its slug."""
    if body.resource_group is not None:
        raise BadRequestError("This Hub has no resource groups.")
    named = body.namespace
    owner = user.account if named is None else accounts.find_account(hub, named)
    try:
        made = collections.create(
            hub, owner, body.title, user, description=body.description, private=body.private
        )
    except CollectionExistsError as error:
        content = {"error": str(error), "slug": error.slug}
        return JSONResponse(content, status_code=error.status)
    return _collection(base_url(request), made)


@router.get(ONE)
def read(
    request: Request, owner: str, name: str, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """A collection with all in it, under its slug of today or any that it had."""
    return _collection(base_url(request), collecting.find(hub, f"{owner}/{name}", user))


@router.patch(ONE)
def change(
    request: Request,
    owner: str,
    name: str,
    body: Metadata,
    hub: CurrentHub,
    user: CurrentUser,
) -> Any:
    """Changes a collection's title, description, place, visibility or colour."""
    try:
        changed = collections.change(
            hub,
            f"{owner}/{name}",
            user,
            title=body.title,
            description=body.description,
            position=body.position,
            private=body.private,
            theme=body.theme,
        )
    except CollectionExistsError as error:
        content = {"error": str(error), "slug": error.slug}
        return JSONResponse(content, status_code=error.status)
    return {"success": True, "data": _collection(base_url(request), changed)}


@router.delete(ONE)
def delete(owner: str, name: str, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Deletes a collection; what is in it stays."""
    collections.delete(hub, f"{owner}/{name}", user)
    return {"success": True}


@router.post(f"{ONE}/upvote")
def upvote(owner: str, name: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Finds a collection good."""
    count = collections.set_upvote(hub, f"{owner}/{name}", user, True)
    return {"success": True, "upvotes": count}


@router.delete(f"{ONE}/upvote")
def take_back_upvote(owner: str, name: str, hub: CurrentHub, user: CurrentUser) -> dict[str, Any]:
    """Finds a collection good no longer."""
    count = collections.set_upvote(hub, f"{owner}/{name}", user, False)
    return {"success": True, "upvotes": count}


@router.post(ITEMS)
def add_item(
    request: Request, owner: str, name: str, body: NewItem, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """Puts something at the end of a collection; 409 where it is in it."""
    thing = body.item
    changed = collection_items.add(
        hub, f"{owner}/{name}", thing.type, thing.id, user, note=body.note
    )
    return _collection(base_url(request), changed)


@router.patch(f"{ITEMS}/{{key}}")
def change_item(
    owner: str, name: str, key: str, body: ItemChange, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Changes an item's note or place."""
    collection_items.change(
        hub, f"{owner}/{name}", key, user, note=body.note, position=body.position
    )
    return {"success": True}


@router.delete(f"{ITEMS}/{{key}}")
def remove_item(
    owner: str, name: str, key: str, hub: CurrentHub, user: CurrentUser
) -> dict[str, bool]:
    """Takes an item out of a collection."""
    collection_items.remove(hub, f"{owner}/{name}", key, user)
    return {"success": True}


def _collection(base: str, found: Collection) -> dict[str, Any]:
    return {
        "_id": found.key,
        "slug": found.slug,
        "title": found.title,
        "description": found.description,
        "owner": found.owner.name,
        "private": found.private,
        "theme": found.theme,
        "position": found.position,
        "upvotes": found.upvotes,
        "isUpvotedByUser": found.is_upvoted,
        "createdAt": moment(found.created_at),
        "lastUpdated": moment(found.updated_at),
        "url": f"{base}{found.path}",
        "items": [_item(item) for item in found.items],
    }


def _item(item: Item) -> dict[str, Any]:
    fields: dict[str, Any] = {"_id": item.key, "position": item.position}
    if item.note is not None:
        fields["note"] = {"text": item.note, "html": html.escape(item.note)}
    if item.repository is not None:
        fields |= _repository(item.repository)
    if item.nested is not None:
        fields |= {
            "type": "collection",
            "id": item.nested.key,
            "slug": item.nested.slug,
            "title": item.nested.title,
            "description": item.nested.description,
            "theme": item.nested.theme,
            "upvotes": item.nested.upvotes,
            "private": item.nested.private,
        }
    return fields


def _repository(found: Repository) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": found.kind.value,
        "repoType": found.kind.value,
        "id": found.full_name,
        "author": found.owner,
        "private": found.private,
        "gated": found.gated or False,
        "downloads": found.downloads,
        "likes": found.likes,
        "trendingScore": trending.shown(found.trending_score),
        "lastModified": moment(found.updated_at),
    }
    if found.kind is Kind.MODEL and found.task:
        fields["pipeline_tag"] = found.task
    return fields
