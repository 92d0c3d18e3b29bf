"""What holds a body, while it streams by, to the length that it may have, or was said to have."""

from collections.abc import AsyncIterator

from graft.server.errors import BadContentError, TooLargeError
from graft.server.xet.hashes import Buffer


async def at_most(chunks: AsyncIterator[Buffer], limit: int, what: str) -> AsyncIterator[Buffer]:
    """The same bytes, as long as they are no more than `limit`; `what` they are, for people.

    Raises:
        TooLargeError: they are more.
    """
    length = 0
    async for chunk in chunks:
        length += len(chunk)
        if length > limit:
            raise TooLargeError(f"The {what} is longer than the {limit} bytes allowed.")
        yield chunk


async def exactly(chunks: AsyncIterator[Buffer], size: int, what: str) -> AsyncIterator[Buffer]:
    """The same bytes, which must be `size` bytes in the end; `what` they are, for people.

    Raises:
        BadContentError: they are more, or fewer.
    """
    length = 0
    async for chunk in chunks:
        length += len(chunk)
        if length > size:
            raise _wrong(what, "longer", size)
        yield chunk
    if length < size:
        raise _wrong(what, f"shorter ({length} bytes)", size)


def _wrong(what: str, how: str, size: int) -> BadContentError:
    return BadContentError(
        f"The {what} is {how} than the {size} bytes announced. Nothing was stored; send it again."
    )
