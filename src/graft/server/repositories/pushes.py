"""A `git push`: its objects are kept apart and checked, then its refs move, all in one process.

A push is refused whole when a large file's object was not uploaded, when a file is too large for
git itself, when names cannot be kept, or when a card's YAML cannot be read. A ref that may not be
changed is refused for itself, and the others go on, unless the client wants all or nothing.
"""

import logging
from bisect import insort
from collections.abc import Sequence
from typing import IO

import pygit2
from sqlalchemy import exists, select

from graft.server.community import pull_requests
from graft.server.content import links
from graft.server.db.tables.community import DiscussionRow
from graft.server.errors import BadContentError, RefusedError
from graft.server.events import RefUpdate
from graft.server.git import merging, packets, refs
from graft.server.git.checking import PushedObjects
from graft.server.git.packets import Command, PushRequest
from graft.server.git.quarantine import Quarantine
from graft.server.git.repository import commit_of_object
from graft.server.hub import Hub
from graft.server.names import CARD_FILE
from graft.server.people import access
from graft.server.records import Repository, User
from graft.server.repositories import branches, refchanges, repos
from graft.server.scan import scans
from graft.server.scan.secrets import warning
from graft.server.search.card_rules import Report, check_card
from graft.server.storage.full import is_full, storage_full

logger = logging.getLogger("graft.server")

MAX_PROBLEMS_SHOWN = 20
REFUSED = "The push was refused; nothing of it was kept."
_DECLINED = "refused by the Hub"


class _Refusal(Exception):
    """The whole push is refused: what people are told."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems)
        self.problems = problems


def has_pull_request(hub: Hub, repository: Repository, user: User | None) -> bool:
    """Whether `user` has a pull request here that is not decided, to which they may push."""
    if not access.allows(user, repository, "discuss") or user is None:
        return False
    mine = exists().where(
        DiscussionRow.repository_id == repository.id,
        DiscussionRow.author_id == user.account.id,
        DiscussionRow.is_pull_request,
        DiscussionRow.status.in_(("open", "draft")),
    )
    with hub.database.reading() as session:
        return bool(session.scalar(select(mine)))


def receive(
    hub: Hub, repository: Repository, user: User, request: PushRequest, body: IO[bytes]
) -> bytes:
    """Takes in a push; `body` stands where the pack begins. Answers the report to the client,
    refusals included."""
    results: dict[str, str | None] = {command.ref: None for command in request.commands}
    unpacked = "ok"
    messages: list[str] = []
    try:
        results |= _receive(hub, repository, user, request, body, messages)
    except _Refusal as refusal:
        shown = refusal.problems[:MAX_PROBLEMS_SHOWN]
        messages = [f"graft: {problem}" for problem in shown]
        if len(refusal.problems) > len(shown):
            messages.append(f"graft: ... and {len(refusal.problems) - len(shown)} more")
        results = dict.fromkeys(results, _DECLINED)
    except BadContentError as error:
        unpacked, messages = str(error), [f"graft: {error}"]
        if request.is_shallow:
            messages.append(
                "graft: The clone is shallow, and what it lacks may be missing here too: run "
                "`git fetch --unshallow` first."
            )
        results = dict.fromkeys(results, "unpacker error")
    except RefusedError as error:
        results, messages = dict.fromkeys(results, str(error)), [f"graft: {error}"]
    except Exception as error:  # headers are sent: the report is the only place to tell
        if not is_full(error):
            logger.exception("A push to %s failed", repository.full_name)
        text = str(storage_full()) if is_full(error) else "something went wrong inside the Hub"
        results, messages = dict.fromkeys(results, text), [f"graft: {text}"]
    if any(results.values()) and all(results.values()):
        messages.append(f"graft: {REFUSED}")
    return packets.report(request, results, messages, unpacked)


def _receive(
    hub: Hub,
    repository: Repository,
    user: User,
    request: PushRequest,
    body: IO[bytes],
    messages: list[str],
) -> dict[str, str | None]:
    """What becomes of each ref; what else people are to be told goes to `messages`."""
    path = repos.repository_path(hub, repository)
    with Quarantine(path, hub.settings.git_seconds) as quarantine:
        if any(command.new is not None for command in request.commands):
            quarantine.unpack(body)
        repository, now = repos.again(hub, repository, user)
        user = access.check(now, repository, "discuss")
        opened = repos.open_git(hub, repository)
        opened.odb.add_disk_alternate(str(quarantine.folder))
        found, warnings = _check_content(hub, repository, opened, quarantine, user, request)
        objects = {pointer.sha256 for _, pointer in found.pointers}
        with refchanges.locked(hub, repository) as current:
            current.odb.add_disk_alternate(str(quarantine.folder))
            patterns = branches.protected_branches(hub, repository)
            known = sorted(current.references)
            results: dict[str, str | None] = {}
            for command in request.commands:
                results[command.ref] = _refusal(
                    hub, repository, current, command, user, known
                ) or _protection(quarantine, command, patterns)
                if command.old is None and results[command.ref] is None:
                    insort(known, command.ref)
            if request.is_atomic and any(results.values()):
                return {ref: text or "atomic push failed" for ref, text in results.items()}
            updates = [
                RefUpdate(command.ref, command.old, command.new)
                for command in request.commands
                if results[command.ref] is None and command.old != command.new
            ]
            if updates:  # else nobody could say who let the objects in
                quarantine.accept()
                refchanges.move(hub, repository, current, updates, objects=objects)
    if updates:
        messages += [f"graft: {line}" for text in warnings for line in text.split("\n")]
        if found.secrets:
            with hub.database.writing() as session:
                scans.mark_secrets(session, repository.id, found.secrets)
    return results


def _check_content(
    hub: Hub,
    repository: Repository,
    opened: pygit2.Repository,
    quarantine: Quarantine,
    user: User,
    request: PushRequest,
) -> tuple[PushedObjects, list[str]]:
    """What the push brings, with large objects that the user may use; and what to warn of.

    Raises:
        _Refusal: naming all that is wrong.
        BadContentError: the history is not whole.
    """
    named = [command for command in request.commands if command.new is not None]
    problems = [
        f"{command.ref}: a branch or tag must name a commit"
        for command in named
        if commit_of_object(opened, command.new or "") is None
    ]
    if problems:
        raise _Refusal(problems)
    settings = hub.settings
    found = PushedObjects(
        opened, max_file_bytes=settings.max_inline_bytes, max_files=settings.max_files
    )
    found.look(quarantine, sorted({command.new for command in named if command.new}))
    problems = [*found.problems, *_missing_objects(hub, user, found)]
    warnings = []
    for command in named:
        report = _check_card(repository, opened, command)
        branch = command.ref.removeprefix(refs.BRANCHES)
        problems += [f"{branch}: {text}" for text in report.errors]
        warnings += [f"Warning: {branch}: {text}" for text in report.warnings]
    if problems:
        raise _Refusal(problems)
    secrets = [secret for found_in in found.secrets.values() for secret in found_in]
    return found, [*warnings, *filter(None, [warning(secrets)])]


def _missing_objects(hub: Hub, user: User, found: PushedObjects) -> list[str]:
    """Problems with pointers: objects that are not there, or not the user's to use."""
    if not found.pointers:
        return []
    with hub.database.reading() as session:
        sizes = links.sizes_for(session, user, {pointer.sha256 for _, pointer in found.pointers})
    problems = []
    for path, pointer in found.pointers:
        size = sizes.get(pointer.sha256)
        if size is None:
            problems.append(
                f"{path}: its large object {pointer.sha256} was not uploaded; "
                "run `git lfs push --all origin`"
            )
        elif size != pointer.size:
            problems.append(f"{path}: its pointer says {pointer.size} bytes, the object has {size}")
    return problems


def _check_card(repository: Repository, opened: pygit2.Repository, command: Command) -> Report:
    """What is wrong with the card of a branch's new commit."""
    commit = commit_of_object(opened, command.new or "")
    if commit is None or command.ref.startswith(refs.TAGS) or CARD_FILE not in commit.tree:
        return Report()
    card = commit.tree[CARD_FILE]
    if not isinstance(card, pygit2.Blob):  # a folder of that name is no card
        return Report()
    return check_card(repository.kind, card.data)


def _refusal(
    hub: Hub,
    repository: Repository,
    opened: pygit2.Repository,
    command: Command,
    user: User,
    known: Sequence[str],
) -> str | None:
    """Why a ref may not be changed as the client wants; None where it may. `known` are all refs."""
    ref = command.ref
    if refs.target_of(opened, ref) != command.old:
        return "fetch first: somebody else has changed it"
    try:
        if merging.pull_request_number(ref) is not None:
            pull_requests.check_may_push(hub, repository, ref, user)
            return None if command.new else "a pull request is closed, not deleted"
        if not ref.startswith((refs.BRANCHES, refs.TAGS)):
            return "only branches and tags can be pushed"
        access.check(user, repository, "write")
        what = "branch" if ref.startswith(refs.BRANCHES) else "tag"
        if command.old is None:
            refs.check_new(known, what, ref)
    except RefusedError as error:
        return str(error)
    if ref == refchanges.MAIN and command.new is None:
        return "deletion of the current branch prohibited: every repository has a main"
    return None


def _protection(quarantine: Quarantine, command: Command, patterns: tuple[str, ...]) -> str | None:
    """Why a protected branch may not be changed as the client wants; None where it may."""
    if command.old is None or not refs.is_protected(command.ref, patterns):
        return None
    if command.new is None:
        return "protected branch: it cannot be deleted"
    if not quarantine.is_ancestor(command.old, command.new):
        return "protected branch: it keeps its history (no force-push)"
    return None
