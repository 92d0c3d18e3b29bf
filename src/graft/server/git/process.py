"""The `git` program as a child process, for the two services of smart HTTP."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from graft.errors import HubError

CHUNK_BYTES = 64 * 1024

_FETCH_CONFIG = ("uploadpack.allowFilter=true",)
# Broken objects are refused, but for two faults that old and harmless histories have.
_PUSH_CONFIG = (
    "receive.fsckObjects=true",
    "receive.fsck.zeroPaddedFilemode=ignore",
    "receive.fsck.badTimezone=ignore",
)


def clean_environment() -> dict[str, str]:
    """This process's environment, without what would change how git behaves."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    return environment | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


async def advertise(path: Path, service: str, protocol: str) -> bytes:
    """What the repository has, as `service` tells it to a client that begins to talk."""
    child = await _start(path, service, protocol, "--advertise-refs", stdin=DEVNULL)
    output, _ = await child.communicate()
    if child.returncode:
        raise HubError(f"git {service} ended with status {child.returncode} in {path}.")
    return output


async def upload_pack(path: Path, protocol: str, body: IO[bytes]) -> AsyncIterator[bytes]:
    """Starts answering a client's request for commits; the answer comes in pieces."""
    return _output(await _start(path, "git-upload-pack", protocol, stdin=body))


async def receive_pack(
    path: Path, protocol: str, body: IO[bytes], hooks: Path, variables: dict[str, str]
) -> bytes:
    """Takes in a push and answers what git says to the client, refusals included."""
    config = (*_PUSH_CONFIG, f"core.hooksPath={hooks}")
    child = await _start(
        path, "git-receive-pack", protocol, stdin=body, config=config, variables=variables
    )
    output, _ = await child.communicate()
    return output


async def _start(
    path: Path,
    service: str,
    protocol: str,
    *arguments: str,
    stdin: IO[bytes] | int,
    config: tuple[str, ...] = _FETCH_CONFIG,
    variables: dict[str, str] | None = None,
) -> Process:
    environment = clean_environment()
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    options = [part for setting in ("safe.directory=*", *config) for part in ("-c", setting)]
    return await asyncio.create_subprocess_exec(
        "git",
        *options,
        service.removeprefix("git-"),
        "--stateless-rpc",
        *arguments,
        str(path),
        stdin=stdin,
        stdout=PIPE,
        env=environment | (variables or {}),
    )


async def _output(child: Process) -> AsyncIterator[bytes]:
    assert child.stdout is not None  # it was started with a pipe
    try:
        while chunk := await child.stdout.read(CHUNK_BYTES):
            yield chunk
    finally:
        if child.returncode is None and not child.stdout.at_eof():
            child.kill()  # the client went away
        await child.wait()
