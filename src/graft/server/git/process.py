"""The `git` program as a child process that serves fetches and clones."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socketpair
from subprocess import DEVNULL, Popen
from typing import IO

from graft.errors import HubError

CHUNK_BYTES = 64 * 1024

_CONFIG = (
    "safe.directory=*",
    "uploadpack.allowFilter=true",  # partial clones fetch later, by id, what they left out
    "uploadpack.allowAnySHA1InWant=true",
    "uploadpack.keepAlive=5",
    "core.bigFileThreshold=8m",  # longer files go through git in pieces, not through its memory
    "pack.threads=2",
    "pack.windowMemory=64m",
    "pack.deltaCacheSize=64m",
)

_MEMORY_KILOBYTES = 1024**2
WITHIN_MEMORY = ("sh", "-c", f'ulimit -d {_MEMORY_KILOBYTES}; exec "$0" "$@"')
"""Begins the command of a child that must not take the machine's memory, whatever it reads."""


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would change how git behaves."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return environment | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


def with_config(settings: Iterable[str]) -> list[str]:
    """`git` as the beginning of a command, with settings such as `core.bigFileThreshold=8m`."""
    return ["git", *(part for setting in settings for part in ("-c", setting))]


async def advertise(path: Path, protocol: str, seconds: float) -> bytes:
    """What the repository has, as a client that is about to fetch is told."""
    async with (
        asyncio.timeout(seconds),
        _started(path, protocol, "--advertise-refs", stdin=DEVNULL) as (child, output),
    ):
        told = await output.read()
        status = await asyncio.to_thread(child.wait)
    if status:
        raise HubError(f"git upload-pack ended with status {status} in {path}.")
    return told


async def upload_pack(
    path: Path, protocol: str, body: IO[bytes], seconds: float
) -> AsyncIterator[bytes]:
    """Answers a client's request for commits, a piece at a time.

    The child starts with the first piece that is asked for, and ends with the iterator: when the
    client goes away, or when it has taken `seconds` in all.
    """
    with body:
        async with asyncio.timeout(seconds), _started(path, protocol, stdin=body) as (_, output):
            while chunk := await output.read(CHUNK_BYTES):
                yield chunk


@asynccontextmanager
async def _started(
    path: Path, protocol: str, *arguments: str, stdin: IO[bytes] | int
) -> AsyncIterator[tuple["Popen[bytes]", asyncio.StreamReader]]:
    """A `git upload-pack` and its output; it does not outlive the block.

    The event loop does not start it itself: uvloop holds the interpreter's lock until the child
    has done what any library registered with `os.register_at_fork`. Where that waits for a lock
    that another thread had, as `huggingface_hub` does for its connections, all would stand still.
    """
    environment = clean_environment()
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    command = [*with_config(_CONFIG), "upload-pack", "--stateless-rpc", *arguments, str(path)]
    # A socket, not a pipe: uvloop closes the number of a pipe twice, and it may be another file's.
    ours, theirs = socketpair()
    with theirs:
        output, connection = await asyncio.open_unix_connection(sock=ours)
        try:
            child = Popen(command, stdin=stdin, stdout=theirs.fileno(), env=environment)
        except BaseException:
            connection.close()
            raise
    try:
        yield child, output
    finally:
        connection.close()
        child.kill()
        # Not awaited: whoever asked may have gone away.
        asyncio.get_running_loop().run_in_executor(None, child.wait)
