"""Tokens for the storage behind Xet: each is for one repository, one kind of access and an hour.

A client gets one for its own token, and sends it with all that it asks of `/xet/...`. What it
permits is looked up again with every request: an account that loses its rights loses them here too.
"""

import base64
import hmac
import json
import time
from dataclasses import dataclass
from typing import Literal, get_args

from graft.server.db.tables import RepositoryRow
from graft.server.errors import NotAllowedError, NotLoggedInError, RepoNotFoundError
from graft.server.hub import Hub
from graft.server.people import access, identity
from graft.server.records import Repository, User
from graft.server.rows import to_record

VALID_SECONDS = 3600

Access = Literal["read", "write", "propose"]
"""`propose` is to upload for a pull request, which who may discuss and read the files can open."""

_PURPOSE = "xet token"


@dataclass(frozen=True)
class Asker:
    """Who asks, of which repository, and for what their token is."""

    user: User | None
    repository: Repository
    access: Access


def address(hub: Hub, root: str) -> str:
    """Where clients find the storage of this Hub, whose own address is `root`.

    They remember for weeks, by this address, which chunks they sent. So it names the Hub that has
    them, by a number that another one in its place, or one restored from a backup, has not.
    """
    return f"{root}/xet/{hub.signer.key_for('xet storage').hex()[:16]}"


def issue(hub: Hub, repository: Repository, user: User | None, kind: Access) -> tuple[str, int]:
    """A token, and when it ends, in seconds since 1970. Blocks.

    Raises:
        NotLoggedInError, NotAllowedError, GatedRepoError: the user may not do that.
    """
    _check(hub, repository, user, kind)
    expires = int(time.time()) + VALID_SECONDS
    account = user.account.id if user else None
    token = user.token_id if user else None
    claims = json.dumps([repository.id, account, token, kind, expires]).encode()
    body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
    return f"{body}.{hub.signer.digest(_PURPOSE, body)}", expires


def admit(hub: Hub, header: str | None, *, writes: bool) -> Asker:
    """Who sent the token in the Authorization header. Blocks.

    Raises:
        NotLoggedInError: no token of this Hub's, or an old one: clients then ask for another.
        NotAllowedError: a token for reading, where something is to be written.
        RepoNotFoundError: the repository is gone, or the account may not see it any more.
    """
    repository_id, account, token, kind, expires = _claims(hub, header)
    if expires < time.time():
        raise NotLoggedInError("The Xet token has expired; ask for another.")
    if writes and kind == "read":
        raise NotAllowedError("This Xet token is for reading only; ask for one for writing.")
    with hub.database.reading() as session:
        row = session.get(RepositoryRow, repository_id)
        if row is None:
            raise RepoNotFoundError("The repository that this Xet token is for was deleted.")
        repository = to_record(row)
        user = identity.again(session, account, token) if account is not None else None
    if account is not None and user is None:
        raise NotLoggedInError("The token that this Xet token was made for is gone or has expired.")
    _check(hub, repository, user, kind)
    return Asker(user, repository, kind)


def _check(hub: Hub, repository: Repository, user: User | None, kind: Access) -> None:
    if kind == "read":
        access.check_reader(user, repository)
    else:
        access.check(user, repository, "write" if kind == "write" else "discuss")
    # Whatever else a token is for, it reads: the files of a gated repository's proposer, too.
    access.check_files(hub, repository, user)


def _claims(hub: Hub, header: str | None) -> tuple[int, int | None, int | None, Access, int]:
    scheme, _, token = (header or "").partition(" ")
    body, _, signature = token.strip().partition(".")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        signature.encode(), hub.signer.digest(_PURPOSE, body).encode()
    ):
        raise NotLoggedInError("This needs a Xet token of this Hub, as `Authorization: Bearer`.")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    repository_id, account, token_id, kind, expires = claims  # ours: the signature says so
    assert kind in get_args(Access)
    return repository_id, account, token_id, kind, expires
