"""Everything about one repository at one revision."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from graft.server.api import fields, wire
from graft.server.api.answers import json_answer
from graft.server.api.repository import REPOSITORY, find_kind
from graft.server.git.repository import DEFAULT_BRANCH
from graft.server.hub import Hub
from graft.server.people.auth import current_user, get_hub
from graft.server.records import Kind, Repository, User
from graft.server.repositories import catalogue, contents, repos
from graft.server.repositories.contents import Contents

router = APIRouter()


@router.get(REPOSITORY, response_model=None)
async def info(request: Request, kind: str, owner: str, name: str) -> Response:
    """The repository at the newest commit of `main`.

    Query parameters: `expand` (repeated): the fields to answer; `blobs`: the files with sizes and
    hashes; `securityStatus`: what was found in files that can hold programs.
    """
    # One thread for all that blocks: each change of threads costs as much as a query.
    user = await current_user(request)
    found = find_kind(kind)
    return await run_in_threadpool(_info, request, user, found, owner, name, DEFAULT_BRANCH)


@router.get(f"{REPOSITORY}/revision/{{revision:path}}", response_model=None)
async def info_at_revision(
    request: Request, kind: str, owner: str, name: str, revision: str
) -> Response:
    """The repository at a branch, tag or commit; the parameters are those of `info`."""
    user = await current_user(request)
    return await run_in_threadpool(_info, request, user, find_kind(kind), owner, name, revision)


@router.get(f"{REPOSITORY}/model-tree", response_model=None)
async def model_tree(request: Request, kind: str, owner: str, name: str) -> Response:
    """What a model was made from, and which models were made from it, most fetched first."""
    user = await current_user(request)
    return await run_in_threadpool(_tree, get_hub(request), user, find_kind(kind), owner, name)


def _info(
    request: Request, user: User | None, kind: Kind, owner: str, name: str, revision: str
) -> Response:
    asked, hub = request.query_params, get_hub(request)
    expand = fields.expanded(kind, asked.getlist("expand"))
    names = expand or fields.WHOLE[kind]
    subject = _subject(hub, _found(hub, kind, owner, name, names, user), revision, names, user)
    repository = subject.repository
    found = fields.render(subject, names, keep_empty=expand is not None)
    if expand is None:
        found["disabled"] = False
        if hub.mirror is not None and hub.mirror.is_mirrored(repository.id):
            found["mirroredFrom"] = f"{hub.mirror.url}{repository.path}"
    files = subject.contents.files if subject.contents else ()
    if _is_on(asked.get("securityStatus")):
        scans = catalogue.security(hub, files)
        found["securityRepoStatus"] = wire.repository_security(files, scans)
    if _is_on(asked.get("blobs")) and "siblings" in found:
        found["siblings"] = [wire.sibling(entry, blobs=True) for entry in files]
    return json_answer(found)


def _found(
    hub: Hub, kind: Kind, owner: str, name: str, names: tuple[str, ...], user: User | None
) -> tuple[Repository, Contents | None]:
    if fields.OF_CONTENTS.intersection(names):
        return contents.find_whole(hub, kind, owner, name, user)
    return repos.find(hub, kind, owner, name, user), None


def _subject(
    hub: Hub,
    known: tuple[Repository, Contents | None],
    revision: str,
    names: tuple[str, ...],
    user: User | None,
) -> fields.Subject:
    repository, found = known
    if revision not in (DEFAULT_BRANCH, f"refs/heads/{DEFAULT_BRANCH}", repository.head):
        repository, found = contents.at_revision(hub, repository, revision)
    elif found is None and fields.OF_CONTENTS.intersection(names):
        # Not read yet: the newest commit came before this version of Graft.
        repository, found = contents.at_revision(hub, repository, DEFAULT_BRANCH)
    children = 0
    if "childrenModelCount" in names:
        children = catalogue.children_of(hub, [repository], user).get(repository.id, 0)
    return fields.Subject(repository, found, children)


def _tree(hub: Hub, user: User | None, kind: Kind, owner: str, name: str) -> Response:
    repository = repos.find(hub, kind, owner, name, user)
    found = catalogue.tree(hub, repository, user)
    return json_answer(
        {
            "id": repository.full_name,
            "baseModels": [_relative(base) for base in found.bases],
            "children": [_relative(child) for child in found.children],
            "childrenCount": found.counts,
        }
    )


def _relative(relative: catalogue.Relative) -> dict[str, Any]:
    return {"id": relative.name, "relation": relative.relation, "here": relative.here}


def _is_on(value: str | None) -> bool:
    return (value or "").lower() in ("true", "1")
