"""Connections that nobody can hold open by sending or reading slowly, and that give bodies away.

uvicorn gives up a connection that waits for its next request. This also gives up one whose headers
do not come to an end, and one whose client does not take what it asked for.
"""

import asyncio
import logging
from functools import partial
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from graft.server.runtime import intake
from graft.server.settings import Settings

MAX_HEAD_BYTES = 64 * 1024
"""The longest request line and headers."""
MAX_UNREAD_BYTES = 64 * 1024**2
"""What is left of a refused body is taken in up to here, so that the client gets to see the answer:
to cut it off would take the answer away."""

logger = logging.getLogger("graft.server")


class _Giving(HttpToolsProtocol):
    """uvicorn's protocol, whose requests have the ASGI extension of `intake`: it hands the rest of
    a body on without its parser, to whom asks for it."""

    _body_bytes = 0  # of the request whose body comes

    def on_headers_complete(self) -> None:
        self._body_bytes = 0
        super().on_headers_complete()
        give: Any = partial(self._give_body, self.cycle)
        self.scope["extensions"] = {intake.EXTENSION: give}

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if not self.cycle.body:
            # Adding to no bytes copies none.
            self.cycle.body = b""  # type: ignore[assignment]
        super().on_body(body)

    def _give_body(self, cycle: RequestResponseCycle) -> intake.Intake | None:
        """The rest of a request's body of known length, once what came of it was received."""
        if cycle is not self.cycle or not cycle.more_body:
            return None  # it has ended: what comes is another request
        length = int(dict(self.headers).get(b"content-length", 0)) - self._body_bytes
        if length <= 0 or cycle.body or cycle.disconnected:
            return None
        self.flow.resume_reading()  # from now on the intake says when to read
        return intake.ConnectionIntake(self, self.transport, length, self._body_is_given)

    def _body_is_given(self) -> None:
        """Goes on behind the body, which the parser has not seen the end of."""
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.get_protocol() is not self:  # nobody takes the rest of the body
            self.transport.close()


class _Impatient(_Giving):
    """Gives up who is too slow."""

    header_seconds: float
    body_seconds: float

    _timer: asyncio.TimerHandle | None = None
    _ignored_bytes = 0  # of headers that have not ended, or of a body that nobody reads

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(self.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        idle, unread = self._is_idle(), self._is_unread()
        super().data_received(data)
        if not self._is_idle():
            self._ignored_bytes = 0
            self._stop_waiting()
        elif idle:
            self._ignored_bytes += len(data)
            if self._ignored_bytes > (MAX_UNREAD_BYTES if unread else MAX_HEAD_BYTES):
                self._give_up()
            elif self._timer is None:
                self._wait(self.body_seconds if unread else self.header_seconds)
            if unread and not self._is_unread():
                self._ignored_bytes = 0
                self._stop_waiting()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._wait(self.body_seconds)

    def resume_writing(self) -> None:
        self._stop_waiting()
        super().resume_writing()

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _is_unread(self) -> bool:
        """Whether the rest of a body comes that was answered before it had ended."""
        return self.cycle is not None and bool(self.cycle.more_body)

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if self.transport is not None and not self.transport.is_closing():
            logger.info("%s is too slow, or its headers too long: cut off.", self.client)
        if self.transport is not None:
            self.transport.abort()


def protocol_class(settings: Settings) -> type[asyncio.Protocol]:
    """The HTTP protocol of uvicorn, with the settings' limits on its connections."""

    class Limited(_Impatient):
        header_seconds = settings.header_seconds
        body_seconds = settings.body_seconds

    return Limited


def configuration(app: Any, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves a Hub with these settings."""
    return uvicorn.Config(
        app,
        http=protocol_class(settings),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        limit_concurrency=settings.max_connections,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.grace_seconds,
    )
