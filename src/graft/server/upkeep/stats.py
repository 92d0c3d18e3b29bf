"""What a Hub holds, in figures."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from graft.server.db.tables import (
    AccountRow,
    ObjectRow,
    RepositoryObjectRow,
    RepositoryRow,
    XorbRow,
)
from graft.server.hub import Hub
from graft.server.records import Kind

LARGEST = 10


@dataclass(frozen=True)
class Large:
    """A repository and the bytes of the large files in all its history."""

    kind: str
    name: str
    size: int
    """Bytes of the files at the newest commit of `main`."""
    stored: int
    """Bytes of all large files that the repository keeps, each once."""


@dataclass(frozen=True)
class Stats:
    """The figures of a Hub; all sizes are bytes."""

    accounts: int
    repositories: dict[str, int]
    """How many there are of each kind."""
    private: int
    downloads: int
    objects: int
    """Different large files."""
    xorbs: int
    logical_bytes: int
    """What the large files would take if each repository stored its own."""
    unique_bytes: int
    """What they would take if equal files were stored once."""
    stored_bytes: int
    """What they do take: equal chunks are stored once, and packed where that helps."""
    git_bytes: int | None
    """What the git repositories take; None where it was not counted."""
    largest: tuple[Large, ...]

    @property
    def dedup_ratio(self) -> float:
        """How many times over the stored bytes are used."""
        return self.logical_bytes / self.stored_bytes if self.stored_bytes else 1.0


def collect(hub: Hub, *, git: bool = False, largest: int = LARGEST) -> Stats:
    """Counts all that the Hub holds.

    Args:
        git: whether to count the bytes of the git repositories too, which reads all their folders.
        largest: how many of the repositories with the most bytes to name.
    """
    with hub.database.reading() as session:
        query = select(RepositoryRow.kind, func.count()).group_by(RepositoryRow.kind)
        kinds = dict(session.execute(query).all())
        whole = (ObjectRow.xet_hash.is_(None),)  # from before there were xorbs
        return Stats(
            accounts=_number(session, select(func.count()).select_from(AccountRow)),
            repositories={kind.plural: kinds.get(kind.value, 0) for kind in Kind},
            private=_number(session, select(func.count()).where(RepositoryRow.private)),
            downloads=_number(session, select(func.sum(RepositoryRow.downloads))),
            objects=_number(session, select(func.count()).select_from(ObjectRow)),
            xorbs=_number(session, select(func.count()).select_from(XorbRow)),
            logical_bytes=_number(
                session,
                select(func.sum(ObjectRow.size)).join(
                    RepositoryObjectRow, RepositoryObjectRow.sha256 == ObjectRow.sha256
                ),
            ),
            unique_bytes=_number(session, select(func.sum(ObjectRow.size))),
            stored_bytes=_number(session, select(func.sum(XorbRow.packed_bytes)))
            + _number(session, select(func.sum(ObjectRow.size)).where(*whole)),
            git_bytes=_git_bytes(hub) if git else None,
            largest=_largest(session, largest),
        )


def _largest(session: Session, most: int) -> tuple[Large, ...]:
    stored = func.sum(ObjectRow.size)
    most_bytes = (
        select(RepositoryObjectRow.repository_id, stored.label("stored"))
        .join(ObjectRow, ObjectRow.sha256 == RepositoryObjectRow.sha256)
        .group_by(RepositoryObjectRow.repository_id)
        .order_by(stored.desc(), RepositoryObjectRow.repository_id)
        .limit(most)
        .subquery()
    )
    query = (
        select(
            RepositoryRow.kind,
            AccountRow.name + "/" + RepositoryRow.name,
            RepositoryRow.size,
            most_bytes.c.stored,
        )
        .join(most_bytes, most_bytes.c.repository_id == RepositoryRow.id)
        .join(AccountRow, AccountRow.id == RepositoryRow.owner_id)
        .order_by(most_bytes.c.stored.desc(), RepositoryRow.id)
    )
    return tuple(
        Large(kind, name, size, int(stored)) for kind, name, size, stored in session.execute(query)
    )


def _git_bytes(hub: Hub) -> int:
    """The bytes of all files in the folder of git repositories."""
    total = 0
    for folder, _, names in os.walk(hub.settings.repositories_folder):
        for name in names:
            with suppress(FileNotFoundError):  # deleted just now
                total += Path(folder, name).stat().st_size
    return total


def _number(session: Session, query: Select[Any]) -> int:
    return int(session.scalar(query) or 0)
