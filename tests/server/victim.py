"""A process that does what a request would do, and ends at a given point as a killed one does."""

import json
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from graft.server.community import pull_requests
from graft.server.git import refs
from graft.server.hub import Hub
from graft.server.people import identity
from graft.server.records import Kind
from graft.server.repositories import branches, commits, refchanges, repos
from graft.server.settings import Settings

POINTS = (
    "before the ref moves",
    "while the ref moves",
    "after the ref moved",
    "after the tables are written",
)
HAPPENED = POINTS[2:]
NEVER = "never"
STOPPED = 9


def run(
    settings: Settings, repo: str, point: str, way: str, operations: list[dict[str, Any]]
) -> int:
    """Lets a process do something as the first account, and answers how it ended.

    `settings` are those of the Hub, which say where its database and storage are.
    """
    context = multiprocessing.get_context("forkserver")
    # Imported once for all children. Not this module: the server does not look in its folder.
    context.set_forkserver_preload([module.__name__ for module in (commits, pull_requests)])
    child = context.Process(target=_do, args=(settings, repo, point, way, operations))
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def _do(
    settings: Settings, repo: str, point: str, way: str, operations: list[dict[str, Any]]
) -> None:
    hub = Hub(settings)
    with hub.database.reading() as session:
        user = identity.again(session, 1, None)
    owner, _, name = repo.partition("/")
    repository = repos.find(hub, Kind.MODEL, owner, name, user)
    _arm(point)
    header = {"key": "header", "value": {"summary": "Cut"}}
    lines = [json.dumps(line).encode() for line in (header, *operations)]
    if way == "branch":
        branches.create_branch(hub, repository, "side", None, user)
    elif way == "squash":
        branches.squash(hub, repository, "main", "All in one", user)
    elif way == "merge":
        pull_requests.merge(hub, repository, 1, user, "Well done")
    else:
        commits.commit(hub, repository, "main", lines, user, opens=way == "pull request")


def _stop(*_: object, **__: object) -> NoReturn:
    os._exit(STOPPED)


def _arm(point: str) -> None:
    """Sets the trap."""
    move, write_note = refs.move_ref, refchanges._write_note

    def leave_lock(opened: Any, ref: str, *_: object) -> NoReturn:
        lock = Path(opened.path, f"{ref}.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
        _stop()

    def move_and_stop(*arguments: Any) -> NoReturn:
        move(*arguments)
        _stop()

    def write_and_trap(*arguments: Any) -> Any:
        write_note(*arguments)
        return SimpleNamespace(unlink=_stop)

    traps = {POINTS[0]: _stop, POINTS[1]: leave_lock, POINTS[2]: move_and_stop}
    if point in traps:
        refs.move_ref = traps[point]
    elif point == POINTS[3]:
        refchanges._write_note = write_and_trap
