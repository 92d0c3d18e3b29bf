"""Creating, renaming, deleting repositories and changing who may see them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server import access, gating, repos
from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.auth import CurrentHub, CurrentUser, LoggedInUser, base_url
from graft.server.errors import ConflictError, NotAllowedError
from graft.server.records import Gate, Kind, User

router = APIRouter()

Visibility = Literal["public", "private"]


class RepositoryName(BaseModel):
    """A repository as request bodies name it: the owner apart, or before a slash, or left out."""

    name: Annotated[str, Field(max_length=500)]
    organization: str | None = None
    type: Kind = Kind.MODEL

    def split(self, user: User) -> tuple[str, str]:
        """(owner, name); the owner is the asker where none is given."""
        if self.organization is None and self.name.count("/") == 1:
            owner, _, name = self.name.partition("/")
            return owner, name
        return self.organization or user.name, self.name


class NewRepository(RepositoryName):
    """What `create_repo` sends; older clients say `private`."""

    visibility: Visibility | None = None
    private: bool | None = None

    @property
    def is_private(self) -> bool:
        return self.visibility == "private" if self.visibility else bool(self.private)


class RepositorySettings(BaseModel):
    """What `update_repo_settings` sends: only what changes."""

    visibility: Visibility | None = None
    private: bool | None = None
    gated: Literal["auto", "manual", False] | None = None


class Move(BaseModel):
    """What `move_repo` sends."""

    from_repo: Annotated[str, Field(alias="fromRepo")]
    to_repo: Annotated[str, Field(alias="toRepo")]
    type: Kind = Kind.MODEL


@router.post("/api/repos/create")
def create(request: Request, body: NewRepository, hub: CurrentHub, user: LoggedInUser) -> Any:
    """Creates a repository; one that exists is answered 409, with its address."""
    owner, name = body.split(user)
    try:
        made = repos.create(hub, body.type, owner, name, private=body.is_private, user=user)
    except ConflictError as error:
        url = f"{base_url(request)}/{body.type.prefix}{user.name}/{name}"
        return JSONResponse({"error": str(error), "url": url}, status_code=error.status)
    return {
        "url": f"{base_url(request)}{made.path}",
        "name": made.full_name,
        "id": f"{made.id:024x}",
    }


@router.delete("/api/repos/delete")
def delete(body: RepositoryName, hub: CurrentHub, user: LoggedInUser) -> dict[str, bool]:
    """Deletes a repository with all its files and history."""
    owner, name = body.split(user)
    repos.delete(hub, repos.find(hub, body.type, owner, name, user), user)
    return {"success": True}


@router.put(f"{REPOSITORY}/settings")
def change(
    body: RepositorySettings, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """Makes a repository private or public, closes its gate or opens it."""
    access.check(user, repository, "admin")
    private = body.visibility == "private" if body.visibility else body.private
    if private is None:
        private = repository.private
    else:
        repos.set_private(hub, repository, private, user)
    gate: Gate | None = repository.gated
    if body.gated is not None:
        gate = body.gated or None
        gating.set_gate(hub, repository, gate, user)
    return {"private": private, "gated": gate or False}


@router.post("/api/repos/move")
def move(body: Move, hub: CurrentHub, user: LoggedInUser) -> dict[str, bool]:
    """Gives a repository another name under the same owner."""
    owner, _, name = body.from_repo.partition("/")
    new_owner, _, new_name = body.to_repo.partition("/")
    repository = repos.find(hub, body.type, owner, name, user)
    if new_owner.lower() != repository.owner.lower():
        raise NotAllowedError(f"{user.name} may not move a repository to {new_owner!r}.")
    repos.rename(hub, repository, new_name, user)
    return {"success": True}


@router.get(f"{REPOSITORY}/auth-check")
def may_read(repository: PathRepository, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Whether the asker may read the repository's files: 404 or, where it is gated, 403 if not."""
    access.check_files(hub, repository, user)
    return {"private": repository.private}


@router.get(f"{REPOSITORY}/auth-check/write")
def may_write(repository: PathRepository, user: CurrentUser) -> dict[str, bool]:
    """Whether the asker may change the repository: 401 or 403 where not."""
    repos.check_may_write(repository, user)
    return {"private": repository.private}
