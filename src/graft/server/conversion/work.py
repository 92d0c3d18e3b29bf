"""Converting the weights of one repository after the other, in the background.

The Hub reads the pickles out of its store into a folder, has a child process with limits of its own
turn them into safetensors, takes these in as any large file, and opens a pull request with them.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from graft.errors import HubError
from graft.server.community import discussions
from graft.server.community.discussions import Proposal
from graft.server.content import large
from graft.server.conversion.candidates import weights_of
from graft.server.conversion.names import ACCOUNT, REFUSED, TITLE
from graft.server.conversion.renewal import put_on_top
from graft.server.db.tables import AccountRow, ConversionRow, RepositoryRow
from graft.server.errors import NotFoundError, RepoNotFoundError
from graft.server.git.build import CommitBuilder
from graft.server.git.repository import find_commit
from graft.server.git.writing import ObjectWriter
from graft.server.hub import Hub
from graft.server.people import accounts
from graft.server.records import Account, Entry, Repository, User
from graft.server.repositories import refchanges, repos
from graft.server.rows import repositories, to_record
from graft.server.search.values import Read

PIECE_BYTES = 8 * 1024**2
_DONE = "pull request "
CLAIM = timedelta(hours=2)
"""How long one worker has before another one takes a repository up."""
DESCRIPTION = """\
The weights of this model are pickles only, and loading a pickle can run any program. The Hub made
these safetensors files of them: the same tensors under the same names, compared byte for byte.

Loaders take safetensors first, so that nothing else has to change. Tensors that shared their memory
in the pickle are stored each for itself. Close this pull request if you do not want them; the Hub
does not ask again for the same weights.
"""


class RefusedConversionError(HubError):
    """Weights that cannot be converted; the text says why."""


@dataclass(frozen=True)
class Made:
    """A file to be committed: a large one by its hash, a small one by its bytes."""

    name: str
    size: int
    sha256: str
    content: bytes | None = None


def work(hub: Hub) -> bool:
    """Converts the weights of one repository that waits; False where none does."""
    repository = _claim(hub)
    if repository is None:
        return False
    number = _opened_before(hub, repository)
    try:
        number = number or _convert(hub, repository)
        status, detail = "done", f"{_DONE}{number}"
    except HubError as error:  # deleted meanwhile, cut off, no tensors: told, and not tried again
        status, detail = "failed", str(error)
    with hub.database.writing() as session:
        session.execute(
            update(ConversionRow)
            .where(ConversionRow.repository_id == repository.id)
            .values(status=status, detail=detail[:2000], claimed_at=None)
        )
    if number is not None:  # after the row: a commit that comes now has it looked at again
        with suppress(NotFoundError, RepoNotFoundError):  # deleted meanwhile
            put_on_top(hub, repository, number)
    return True


def _opened_before(hub: Hub, repository: Repository) -> int | None:
    """The pull request that was opened for the same weights."""
    with hub.database.reading() as session:
        detail = session.scalar(
            select(ConversionRow.detail).where(ConversionRow.repository_id == repository.id)
        )
    return int(detail.removeprefix(_DONE)) if detail and detail.startswith(_DONE) else None


def _claim(hub: Hub) -> Repository | None:
    now = datetime.now(UTC)
    free = or_(ConversionRow.claimed_at.is_(None), ConversionRow.claimed_at < now - CLAIM)
    waiting = select(ConversionRow.repository_id).where(ConversionRow.status == "queued", free)
    with hub.database.reading() as session:  # most of the time nothing waits
        if session.scalar(waiting.limit(1)) is None:
            return None
    with hub.database.writing() as session:
        found = session.scalar(waiting.limit(1).with_for_update(skip_locked=True))
        if found is None:
            return None
        session.execute(
            update(ConversionRow).where(ConversionRow.repository_id == found).values(claimed_at=now)
        )
        row = session.execute(repositories().where(RepositoryRow.id == found)).one()
        return to_record(row)


def _convert(hub: Hub, repository: Repository) -> int:
    """Answers the pull request's number."""
    snapshot = repos.snapshot(hub, repository)
    files = {entry.path: entry for entry in snapshot.entries()}
    read = large.reader(hub, repository.id, snapshot)
    named = weights_of(files)
    if not named:
        raise RefusedConversionError("The newest commit needs no conversion any more.")
    size = sum(files[name].size for name in named)
    if size > hub.settings.convert_max_bytes:
        raise RefusedConversionError(
            f"The weights have {size} bytes; at most {hub.settings.convert_max_bytes} are "
            "converted (GRAFT_CONVERT_MAX_BYTES)."
        )
    with tempfile.TemporaryDirectory(prefix="convert-", dir=hub.settings.data_folder) as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        source.mkdir()
        target.mkdir()
        for name in named:
            _fetch(read, files[name], source / name)
        _run_child(hub, source, target, size)
        made = [_take_in(hub, repository, path) for path in sorted(target.iterdir())]
    return _open_pull_request(hub, repository, snapshot.id, made)


def _fetch(read: Read, entry: Entry, path: Path) -> None:
    with path.open("wb") as file:
        for start in range(0, entry.size, PIECE_BYTES):
            file.write(read(entry, start, min(PIECE_BYTES, entry.size - start)))


def _run_child(hub: Hub, source: Path, target: Path, size: int) -> None:
    """
    Raises:
        RefusedConversionError: the weights are not what can be converted, or take too long.
    """
    seconds = hub.settings.convert_seconds
    # What cannot be mapped is read, and what is shared is copied.
    memory = 2 * size + 1024**3
    command = [sys.executable, "-P", "-m", "graft.server.conversion.weights"]
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"OMP_NUM_THREADS": "1", "HOME": str(target), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, str(source), str(target), str(memory), str(seconds)],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise RefusedConversionError(f"The conversion took more than {seconds} s.") from None
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode == REFUSED:
        raise RefusedConversionError(said[-1000:])
    if done.returncode != 0:
        trouble = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise RefusedConversionError(
            f"The conversion ended with status {done.returncode}: {trouble[-500:]}"
        )


def _take_in(hub: Hub, repository: Repository, path: Path) -> Made:
    """A converted file, stored."""
    size = path.stat().st_size
    if path.suffix == ".json":
        return Made(path.name, size, "", path.read_bytes())
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    asyncio.run(large.receive(hub, repository.id, _pieces(path), sha256, size))
    return Made(path.name, size, sha256)


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    for piece in _read(path):
        yield piece


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _open_pull_request(hub: Hub, repository: Repository, head: str, made: list[Made]) -> int:
    user = User(_account(hub), "write", "the Hub itself")
    with (
        ObjectWriter(repos.repository_path(hub, repository)) as writer,
        refchanges.locked(hub, repository) as opened,
    ):
        # On top of what was converted: whatever came since is what the pull request merges with.
        builder = CommitBuilder(opened, find_commit(opened, head), writer)
        for file in made:
            if file.content is not None:
                builder.add_file(file.name, file.content)
            else:
                builder.add_large_file(file.name, file.sha256, file.size)
        commit = builder.commit(ACCOUNT, TITLE)
        objects = {file.sha256 for file in made if file.content is None}
        proposal = Proposal(TITLE, DESCRIPTION, head=str(commit), objects=objects)
        opened_request = discussions.open_pull_request_in(hub, opened, repository, proposal, user)
    return opened_request.number


def _account(hub: Hub) -> Account:
    """The Hub's own account, made where it is not there yet."""
    with hub.database.writing() as session:
        hub.database.lock(session, f"account {ACCOUNT}")
        row = _find_account(session)
        if row is None:
            row = AccountRow(
                key=ACCOUNT.lower(),
                name=ACCOUNT,
                full_name=hub.settings.name,
                password_hash=None,
                created_at=datetime.now(UTC),
            )
            session.add(row)
            session.flush()
        return accounts.to_account(row)


def _find_account(session: Session) -> AccountRow | None:
    return session.scalar(select(AccountRow).where(AccountRow.key == ACCOUNT.lower()))
