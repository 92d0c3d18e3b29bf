"""Repositories named without an owner, as the oldest of the public hub are: there are none here.

Clients tell a missing repository from other mistakes by the error's code, so addresses of that form
get it too, instead of being unknown.
"""

from collections.abc import Iterable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.routing import Route

from graft.server.api.repository import REPOSITORY
from graft.server.errors import RepoNotFoundError
from graft.server.records import Kind

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def routes(known: Iterable[APIRouter]) -> APIRouter:
    """The addresses of such repositories, beside the `known` ones of repositories with an owner."""
    router = APIRouter(include_in_schema=False)
    below = {
        path.removeprefix(f"{REPOSITORY}/").split("/")[0]
        for path in (getattr(route, "path", "") for one in known for route in one.routes)
        if path.startswith(f"{REPOSITORY}/")
    }
    addresses = ["/{name}/resolve/{rest:path}"]
    for kind in Kind:
        root = f"/api/{kind.plural}/{{name}}"
        addresses.append(root)
        for word in sorted(below):
            addresses += [f"{root}/{word}", f"{root}/{word}/{{rest:path}}"]
    # Plain routes: making one of FastAPI's for each takes longer than all else at the start.
    router.routes.extend(Route(address, _refuse, methods=_METHODS) for address in addresses)
    return router


async def _refuse(request: Request) -> None:
    name = request.path_params["name"]
    raise RepoNotFoundError(
        f"There is no repository {name!r} on this Hub: each has an owner, as in `owner/{name}`."
    )
