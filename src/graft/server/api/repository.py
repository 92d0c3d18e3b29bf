"""Which repository an address speaks of: the parameters that most endpoints share."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request

from graft.server.errors import NotFoundError
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.records import Kind, Repository
from graft.server.repositories import repos


def find_kind(kind: str) -> Kind:
    """The kind whose plural stands in the address.

    Raises:
        NotFoundError: spaces, buckets and whatever else this Hub does not hold.
    """
    for known in Kind:
        if kind == known.plural:
            return known
    raise NotFoundError(f"This Hub holds models and datasets; it has no {kind!r}.")


PathKind = Annotated[Kind, Depends(find_kind)]


def find_repository(
    kind: PathKind, owner: str, name: str, hub: CurrentHub, user: CurrentUser
) -> Repository:
    """The repository at `/api/{kind}/{owner}/{name}`, if the asker may see it."""
    return repos.find(hub, kind, owner, name, user)


PathRepository = Annotated[Repository, Depends(find_repository)]

REPOSITORY = "/api/{kind}/{owner}/{name}"


def next_link(request: Request, **changed: str | int) -> dict[str, str]:
    """The `Link` header that leads to the next page: this address with some parameters changed."""
    query = [(k, v) for k, v in request.query_params.multi_items() if k not in changed]
    query += [(key, str(value)) for key, value in changed.items()]
    address = f"{base_url(request)}{request.scope['raw_path'].decode()}?{urlencode(query)}"
    return {"Link": f'<{address}>; rel="next"'}
