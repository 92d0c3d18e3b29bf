"""Whether every large file is there: its row, the xorbs it is made of, and their bytes."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import InstrumentedAttribute, undefer
from sqlalchemy.orm.interfaces import ORMOption

from graft.errors import GraftError
from graft.server.content import large
from graft.server.db.tables import (
    Base,
    ObjectRow,
    ObjectXorbRow,
    RepositoryObjectRow,
    RepositoryRow,
    XorbRow,
)
from graft.server.hub import Hub
from graft.server.storage.content import whole_key
from graft.server.storage.layout import Layout, decode
from graft.server.storage.xorbs import key_of
from graft.server.upkeep.findings import Problem, Report
from graft.server.xet.hashes import from_text, to_text
from graft.server.xet.xorb import footer_bytes, scan

Row = TypeVar("Row", bound=Base)

PAGE = 500
READ_BYTES = 8 * 1024**2
SHOWN_REPOSITORIES = 5


def check_content(hub: Hub, report: Report, *, deep: bool, repair: bool) -> None:
    """Checks all xorbs and all objects.

    Args:
        deep: whether to read every byte and take every hash.
    """
    for problem in _check_xorbs(hub, report, deep=deep):
        done = repair and _forget_unused(hub, problem.where)
        report.problems.append(replace(problem, repaired=done))
    for problem in _check_objects(hub, report, deep=deep):
        done = repair and large.delete_orphan(hub, problem.where)
        report.problems.append(replace(problem, repaired=done))


# --- xorbs ---------------------------------------------------------------------------------------


def _check_xorbs(hub: Hub, report: Report, *, deep: bool) -> Iterator[Problem]:
    stored = {blob.key: blob.size for blob in hub.content.xorbs.stored()}
    for row in _rows(hub, XorbRow, XorbRow.hash):
        report.xorbs += 1
        expected = row.packed_bytes + footer_bytes(row.chunks)
        found = stored.pop(key_of(row.hash), None)
        if found != expected:  # written or deleted since we looked?
            found = hub.content.blobs.size_of(key_of(row.hash))
        why = _wrong_size(found, expected)
        if why is None and deep:
            why = _damage(hub, row.hash)
            report.bytes_read += expected
        if why is not None and _has(hub, XorbRow, row.hash):
            concerned = _concerned(hub, ObjectXorbRow.xorb == row.hash)
            yield Problem("xorb-damaged", row.hash, f"{why}{concerned}")
    stray = [key for key in stored if not _has(hub, XorbRow, key.rpartition("/")[2])]
    if stray:
        size = sum(stored[key] for key in stray)
        report.notes.append(
            f"{len(stray)} files of {size} bytes in storage belong to no upload that was completed;"
            " `graft hub gc` deletes them when they are old enough."
        )


def _wrong_size(found: int | None, expected: int) -> str | None:
    if found is None:
        return "Its bytes are not in storage."
    return None if found == expected else f"It has {found} bytes in storage, not {expected}."


def _damage(hub: Hub, name: str) -> str | None:
    """What is wrong with a xorb's bytes."""
    try:
        data = hub.content.blobs.read(key_of(name))
        index = scan(data)
    except GraftError as error:  # damaged, or storage does not answer
        return str(error)
    if index.root() != from_text(name):
        return f"Its chunks make the xorb {to_text(index.root())}."
    same = data[index.packed_bytes :] == index.footer(index.root())
    return None if same else "Its footer tells of other chunks than it has."


def _forget_unused(hub: Hub, name: str) -> bool:
    """Forgets a xorb of which no object is made: who sends it again makes it whole."""
    with hub.database.writing() as session:
        hub.database.lock(session, f"xorb:{name}")
        used = exists().where(ObjectXorbRow.xorb == XorbRow.hash)
        gone = session.execute(
            delete(XorbRow).where(XorbRow.hash == name, ~used).returning(XorbRow.hash)
        ).one_or_none()
    if gone is None:
        return False
    hub.content.xorbs.delete_stray(name)
    return True


# --- objects -------------------------------------------------------------------------------------


def _check_objects(hub: Hub, report: Report, *, deep: bool) -> Iterator[Problem]:
    for row in _rows(hub, ObjectRow, ObjectRow.sha256, undefer(ObjectRow.terms)):
        report.objects += 1
        why = _check_object(hub, row)
        if why is None and deep:
            why = _wrong_bytes(hub, row)
            report.bytes_read += row.size
        if why is not None and _has(hub, ObjectRow, row.sha256):
            concerned = _concerned(hub, RepositoryObjectRow.sha256 == row.sha256)
            yield Problem("object-damaged", row.sha256, f"{why}{concerned}")


def _check_object(hub: Hub, row: ObjectRow) -> str | None:
    if row.terms is None:
        return _wrong_size(hub.content.blobs.size_of(whole_key(row.sha256)), row.size)
    layout = decode(row.terms)
    if layout.size != row.size:
        return f"Its chunks have {layout.size} bytes; it should have {row.size}."
    return _wrong_xorbs(hub, row.sha256, layout)


def _wrong_xorbs(hub: Hub, sha256: str, layout: Layout) -> str | None:
    with hub.database.reading() as session:
        query = (
            select(XorbRow.hash, XorbRow.chunks)
            .join(ObjectXorbRow, ObjectXorbRow.xorb == XorbRow.hash)
            .where(ObjectXorbRow.sha256 == sha256)
        )
        known = dict(session.execute(query).all())
    for term in layout.terms:
        if term.xorb not in known:
            return f"It is made of the xorb {term.xorb}, which the tables do not give it."
        if not 0 <= term.first < term.end <= known[term.xorb]:
            return f"It is made of chunks that the xorb {term.xorb} does not have."
    return None


def _wrong_bytes(hub: Hub, row: ObjectRow) -> str | None:
    """What is wrong with an object's own bytes."""
    digest = hashlib.sha256()
    try:
        for start in range(0, row.size, READ_BYTES):
            digest.update(hub.content.read(row.sha256, start, READ_BYTES))
    except GraftError as error:
        return str(error)
    found = digest.hexdigest()
    return None if found == row.sha256 else f"Its bytes have the SHA-256 {found}."


# --- both ----------------------------------------------------------------------------------------


def _rows(
    hub: Hub, table: type[Row], key: InstrumentedAttribute[str], *options: ORMOption
) -> Iterator[Row]:
    """All rows, by key, a page in each transaction."""
    last = ""
    while True:
        with hub.database.reading() as session:
            query = select(table).where(key > last).order_by(key).limit(PAGE).options(*options)
            page = list(session.scalars(query))
            session.expunge_all()
        if not page:
            return
        yield from page
        last = getattr(page[-1], key.key)


def _has(hub: Hub, table: type[Base], key: str) -> bool:
    with hub.database.reading() as session:
        return session.get(table, key) is not None


def _concerned(hub: Hub, condition: ColumnElement[bool]) -> str:
    """A sentence that names the repositories which lose something."""
    query = (
        select(RepositoryRow.key)
        .join(RepositoryObjectRow, RepositoryObjectRow.repository_id == RepositoryRow.id)
        .outerjoin(ObjectXorbRow, ObjectXorbRow.sha256 == RepositoryObjectRow.sha256)
        .where(condition)
        .distinct()
        .limit(SHOWN_REPOSITORIES + 1)
    )
    with hub.database.reading() as session:
        names = list(session.scalars(query))
    if not names:
        return " No repository uses it."
    shown = ", ".join(names[:SHOWN_REPOSITORIES])
    return f" It is used by {shown}{' and others' if len(names) > SHOWN_REPOSITORIES else ''}."
