"""Who may do what with which repository. This module alone decides.

What somebody may do is the less of two: what their account may (its own repositories, those of its
organizations by its role there, what is public), and what their token lets it. All that this needs
is loaded with the token, so that only the files of gated repositories take a query.

In an organization, as on the public hub, "write" includes settings, names and deletion of all its
repositories; "admin" adds the organization itself: its profile and its members.
"""

from functools import lru_cache

from sqlalchemy import ColumnElement, and_, exists, or_, select

from graft.server.db.tables import AccessRequestRow, RepositoryRow
from graft.server.errors import (
    GatedRepoError,
    NotAllowedError,
    RepoNotFoundError,
)
from graft.server.hub import Hub
from graft.server.people import denials, scopes
from graft.server.records import Account, Grant, Kind, MemberRole, Repository, Right, User

# What a fine-grained token needs for each right, on the repository or its owner.
_PERMISSIONS: dict[Right, frozenset[str]] = {
    "read": scopes.giving(scopes.READ_FILES),
    "discuss": frozenset({scopes.DISCUSS}),
    "write": frozenset({scopes.WRITE}),
    "admin": frozenset({scopes.WRITE}),
}
KEPT_CONDITIONS = 500
"""Of how many who asked last."""
_CREATORS: frozenset[MemberRole] = frozenset({"contribute", "write", "admin"})


# --- repositories --------------------------------------------------------------------------------


def allows(user: User | None, repository: Repository, right: Right) -> bool:
    """Whether `user` (None: nobody known) has the right. Asks no database.

    "read" is to see that the repository is there, with its card and its list of files; whether the
    files of a gated one may be read too, `check_files` knows.
    """
    if right == "read" and not repository.private:
        return True
    return (
        user is not None
        and _account_allows(user, repository, right)
        and _token_allows(user, repository, right)
    )


def check(user: User | None, repository: Repository, right: Right) -> User:
    """`user`, when they have the right; to read what is public, ask `allows`.

    Raises:
        RepoNotFoundError: they may not even see the repository.
        NotLoggedInError: nobody is asking.
        NotAllowedError: it is not theirs, or their token may do less than they.
    """
    if not allows(user, repository, "read"):
        raise not_found(repository.kind, repository.owner, repository.name)
    if user is None:
        raise denials.login_needed(f"{denials.DOINGS[right]} {repository.full_name}")
    if not _account_allows(user, repository, right):
        raise NotAllowedError(denials.why_not_theirs(user, repository))
    if not _token_allows(user, repository, right):
        raise denials.token_error(user, _PERMISSIONS[right], repository.full_name)
    return user


def check_reader(user: User | None, repository: Repository) -> None:
    """
    Raises:
        RepoNotFoundError: `user` may not see the repository.
    """
    if not allows(user, repository, "read"):
        raise not_found(repository.kind, repository.owner, repository.name)


def check_may_see_requests(user: User | None, repository: Repository) -> User:
    """`user`, when they may see who asked for the files of a gated repository.

    Raises:
        RepoNotFoundError, NotLoggedInError, NotAllowedError: as `check` does.
    """
    if user is not None and user.role == "fine-grained":
        permitted = scopes.giving(scopes.READ_REQUESTS)
        if _account_allows(user, repository, "admin") and _granted(user, repository, permitted):
            return user
    return check(user, repository, "admin")


def not_found(kind: Kind, owner: str, name: str) -> RepoNotFoundError:
    """The error for a repository that is not there, and just so for one that may not be seen."""
    noun = "model" if kind is Kind.MODEL else "data set"
    return RepoNotFoundError(
        f"There is no {noun} {owner}/{name} on this Hub, or it is private and you may not see it. "
        "Check the name, and log in if the repository is yours."
    )


@lru_cache(KEPT_CONDITIONS)
def visible_to(user: User | None) -> ColumnElement[bool]:
    """The condition on `RepositoryRow` that leaves what `user` may see: `allows(..., "read")`, as
    every list, search and link needs it. For the same user, with the same memberships and token, it
    is the same object, so that statements made with it can be kept."""
    return or_(RepositoryRow.private.is_(False), *_inside(user))


# --- the files of gated repositories -------------------------------------------------------------


def check_files(hub: Hub, repository: Repository, user: User | None) -> None:
    """That `user`, who sees the repository, may read its files too. Blocks where it is gated.

    Raises:
        GatedRepoError: they were not let in; says where to ask for that.
    """
    if repository.gated is None or _skips_the_gate(user, repository):
        return
    if user is not None and _is_insider(user, repository.owner_id):
        raise GatedRepoError(denials.why_not_by_token(user, repository))
    place = f"Ask for access at {hub.settings.public_url}{repository.path}/ask-access."
    if user is None:
        raise GatedRepoError(
            f"Access to {repository.full_name} is restricted: log in, then ask for access. {place}",
            status=401,
        )
    with hub.database.reading() as session:
        status = session.scalar(
            select(AccessRequestRow.status).where(
                AccessRequestRow.repository_id == repository.id,
                AccessRequestRow.account_id == user.account.id,
            )
        )
    if status != "accepted":
        raise GatedRepoError(denials.why_gated(status, repository, place))
    if user.role == "fine-grained" and not _token_passes_the_gate(user, repository):
        raise GatedRepoError(denials.why_not_by_token(user, repository))


def files_readable_by(user: User | None) -> ColumnElement[bool]:
    """The condition on `RepositoryRow` that leaves those whose files `user` may read."""
    conditions = [RepositoryRow.gated.is_(None), *_inside(user)]
    if user is not None and (user.role != "fine-grained" or user.scopes.gated):
        conditions.append(
            exists().where(
                AccessRequestRow.repository_id == RepositoryRow.id,
                AccessRequestRow.account_id == user.account.id,
                AccessRequestRow.status == "accepted",
            )
        )
    return and_(visible_to(user), or_(*conditions))


def _skips_the_gate(user: User | None, repository: Repository) -> bool:
    """Whoever owns the repository, or belongs to the organization that does, need not ask."""
    if user is None or not _is_insider(user, repository.owner_id):
        return False
    return user.role != "fine-grained" or _token_passes_the_gate(user, repository)


def _token_passes_the_gate(user: User, repository: Repository) -> bool:
    return user.scopes.gated or _granted(user, repository, _PERMISSIONS["read"])


# --- owners --------------------------------------------------------------------------------------


def may_create(user: User | None, owner: Account) -> bool:
    """Whether `user` may create a repository under `owner`, a person or an organization."""
    if user is None or not _creates_as(user, owner):
        return False
    return _token_allows_on_owner(user, owner, frozenset({scopes.WRITE}))


def check_may_create(user: User | None, owner: Account) -> User:
    """`user`, when they may create a repository under `owner`, or move one there.

    Raises:
        NotLoggedInError: nobody is asking.
        NotAllowedError: another's name, too small a role, or a token that may not write there.
    """
    if user is None:
        raise denials.login_needed("Creating a repository")
    if not _creates_as(user, owner):
        role = user.role_in(owner.id)
        why = f"as a member who may {role} only" if role else f"use {user.name}/..."
        raise NotAllowedError(
            f"{user.name} may not create a repository under {owner.name!r}: {why}."
        )
    _check_token(user, owner, frozenset({scopes.WRITE}))
    return user


def check_organization_admin(user: User | None, organization: Account) -> User:
    """`user`, when they look after the organization.

    Raises:
        NotLoggedInError, NotAllowedError: they do not, or their token may not do it for them.
    """
    if user is None:
        raise denials.login_needed(f"Changing {organization.name}")
    if user.role_in(organization.id) != "admin":
        raise NotAllowedError(
            f"Only an admin of {organization.name} may do this; {user.name} is none."
        )
    _check_token(user, organization, frozenset({scopes.WRITE_ORGANIZATION}))
    return user


def check_permission(user: User | None, permission: str) -> User:
    """`user`, when their token may act for the account itself: its likes, webhooks, collections.

    Args:
        permission: what a fine-grained token needs, everywhere or on the account: one of
            `graft.server.people.scopes.PERMISSIONS`. A "read" token has those that end in `.read`.

    Raises:
        NotLoggedInError: nobody is asking.
        NotAllowedError: the token may not.
    """
    if user is None:
        raise denials.login_needed("This")
    if user.role == "write" or (user.role == "read" and permission.endswith(".read")):
        return user
    _check_token(user, user.account, scopes.giving(permission))
    return user


def owners_for(user: User | None, permission: str) -> list[int]:
    """The owners (the account itself, its organizations) for whom `user` may do what `permission`
    names: every member of an organization may read, members with the role write or admin change."""
    if user is None:
        return []
    reads = permission.endswith(".read")
    if user.role == "read" and not reads:
        return []
    roles: tuple[MemberRole, ...] = ("write", "admin")
    of = [m.organization for m in user.memberships if reads or m.role in roles]
    owners = [user.account, *of]
    if user.role != "fine-grained":
        return [owner.id for owner in owners]
    permitted = scopes.giving(permission)
    return [owner.id for owner in owners if _token_allows_on_owner(user, owner, permitted)]


def check_owner(user: User | None, owner: Account, permission: str) -> User:
    """`user`, when they may do for `owner` what `permission` names.

    Raises:
        NotLoggedInError: nobody is asking.
        NotAllowedError: another's, too small a role, or a token that may not.
    """
    if user is None:
        raise denials.login_needed("This")
    if owner.id in owners_for(user, permission):
        return user
    role = user.role_in(owner.id)
    if owner.id != user.account.id and role not in ("write", "admin"):
        why = f"as a member who may {role} only" if role else "it is another's"
        raise NotAllowedError(f"{user.name} may not do this for {owner.name}: {why}.")
    raise denials.token_error(user, scopes.giving(permission), owner.name)


def _creates_as(user: User, owner: Account) -> bool:
    return owner.id == user.account.id or user.role_in(owner.id) in _CREATORS


# --- the account's part, and the token's ---------------------------------------------------------


def _is_insider(user: User, owner_id: int) -> bool:
    return owner_id == user.account.id or user.role_in(owner_id) is not None


def _account_allows(user: User, repository: Repository, right: Right) -> bool:
    if repository.owner_id == user.account.id:
        return True
    role = user.role_in(repository.owner_id)
    if right in ("read", "discuss"):
        return role is not None or not repository.private
    if role == "contribute":
        return repository.creator_id == user.account.id
    return role in ("write", "admin")


def _token_allows(user: User, repository: Repository, right: Right) -> bool:
    if user.role == "write":
        return True
    if user.role == "read":
        return right == "read"
    if right == "read" and not repository.private:
        return True
    if right == "discuss" and not _token_allows(user, repository, "read"):
        return False
    return _granted(user, repository, _PERMISSIONS[right])


def _granted(user: User, repository: Repository, permitted: frozenset[str]) -> bool:
    """Whether a fine-grained token has one of the permissions on the repository or its owner."""
    return bool(permitted & user.scopes.everywhere) or any(
        permitted & grant.permissions and _covers(grant, repository) for grant in user.scopes.grants
    )


def _covers(grant: Grant, repository: Repository) -> bool:
    if grant.entity in ("user", "org"):
        return grant.id == repository.owner_id
    return grant.id == repository.id


def _check_token(user: User, owner: Account, permitted: frozenset[str]) -> None:
    if not _token_allows_on_owner(user, owner, permitted):
        raise denials.token_error(user, permitted, owner.name)


def _token_allows_on_owner(user: User, owner: Account, permitted: frozenset[str]) -> bool:
    if user.role != "fine-grained":
        return user.role == "write"
    return bool(permitted & user.scopes.everywhere) or any(
        grant.entity in ("user", "org") and grant.id == owner.id and permitted & grant.permissions
        for grant in user.scopes.grants
    )


def _inside(user: User | None) -> list[ColumnElement[bool]]:
    """The conditions, one of which is true of what `user` sees as an insider.

    The repositories that a token names still have to be the account's own, or of its organizations:
    a token may do no more than its account, also after that has left an organization.
    """
    if user is None:
        return []
    owners = [user.account.id, *(m.organization.id for m in user.memberships)]
    if user.role != "fine-grained":
        return [RepositoryRow.owner_id.in_(owners)]
    grants = [g for g in user.scopes.grants if g.permissions & _PERMISSIONS["read"]]
    named = {g.id for g in grants if g.entity in ("user", "org")}.intersection(owners)
    single = [g.id for g in grants if g.entity in ("model", "dataset")]
    conditions: list[ColumnElement[bool]] = []
    if named:
        conditions.append(RepositoryRow.owner_id.in_(sorted(named)))
    if single:
        mine = RepositoryRow.owner_id.in_(owners)
        conditions.append(and_(RepositoryRow.id.in_(single), mine))
    return conditions
