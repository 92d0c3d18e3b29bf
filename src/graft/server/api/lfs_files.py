"""All large files that a repository keeps: listed, deleted for good, given to another."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from graft.server.api.repository import REPOSITORY, PathRepository, next_link
from graft.server.api.wire import moment
from graft.server.content import stored_files
from graft.server.content.stored_files import StoredFile
from graft.server.people.auth import CurrentHub, CurrentUser, LoggedInUser
from graft.server.records import Kind
from graft.server.repositories import repos

router = APIRouter()

MAX_FILES = 10_000
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Deletions(BaseModel):
    """The objects to delete, and whether their pointers go too."""

    sha: Annotated[list[Sha256], Field(max_length=MAX_FILES)] = []
    rewrite_history: Annotated[bool, Field(alias="rewriteHistory")] = True


class Changes(BaseModel):
    """What `permanently_delete_lfs_files` sends."""

    deletions: Deletions = Deletions()


class FileToGive(BaseModel):
    """An object by its hash; what else the client knows of it says the same."""

    sha256: Sha256
    filename: str = ""


class Target(BaseModel):
    """The repository that is to get the objects."""

    type: Kind = Kind.MODEL
    name: str


class Gift(BaseModel):
    """What a client sends before it commits copies of another repository's files."""

    target: Target
    files: Annotated[list[FileToGive], Field(max_length=MAX_FILES)]


@router.get(f"{REPOSITORY}/lfs-files")
def list_files(
    request: Request,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    cursor: str = "",
) -> JSONResponse:
    """A page of the large files that the repository keeps, those no commit names included."""
    found, following = stored_files.list_page(hub, repository, user, cursor)
    headers = next_link(request, cursor=following) if following else {}
    return JSONResponse([_file(file) for file in found], headers=headers)


@router.post(f"{REPOSITORY}/lfs-files/batch")
def change_files(
    body: Changes, repository: PathRepository, hub: CurrentHub, user: CurrentUser
) -> dict[str, Any]:
    """Deletes large files for good, from all commits or from the store alone."""
    wanted = list(dict.fromkeys(body.deletions.sha))
    rewrite = body.deletions.rewrite_history
    stored_files.forget(hub, repository, user, wanted, rewrite_history=rewrite)
    return {"success": True, "deleted": len(wanted)}


@router.post(f"{REPOSITORY}/lfs-files/duplicate")
def give_files(
    body: Gift, repository: PathRepository, hub: CurrentHub, user: LoggedInUser
) -> dict[str, Any]:
    """Lets another repository use large files of this one, without sending them again."""
    owner, _, name = body.target.name.partition("/")
    target = repos.find(hub, body.target.type, owner, name, user)
    wanted = list(dict.fromkeys(file.sha256 for file in body.files))
    failed = stored_files.give(hub, repository, target, user, wanted)
    lost = {sha256 for sha256, _ in failed}
    return {
        "success": [{"sha256": sha256} for sha256 in wanted if sha256 not in lost],
        "failed": [{"sha256": sha256, "error": why} for sha256, why in failed],
    }


def _file(file: StoredFile) -> dict[str, Any]:
    fields = {
        "fileOid": file.sha256,
        "oid": file.sha256,
        "filename": file.path or file.sha256,
        "size": file.size,
        "pushedAt": moment(file.pushed_at),
    }
    return fields | ({"ref": file.ref} if file.ref else {})
