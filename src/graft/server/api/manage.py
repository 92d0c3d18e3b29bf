"""Creating, renaming, deleting repositories and changing who may see them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.errors import ConflictError
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser, LoggedInUser, base_url
from graft.server.records import Kind, User
from graft.server.repositories import branches, lifecycle, repos, settings

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
    protected_branches: Annotated[list[str] | None, Field(alias="protectedBranches")] = None
    """Patterns of branches that keep their history: `main`, `release/*`."""


class Duplicate(BaseModel):
    """What `duplicate_repo` sends: the new repository, and who may see it."""

    repository: Annotated[str, Field(max_length=500)]
    visibility: Visibility | None = None
    private: bool | None = None

    @property
    def is_private(self) -> bool | None:
        """None: as the other is."""
        return self.visibility == "private" if self.visibility else self.private


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
        made = lifecycle.create(hub, body.type, owner, name, private=body.is_private, user=user)
    except ConflictError as error:
        return _taken(request, body.type, f"{owner}/{name}", error)
    return {
        "url": f"{base_url(request)}{made.path}",
        "name": made.full_name,
        "id": f"{made.id:024x}",
    }


@router.delete("/api/repos/delete")
def delete(body: RepositoryName, hub: CurrentHub, user: LoggedInUser) -> dict[str, bool]:
    """Deletes a repository with all its files and history."""
    owner, name = body.split(user)
    lifecycle.delete(hub, repos.find(hub, body.type, owner, name, user), user)
    return {"success": True}


@router.put(f"{REPOSITORY}/settings")
def change(
    body: RepositorySettings, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """Makes a repository private or public, closes its gate or opens it, protects branches."""
    changed = settings.change(
        hub,
        repository,
        user,
        private=body.visibility == "private" if body.visibility else body.private,
        gate=body.gated,
        protected_branches=body.protected_branches,
    )
    return {
        "private": changed.private,
        "gated": changed.gated or False,
        "protectedBranches": list(branches.protected_branches(hub, repository)),
    }


@router.post("/api/repos/move")
def move(body: Move, hub: CurrentHub, user: LoggedInUser) -> dict[str, bool]:
    """Gives a repository another name, or another owner; the old name leads to it."""
    owner, _, name = body.from_repo.partition("/")
    new_owner, _, new_name = body.to_repo.partition("/")
    repository = repos.find(hub, body.type, owner, name, user)
    lifecycle.move(hub, repository, new_owner, new_name, user)
    return {"success": True}


@router.post(f"{REPOSITORY}/duplicate")
def duplicate(
    request: Request,
    body: Duplicate,
    repository: PathRepository,
    hub: CurrentHub,
    user: LoggedInUser,
) -> Any:
    """Makes a repository with the files and history of another; 409 where the name is taken."""
    owner, slash, name = body.repository.rpartition("/")
    owner = owner if slash else user.name
    try:
        made = lifecycle.duplicate(hub, repository, owner, name, private=body.is_private, user=user)
    except ConflictError as error:
        return _taken(request, repository.kind, f"{owner}/{name}", error)
    return {
        "url": f"{base_url(request)}{made.path}",
        "name": made.full_name,
        "id": f"{made.id:024x}",
        "filesCopyPending": False,
    }


@router.get(f"{REPOSITORY}/auth-check")
def may_read(repository: PathRepository, hub: CurrentHub, user: CurrentUser) -> dict[str, bool]:
    """Whether the asker may read the repository's files: 404 or, where it is gated, 403 if not."""
    access.check_files(hub, repository, user)
    return {"private": repository.private}


@router.get(f"{REPOSITORY}/auth-check/write")
def may_write(repository: PathRepository, user: CurrentUser) -> dict[str, bool]:
    """Whether the asker may change the repository: 401 or 403 where not."""
    access.check(user, repository, "write")
    return {"private": repository.private}


def _taken(request: Request, kind: Kind, full_name: str, error: ConflictError) -> JSONResponse:
    """The answer that tells a client where what it wants to create is already."""
    content = {"error": str(error), "url": f"{base_url(request)}/{kind.prefix}{full_name}"}
    return JSONResponse(content, status_code=error.status)
