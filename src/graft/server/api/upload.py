"""Before and during a commit: how each file is to travel, whether a card is sound, the commit."""

import base64
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from graft.server.api.answers import OR_TEXT
from graft.server.api.bodies import spooled
from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.errors import BadRequestError, EntryNotFoundError
from graft.server.git.ignore import find_ignored
from graft.server.git.snapshot import Snapshot
from graft.server.hub import Hub
from graft.server.names import check_file_path
from graft.server.people.auth import CurrentHub, CurrentUser, base_url
from graft.server.records import Kind, Repository
from graft.server.repositories import commits, repos
from graft.server.search.card_rules import check_card, license_error
from graft.server.search.describe import MAX_CARD_BYTES

router = APIRouter()

MAX_IGNORE_BYTES = 1024**2


class PlannedFile(BaseModel):
    """A file about to be uploaded: its size in bytes and, in base64, how it begins."""

    path: str
    size: Annotated[int, Field(ge=0)]
    sample: str = ""


class Plan(BaseModel):
    """What `preupload` gets; `gitIgnore` is the content of a `.gitignore`."""

    files: Annotated[list[PlannedFile], Field(max_length=1000)]
    git_ignore: Annotated[str | None, Field(alias="gitIgnore", max_length=MAX_IGNORE_BYTES)] = None


class CardText(BaseModel):
    """A README.md to check."""

    content: Annotated[str, Field(max_length=MAX_CARD_BYTES)]
    repo_type: Annotated[str, Field(alias="repoType")] = "model"


@router.post(f"{REPOSITORY}/preupload/{{revision:path}}")
def preupload(
    revision: str,
    body: Plan,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    create_pr: bool = False,
) -> dict[str, Any]:
    """For each file: `lfs` or `regular`, whether to leave it out, and the hash of what is there."""
    commits.check_may_commit(hub, repository, revision, user, opens=create_pr)
    snapshot = repos.snapshot(hub, repository, revision)
    for file in body.files:
        check_file_path(file.path)
    ignored = _ignored(hub, repository, snapshot, body)
    return {
        "files": [
            {
                "path": file.path,
                "uploadMode": "lfs" if _goes_to_store(hub, snapshot, file) else "regular",
                "shouldIgnore": file.path in ignored,
                "oid": _present_hash(snapshot, file.path),
            }
            for file in body.files
        ]
    }


@router.post(f"{REPOSITORY}/commit/{{branch:path}}")
async def commit(
    request: Request,
    branch: str,
    repository: PathRepository,
    hub: CurrentHub,
    user: CurrentUser,
    create_pr: bool = False,
) -> dict[str, Any]:
    """Makes one commit from lines of JSON, all of it or nothing."""
    await run_in_threadpool(
        commits.check_may_commit, hub, repository, branch, user, opens=create_pr
    )
    async with (
        spooled(request, hub.settings.max_commit_bytes, "commit") as body,
        hub.turns.turn(("commit", repository.id)),
    ):
        made = await run_in_threadpool(
            commits.commit, hub, repository, branch, body, user, opens=create_pr
        )
    root = f"{base_url(request)}{repository.path}"
    answer = {
        "success": True,
        "commitOid": made.commit.id,
        "commitUrl": f"{root}/commit/{made.commit.id}",
        "hookOutput": made.warnings,
    }
    if made.pull_request is not None:
        answer["pullRequestUrl"] = f"{root}/discussions/{made.pull_request}"
    return answer


@router.post("/api/validate-yaml", responses=OR_TEXT)
def validate_card(request: Request, body: CardText) -> Response:
    """Whether a card says what it says in the form that readers expect; 400 with what is wrong.

    Who asks for plain text wants the card held to words that everybody knows, too: a licence that
    nobody knows is an error there.
    """
    kind = Kind.DATASET if body.repo_type == Kind.DATASET.value else Kind.MODEL
    report = check_card(kind, body.content)
    errors, warnings = report.errors, report.warnings
    if "text/plain" in request.headers.get("accept", ""):
        unknown = license_error(report.metadata)
        errors = errors + ([unknown] if unknown else [])
        lines = [f"- Error: {text}" for text in errors] + [f"- Warning: {t}" for t in warnings]
        return PlainTextResponse("\n".join(lines), status_code=400 if errors else 200)
    content: dict[str, Any] = {
        "errors": [{"message": text} for text in errors],
        "warnings": [{"message": text} for text in warnings],
    }
    if errors:
        content["error"] = "; ".join(errors)
    return JSONResponse(content, status_code=400 if errors else 200)


def _goes_to_store(hub: Hub, snapshot: Snapshot, file: PlannedFile) -> bool:
    if file.size == 0:
        return False
    if file.size > hub.settings.max_inline_bytes or snapshot.sends_to_store(file.path):
        return True
    try:
        sample = base64.b64decode(file.sample)
    except ValueError:  # not base64, or not even ASCII
        raise BadRequestError(f"The sample of {file.path!r} is not base64.") from None
    return b"\0" in sample


def _present_hash(snapshot: Snapshot, path: str) -> str | None:
    try:
        entry = snapshot.entry(path)
    except EntryNotFoundError:
        return None
    if not entry.is_file:
        return None
    return entry.lfs.sha256 if entry.lfs else entry.oid


def _ignored(hub: Hub, repository: Repository, snapshot: Snapshot, body: Plan) -> set[str]:
    """Which of the files a `.gitignore` leaves out: the one that was sent, or the repository's."""
    rules = body.git_ignore
    if rules is None:
        try:
            rules_file = snapshot.entry(".gitignore")
        except EntryNotFoundError:
            return set()
        if not rules_file.is_file:
            return set()
        rules = repos.read(hub, repository, rules_file, MAX_IGNORE_BYTES).decode("utf-8", "replace")
    path = repos.repository_path(hub, repository)
    return find_ignored(path, rules, (file.path for file in body.files))
