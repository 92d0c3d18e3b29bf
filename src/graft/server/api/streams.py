"""Answers that come in pieces, none of which has to be in memory with another."""

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Send


class BytesResponse(StreamingResponse):
    """A file's bytes. The first are there before the answer begins: where storage does not have
    them, the client gets an error that says so, and not the beginning of a file."""

    def __init__(
        self, pieces: AsyncIterator[bytes], *, status_code: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(pieces, status_code=status_code, headers=headers)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        first = await anext(self._pieces, b"")
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        if first:
            await send({"type": "http.response.body", "body": first, "more_body": True})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
