"""Fine-grained tokens: from what is typed in to scopes, and back to names."""

from collections.abc import Iterable, Sequence
from typing import Literal

from sqlalchemy import select

from graft.server.db.tables import AccountRow, RepositoryRow
from graft.server.errors import BadRequestError, NotAllowedError, NotFoundError
from graft.server.hub import Hub
from graft.server.people import identity
from graft.server.people.accounts import find_account
from graft.server.records import Account, Grant, Kind, Scopes, User
from graft.server.repositories import repos

EVERYWHERE = "*"
"""The place that stands for all that an account may see."""
GATED = "gated"
"""The word that lets a token read the files of gated repositories."""


def parse_scopes(hub: Hub, user: User, written: Iterable[str]) -> Scopes:
    """Scopes from lines such as `me/model: repo.write, discussion.write`.

    A place is a repository (`owner/name`, `datasets/owner/name`), an owner (`me`, an organization),
    or `*` for all; `*: gated` lets the token read gated files.

    Args:
        user: whose token it is; a place has to be one that they may see.

    Raises:
        BadRequestError: a line that cannot be read.
        NotFoundError, RepoNotFoundError: a place that is not there.
        NotAllowedError: an owner that is another's.
    """
    everywhere: set[str] = set()
    grants: dict[tuple[str, int], Grant] = {}
    for line in written:
        if not line.strip():
            continue
        place, colon, names = line.rpartition(":")
        permissions = frozenset(name.strip() for name in names.split(",") if name.strip())
        if not colon or not permissions:
            raise BadRequestError(
                f"{line.strip()!r} cannot be read: write a place, a colon and permissions, such as "
                "`me/model: repo.write, discussion.write`."
            )
        if place.strip() == EVERYWHERE:
            everywhere |= permissions
            continue
        grant = _grant(hub, user, place.strip(), permissions)
        before = grants.get((grant.entity, grant.id))
        both = permissions | (before.permissions if before else frozenset())
        grants[grant.entity, grant.id] = Grant(grant.entity, grant.id, both)
    gated = GATED in everywhere
    return Scopes(frozenset(everywhere - {GATED}), gated, tuple(grants.values()))


def parse_for(hub: Hub, account: Account, written: Iterable[str]) -> Scopes:
    """`parse_scopes` for whoever runs the Hub, who makes the token for an account.

    Raises:
        NotFoundError: the account has just been deleted.
        RefusedError: as there.
    """
    with hub.database.reading() as session:
        user = identity.again(session, account.id, None)
    if user is None:
        raise NotFoundError(f"The account {account.name} has just been deleted.")
    return parse_scopes(hub, user, written)


def describe(hub: Hub, scopes: Scopes) -> list[str]:
    """Scopes as `parse_scopes` reads them, a line each place; deleted places are left out."""
    everywhere = sorted(scopes.everywhere) + ([GATED] if scopes.gated else [])
    lines = [f"{EVERYWHERE}: {', '.join(everywhere)}"] if everywhere else []
    for grant, name in names_of(hub, scopes.grants):
        place = f"datasets/{name}" if grant.entity == "dataset" else name
        lines.append(f"{place}: {', '.join(sorted(grant.permissions))}")
    return lines


def names_of(hub: Hub, grants: Sequence[Grant]) -> list[tuple[Grant, str]]:
    """The grants with the names that their places have now; without those of deleted places."""
    owners = [grant.id for grant in grants if grant.entity in ("user", "org")]
    repositories = [grant.id for grant in grants if grant.entity in ("model", "dataset")]
    with hub.database.reading() as session:
        named: dict[tuple[bool, int], str] = {}
        for id_, name in session.execute(
            select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_(owners))
        ):
            named[True, id_] = name
        for id_, owner, name in session.execute(
            select(RepositoryRow.id, AccountRow.name, RepositoryRow.name)
            .join(AccountRow, AccountRow.id == RepositoryRow.owner_id)
            .where(RepositoryRow.id.in_(repositories))
        ):
            named[False, id_] = f"{owner}/{name}"
    keys = [((grant.entity in ("user", "org"), grant.id), grant) for grant in grants]
    return [(grant, named[key]) for key, grant in keys if key in named]


def _grant(hub: Hub, user: User, place: str, permissions: frozenset[str]) -> Grant:
    if "/" in place:
        kind = Kind.DATASET if place.startswith("datasets/") else Kind.MODEL
        owner, _, name = place.removeprefix("datasets/").removeprefix("models/").partition("/")
        repository = repos.find(hub, kind, owner, name, user)
        entity: Literal["model", "dataset"] = "dataset" if kind is Kind.DATASET else "model"
        return Grant(entity, repository.id, permissions)
    account = find_account(hub, place)
    if not _belongs(user, account):
        raise NotAllowedError(f"{account.name} is neither you nor an organization of yours.")
    return Grant("org" if account.is_organization else "user", account.id, permissions)


def _belongs(user: User, account: Account) -> bool:
    return account.id == user.account.id or user.role_in(account.id) is not None
