"""A repository's settings: who may see it, who gets its files, which branches keep their history.

What is changed together is changed in one transaction: nobody sees a repository that is public
already and whose gate is still to be closed.
"""

import json
from collections.abc import Sequence
from typing import Literal

from graft.server import events
from graft.server.db.tables import RepositoryRow
from graft.server.errors import BadRequestError
from graft.server.events import Event
from graft.server.git import refs
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.records import Gate, Repository, User
from graft.server.repositories import repos
from graft.server.rows import to_record

MAX_PATTERNS = 100


def change(
    hub: Hub,
    repository: Repository,
    user: User | None,
    *,
    private: bool | None = None,
    gate: Gate | Literal[False] | None = None,
    protected_branches: Sequence[str] | None = None,
) -> Repository:
    """Changes what is given, all of it or nothing; None leaves a setting as it is.

    Args:
        private: whether only its owner, or the members of its organization, see it.
        gate: who gets the files of those who see it: False for everybody.
        protected_branches: patterns of the branches that keep their history, instead of those
            before.

    Raises:
        RepoNotFoundError, NotLoggedInError, NotAllowedError: the user may not change the settings.
        BadRequestError: a pattern that no branch's name could match, or too many.
    """
    access.check(user, repository, "admin")
    if protected_branches is not None:
        _check_patterns(protected_branches)
    with hub.database.writing() as session:
        row = repos.get_row(session, repository)
        before = _settings(row)
        if private is not None:
            row.private = private
        if gate is not None:
            row.gated = gate or None
        if protected_branches is not None:
            row.protected_branches = json.dumps(sorted(set(protected_branches)))
        session.flush()
        if _settings(row) != before:
            events.emit(session, Event("repo.config", "update", to_record(row)))
        return to_record(row)


def _settings(row: RepositoryRow) -> tuple[bool, str | None, str]:
    return row.private, row.gated, row.protected_branches


def _check_patterns(patterns: Sequence[str]) -> None:
    if len(patterns) > MAX_PATTERNS:
        raise BadRequestError(f"There may be at most {MAX_PATTERNS} patterns of branches.")
    for pattern in patterns:
        plain = pattern.translate({ord(c): "x" for c in "*?[]!"})
        refs.check_name("branch", f"{refs.BRANCHES}{plain}")
