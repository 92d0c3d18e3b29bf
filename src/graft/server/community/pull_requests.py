"""Pull requests as git sees them: their commits, what they change, and merging them."""

from dataclasses import dataclass

import pygit2
from sqlalchemy.orm import Session

from graft.server import events
from graft.server.community import threads
from graft.server.community.records import Discussion, ThreadEvent
from graft.server.community.rows import to_discussion
from graft.server.community.texts import check_comment
from graft.server.community.writing import Merge, get_row, mark_merged, say
from graft.server.errors import BadRequestError, ConflictError, RevisionNotFoundError
from graft.server.git import diffs, merging
from graft.server.git import repository as git
from graft.server.git.history import to_commit
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Repository, User
from graft.server.repositories import refchanges, repos


@dataclass(frozen=True)
class Changes:
    """What a pull request brings: `base` is the commit that both sides grew from."""

    base: str | None
    head: str
    commits: tuple[ThreadEvent, ...]
    conflicts: tuple[str, ...]
    """Files that both sides changed; empty once it is merged."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to merge (yet)."""
        return not self.commits


def changes(hub: Hub, discussion: Discussion) -> Changes | None:
    """A pull request's commits and conflicts, from git itself: whichever way they came in. None for
    what is no pull request, where its ref or the branch that it is for is gone, and where git
    takes too long: what was said is to be read all the same."""
    if not discussion.is_pull_request:
        return None
    try:
        return _changes(hub, discussion)
    except (RevisionNotFoundError, BadRequestError):
        return None


def _changes(hub: Hub, discussion: Discussion) -> Changes:
    opened = repos.open_git(hub, discussion.repository)
    base, head = _ends(opened, discussion)
    between = merging.commits_between(opened, base, head)
    conflicts: tuple[str, ...] = ()
    if discussion.merge_commit is None:
        conflicts = merging.try_merge(opened, base, head).conflicts
    shared = discussion.merge_base or merging.merge_base(opened, base, head)
    return Changes(shared, head, tuple(_as_event(commit) for commit in between), conflicts)


def diff(hub: Hub, discussion: Discussion) -> str:
    """What a pull request changes, as `git diff` prints it.

    Raises:
        RevisionNotFoundError: its ref or the branch that it is for is gone.
    """
    opened = repos.open_git(hub, discussion.repository)
    base, head = _ends(opened, discussion)
    return diffs.diff_since_base(opened, base, head)


def files(hub: Hub, discussion: Discussion) -> list[diffs.FileChange]:
    """What a pull request changes, file by file.

    Raises:
        RevisionNotFoundError: its ref or the branch that it is for is gone.
    """
    opened = repos.open_git(hub, discussion.repository)
    base, head = _ends(opened, discussion)
    return diffs.changed_files(opened, merging.merge_base(opened, base, head), head)


def merge(
    hub: Hub, repository: Repository, number: int, user: User | None, said: str = ""
) -> Discussion:
    """Brings a pull request's changes into its branch, in one commit. `said` is a comment.

    Raises:
        NotLoggedInError, NotAllowedError: the user may not write to the repository.
        NotFoundError: no such discussion.
        BadRequestError: it is no pull request.
        ConflictError: it is a draft, closed or merged, changes nothing, or both sides changed the
            same files; nothing was merged.
    """
    user = access.check(user, repository, "write")
    said = check_comment(said) if said.strip() else ""
    with refchanges.locked(hub, repository) as opened:
        with hub.database.reading() as session:
            found = get_row(session, repository, number, lock=False)
            _check_can_merge(number, found.is_pull_request, found.status)
            title, branch = found.title, found.base or refchanges.MAIN
        head, base = _commit(opened, merging.pull_request_ref(number)), _commit(opened, branch)
        if merging.is_ancestor(opened, head, base):
            raise ConflictError(
                f"Pull request {number} changes nothing: commit to refs/pr/{number} first."
            )
        shared = merging.merge_base(opened, base, head)
        message = _message(opened, title, number, base, head)
        made = merging.commit_merge(opened, base, head, user.name, message)
        merging_it = Merge(number, user.account.id, shared, head)
        merged: list[Discussion] = []

        def note(session: Session) -> None:
            row = get_row(session, repository, number)
            _check_can_merge(number, row.is_pull_request, row.status)
            if said:
                say(session, repository, row, user.account.id, said)
            mark_merged(session, repository, merging_it, made)
            merged.append(to_discussion(row, repository))

        move = [events.RefUpdate(branch, base, made)]
        refchanges.move(hub, repository, opened, move, also=note, merge=merging_it)
        return merged[0]


def check_may_push(hub: Hub, repository: Repository, ref: str, user: User | None) -> User:
    """`user`, when they may commit to the pull request at `ref`: its author, while it is not
    decided, and whoever may write to the repository.

    Raises:
        RevisionNotFoundError: no such pull request.
        NotLoggedInError, NotAllowedError: it is another's.
        ConflictError: it was merged or closed.
    """
    user = access.check(user, repository, "discuss")
    number = merging.pull_request_number(ref)
    if number is None:
        raise RevisionNotFoundError(f"There is no pull request {ref!r} in this repository.")
    found, _ = threads.find(hub, repository, number)
    if not found.is_pull_request:
        raise RevisionNotFoundError(f"Number {number} is a discussion, not a pull request.")
    if found.author is None or found.author.id != user.account.id:
        access.check(user, repository, "write")
    if found.is_closed:
        raise ConflictError(f"Pull request {number} is {found.status}: open it again, or another.")
    return user


def _ends(opened: pygit2.Repository, discussion: Discussion) -> tuple[str, str]:
    """The commits that a pull request's changes lie between; of a merged one, those of then."""
    if discussion.merge_commit is not None and discussion.merge_head is not None:
        # Merged: what its branch was then. A base that is None shares no history with it.
        before = discussion.merge_base or discussion.merge_commit
        return before, discussion.merge_head
    base = discussion.base or refchanges.MAIN
    return _commit(opened, base), _commit(opened, f"refs/pr/{discussion.number}")


def _commit(opened: pygit2.Repository, ref: str) -> str:
    return str(git.find_commit(opened, ref).id)


def _as_event(commit: pygit2.Commit) -> ThreadEvent:
    found = to_commit(commit)
    return ThreadEvent(
        key=found.id,
        type="commit",
        author=None,
        created_at=found.date,
        text=found.title,
        author_name=found.authors[0],
    )


def _check_can_merge(number: int, is_pull_request: bool, status: str) -> None:
    if not is_pull_request:
        raise BadRequestError(f"Number {number} is a discussion: there is nothing to merge.")
    if status == "draft":
        raise ConflictError(f"Pull request {number} is a draft: open it first (status: open).")
    if status != "open":
        raise ConflictError(f"Pull request {number} is {status} already.")


def _message(opened: pygit2.Repository, title: str, number: int, base: str, head: str) -> str:
    """The merge's message: the title and number, and what its commits were."""
    lines = [
        f"- {to_commit(commit).title} ({commit.id})"
        for commit in merging.commits_between(opened, base, head)
    ]
    return f"{title} (#{number})\n\n" + "\n".join(lines)
