"""The `git` program as a child process that serves fetches and clones."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
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


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would change how git behaves."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return environment | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


async def advertise(path: Path, protocol: str, seconds: float) -> bytes:
    """What the repository has, as a client that is about to fetch is told."""
    child = await _start(path, protocol, "--advertise-refs", stdin=DEVNULL)
    try:
        async with asyncio.timeout(seconds):
            output, _ = await child.communicate()
    finally:
        _stop(child)
    if child.returncode:
        raise HubError(f"git upload-pack ended with status {child.returncode} in {path}.")
    return output


async def upload_pack(
    path: Path, protocol: str, body: IO[bytes], seconds: float
) -> AsyncIterator[bytes]:
    """Answers a client's request for commits, a piece at a time.

    The child starts with the first piece that is asked for, and ends with the iterator: when the
    client goes away, or when it has taken `seconds` in all.
    """
    child = await _start(path, protocol, stdin=body)
    assert child.stdout is not None  # it was started with a pipe
    try:
        async with asyncio.timeout(seconds):
            while chunk := await child.stdout.read(CHUNK_BYTES):
                yield chunk
            await child.wait()
    finally:
        _stop(child)
        body.close()


async def _start(path: Path, protocol: str, *arguments: str, stdin: IO[bytes] | int) -> Process:
    environment = clean_environment()
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    options = [part for setting in _CONFIG for part in ("-c", setting)]
    command = ["git", *options, "upload-pack", "--stateless-rpc", *arguments, str(path)]
    return await asyncio.create_subprocess_exec(*command, stdin=stdin, stdout=PIPE, env=environment)


def _stop(child: Process) -> None:
    """Ends a child that is still running; whoever started it need not wait for that."""
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
