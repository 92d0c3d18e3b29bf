"""What somebody is told who may not do what they asked for: why, and who could let them.

`graft.server.people.access` decides; here are its words.
"""

from collections.abc import Collection

from graft.server.errors import NotAllowedError, NotLoggedInError
from graft.server.records import Repository, Right, User

DOINGS: dict[Right, str] = {
    "read": "Reading",
    "discuss": "Discussing",
    "write": "Changing",
    "admin": "Changing",
}
"""What each right is for, as a sentence about it begins."""


def login_needed(doing: str) -> NotLoggedInError:
    """For somebody unknown, who wants what `doing` says, as a sentence about it begins."""
    return NotLoggedInError(
        f"{doing} needs a token: log in first (`graft login`), or send one as "
        "`Authorization: Bearer TOKEN`."
    )


def why_not_theirs(user: User, repository: Repository) -> str:
    """Why the account of `user` may not change the repository."""
    role = user.role_in(repository.owner_id)
    if role is None:
        whose = f"{repository.full_name} belongs to {repository.owner}"
        return f"{whose}; {user.name} may not change it."
    if role == "contribute":
        return (
            f"{user.name} may write only to the repositories of {repository.owner} that they "
            f"created themselves; {repository.full_name} is another's. Open a pull request."
        )
    return (
        f"{user.name} may only read the repositories of {repository.owner}: "
        "ask one of its admins for another role."
    )


def token_error(user: User, permitted: Collection[str], place: str) -> NotAllowedError:
    """The error for a token that may do less than its account.

    Args:
        permitted: the permissions, one of which a fine-grained token needs.
        place: where it needs it: the full name of a repository, or a name.
    """
    if user.role == "read":
        return NotAllowedError(
            f"The token {user.token_name!r} may only read; this needs one with the role 'write'."
        )
    needed = " or ".join(sorted(permitted))
    return NotAllowedError(
        f"The token {user.token_name!r} lacks the permission {needed} on {place}: give it that on "
        "the page /settings/tokens, or use another."
    )


def why_not_by_token(user: User, repository: Repository) -> str:
    """Why the token of somebody who was let in through the gate does not get in."""
    return (
        f"{user.name} may read {repository.full_name}, but the token {user.token_name!r} has no "
        "permission for gated repositories: give it that on the page /settings/tokens."
    )


def why_gated(status: str | None, repository: Repository, place: str) -> str:
    """Why somebody is not let in through the gate.

    Args:
        status: of their request: "pending", "rejected", or None where there is none.
        place: a sentence that says where to ask.
    """
    if status == "pending":
        return (
            f"Access to {repository.full_name} is restricted, and your request for it has not been "
            "answered yet by its owners."
        )
    if status == "rejected":
        return (
            f"Access to {repository.full_name} is restricted, and its owners rejected your request."
        )
    # The words that stock clients, and people who search for them, know.
    return (
        f"Access to {repository.kind} {repository.full_name} is restricted and you are not in the "
        f"authorized list. {place}"
    )
