"""Waiting, in code that serves many, for work that threads do."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")


async def in_thread(executor: Executor, work: Callable[..., Result], *given: Any) -> Result:
    """What `work` answers, done in a thread of the executor; ends only when `work` has.

    Raises: what `work` raised.
    """
    context = copy_context()
    future = asyncio.get_running_loop().run_in_executor(executor, lambda: context.run(work, *given))
    try:
        await done([future])
    finally:
        await settled([future])
    return future.result()


async def done(work: "list[asyncio.Future[Any]]") -> None:
    """Waits until all of it is done, without ending it where who waits is ended.

    Raises: what any of it raised.
    """
    if work:
        await asyncio.wait(work)
    for each in work:
        each.result()


async def settled(work: "list[asyncio.Future[Any]]") -> None:
    """Waits until all has ended, however: threads use what is about to be let go of."""
    ended = False
    while any(not each.done() for each in work):
        try:
            await asyncio.wait(work)
        except asyncio.CancelledError:
            ended = True
    for each in work:
        if not each.cancelled():
            each.exception()  # seen: whoever wanted to know has been told
    if ended:
        raise asyncio.CancelledError
