"""What is looked at before a Hub works in its data folder: mistakes of whoever set it up that would
show later, and worse."""

import os
import pwd
import re
import resource
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from graft.errors import HubError
from graft.server.settings import Settings

_PORTS = {"http": 80, "https": 443}
_HERE = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"}
OLDEST_GIT = (2, 38)
"""The first whose `git merge-tree` merges without a work tree."""
FILES_PER_CONNECTION = 2
"""The connection itself, and what is read or written for it."""
OTHER_FILES = 500
_OTHERS = 0o007
"""The rights of everybody who is neither the owner nor in the group."""


def keep_to_ourselves() -> None:
    """What this process writes from now on is not for everybody on the machine: private
    repositories, hashes of passwords, and the key of signatures."""
    os.umask(os.umask(_OTHERS) | _OTHERS)


def check_folder(settings: Settings) -> None:
    """
    Raises:
        HubError: the data folder is another user's, or something in it cannot be written to.
    """
    folder = settings.data_folder
    try:
        found = folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return  # whoever makes it looks at that
    except PermissionError as error:
        raise HubError(
            f"The user {_name_of(os.geteuid())} may not enter a folder above {folder}. Run this as "
            "the user that the Hub runs as, or name another data folder with --data."
        ) from error
    if os.geteuid() == 0 and found.st_uid != 0:
        # What root writes there, the Hub itself could not change any more.
        owner = _name_of(found.st_uid)
        raise HubError(
            f"The data folder {folder} belongs to the user {owner}, and you are root: run this as "
            f"{owner}, for example with: sudo --user={owner} --preserve-env ..."
        )
    for path in _written(settings):
        if not os.access(path, os.R_OK | os.W_OK | (os.X_OK if path.is_dir() else 0)):
            user, owner = _name_of(os.geteuid()), _name_of(path.stat().st_uid)
            raise HubError(
                f"The user {user} may not read and write {path}, which belongs to {owner}. Run "
                f"this as {owner}, or give all to {user}: chown -R {user} {folder}"
            )


def ask_for_files(settings: Settings) -> Iterator[str]:
    """Lets this process, and those that it starts, have as many files open as its connections may
    need: a sentence, where the system does not allow so many."""
    needed = FILES_PER_CONNECTION * settings.max_connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    most = needed if hard == unlimited else min(needed, hard)
    if soft != unlimited and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    if most < needed:
        yield (
            f"A process may have {most} files open, too few for GRAFT_MAX_CONNECTIONS="
            f"{settings.max_connections}: raise the limit (ulimit -n 65536, or LimitNOFILE= in a "
            "systemd unit), or take fewer connections."
        )


def check_programs() -> None:
    """
    Raises:
        HubError: git is not installed, or too old.
    """
    git = shutil.which("git")
    if git is None:
        raise HubError(
            "The Hub answers pushes and clones with git, which no folder of PATH holds: install "
            "your system's package of it (apt install git)."
        )
    said = subprocess.run([git, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"git version (\d+)\.(\d+)", said)
    if version is None or (int(version[1]), int(version[2])) < OLDEST_GIT:
        raise HubError(
            f"The Hub needs git {'.'.join(map(str, OLDEST_GIT))} or newer; {git} says "
            f"{said.strip()!r}. Install a newer one, and put its folder first in PATH."
        )


def warnings(settings: Settings, port: int) -> Iterator[str]:
    """A sentence for each thing that whoever looks after the Hub should know as it starts.

    Args:
        port: where it listens.
    """
    folder = settings.data_folder
    free = shutil.disk_usage(folder).free
    if free < settings.min_free_bytes:
        yield (
            f"Only {free} bytes are free in {folder}, less than GRAFT_MIN_FREE_BYTES: /readyz says "
            "not ready, and uploads will be refused as the disk fills. Make room there."
        )
    database = folder / "hub.sqlite3"
    if _is_open(folder) and database.exists() and _is_open(database):
        yield (
            f"Everybody on this machine may read {folder}, private repositories and the key of "
            f"signatures among it: chmod o-rwx {folder}"
        )
    if _is_itself(settings, port):
        yield (
            f"GRAFT_UPSTREAM is {settings.upstream}, which is this Hub: it would ask itself for "
            "what it does not have. Name another hub, or none."
        )


def _written(settings: Settings) -> Iterator[Path]:
    """What there is already of what a Hub writes to."""
    folder = settings.data_folder
    names = (".", "repositories", "changes", "objects", "hub.sqlite3", "hub.sqlite3-locks")
    return (path for name in names if (path := folder / name).exists())


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS)


def _is_itself(settings: Settings, port: int) -> bool:
    if not settings.upstream:
        return False
    upstream = _place(settings.upstream)
    if settings.public_url and upstream == _place(settings.public_url):
        return True
    here = {*_HERE, settings.host, socket.gethostname()}
    return upstream[1] == port and upstream[0] in here


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return (parts.hostname or "").lower(), parts.port or _PORTS[parts.scheme]


def _name_of(user: int) -> str:
    """A user's name, or number where it has none: in a container, for example."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
