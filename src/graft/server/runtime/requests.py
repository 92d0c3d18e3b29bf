"""What happens around every request: an id, limits of size, time and number, a line in the log.

All of it is one ASGI layer, and a request without a body passes through it with little more than a
dictionary of its headers made.
"""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graft.server.errors import RefusedError, TooLargeError, TooSlowError
from graft.server.mirror.upstream import HOPS, HOPS_HEADER, read_hops
from graft.server.people.auth import SAFE_METHODS, check_same_origin
from graft.server.runtime import logs
from graft.server.runtime.intake import EXTENSION, Intake
from graft.server.runtime.limits import Allowance, Gate, digest_of
from graft.server.runtime.responses import refusal, unexpected
from graft.server.runtime.traffic import Traffic

MAX_SMALL_BODY_BYTES = 32 * 1024**2
SLOWEST_BYTES_PER_SECOND = 1024
"""A body that comes slower than this, after `body_seconds`, is given up."""
CLIENT_LEFT = 499
"""What the log and metrics call the answer that nobody waited for any more."""
NO_ROUTE = "(none)"
"""What metrics call the route of an address that leads nowhere."""

logger = logging.getLogger("graft.server")

# Addresses whose bodies are not kept in memory, and have limits of their own.
_STREAMED = re.compile(
    r"/api/(models|datasets)/[^/]+/[^/]+/commit/.+"
    r"|/(datasets/)?[^/]+/[^/]+/(info/lfs/objects/\d+/[^/]+(/parts/\d+)?"
    r"|git-(upload|receive)-pack)"
    r"|/xet/[^/]+/(v1/xorbs/[^/]+/[0-9a-f]+|v[12]/shards)|/uploads"
)
_SANE_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}")
# Asked often by who looks after the Hub, or with a permission of their own that names one file.
_UNLIMITED = re.compile(r"/(healthz|readyz|metrics)|/static/.*|/xet/.*|.*/info/lfs/objects/\d+/.+")


class RequestMiddleware:
    """Gives each request an id (its own, where it brings one) and sends it back; refuses changes
    that another site's page makes a browser ask for, and what is too much, too long or too slow."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        exchange = _Exchange(self._traffic, scope, headers, receive, send)
        token = logs.REQUEST_ID.set(exchange.id)
        if HOPS_HEADER.lower() in headers:
            HOPS.set(read_hops(headers[HOPS_HEADER]))
        try:
            await self._answer(exchange, headers)
        finally:
            exchange.end()
            logs.REQUEST_ID.reset(token)

    async def _answer(self, exchange: "_Exchange", headers: Headers) -> None:
        scope = exchange.scope
        try:
            exchange.check_rate(headers)
            if scope["method"] not in SAFE_METHODS and "authorization" not in headers:
                check_same_origin(HTTPConnection(scope))
            if exchange.has_body:
                await self._app(scope, exchange.receive, exchange.send)
            else:
                await exchange.enter_gate()
                if await exchange.has_left():
                    return
                await self._app(scope, exchange.receive_nothing, exchange.send)
            if exchange.failure is not None and not exchange.started:
                await exchange.refuse(exchange.failure)
        except RefusedError as error:
            if exchange.started:
                raise
            await exchange.refuse(exchange.failure or error)
        except Exception:
            logger.exception("%s %s failed", scope["method"], scope["path"])
            if exchange.started:  # the server cuts the connection: the answer is not whole
                raise
            await unexpected(Request(scope))(scope, exchange.receive, exchange.send)


class _Exchange:
    """One request and its answer, on their way through."""

    def __init__(
        self, traffic: Traffic, scope: Scope, headers: Headers, receive: Receive, send: Send
    ) -> None:
        self.scope = scope
        self.started = False
        """Whether the answer has begun."""
        self.failure: RefusedError | None = None
        """Why the rest of the body is not read; the answer, whatever the application says."""
        given = headers.get("x-request-id", "")
        self.id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(12)
        self.has_body = "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
        self._state: dict[str, Any] = scope.setdefault("state", {})
        self._state["request_id"] = self.id
        self._traffic = traffic
        self._receive, self._send = receive, send
        self._began = time.perf_counter()
        self._status = 500
        self._received = self._sent = 0
        self._small = not _STREAMED.fullmatch(scope["path"])
        self._secret: bytes | None = None
        self._allowance: Allowance | None = None
        self._gate: Gate | None = None
        self._first: Message | None = None
        """What was received before the application asked for it."""
        self._give_body: Callable[[], Intake | None] | None = None
        if self.has_body and EXTENSION in scope.get("extensions", ()):
            self._give_body = scope["extensions"][EXTENSION]
            scope["extensions"][EXTENSION] = self.take_body
        traffic.metrics.in_flight += 1

    def check_rate(self, headers: Headers) -> None:
        """
        Raises:
            RateLimitedError: the asker sent too many requests.
        """
        limiter = self._traffic.limiter
        if not limiter.is_on or _UNLIMITED.fullmatch(self.scope["path"]):
            return
        self._secret = digest_of(headers)
        self._allowance = limiter.take(self._secret, self._address)

    async def enter_gate(self) -> None:
        """Waits for a place, where what is asked for is hard work.

        Raises:
            BusyError: too many wait already.
        """
        scope = self.scope
        gate = self._traffic.gate_of(scope["method"], scope["path"], scope["query_string"])
        if gate is not None:
            await gate.enter()
            self._gate = gate

    async def has_left(self) -> bool:
        """Whether who sent a request without a body hung up while it waited for a place."""
        if self._gate is None:
            return False
        self._first = await self._receive()  # at once: that all of it is here, or that it is gone
        if self._first["type"] != "http.disconnect":
            return False
        self._status = CLIENT_LEFT
        return True

    async def receive_nothing(self) -> Message:
        """The messages of a request without a body: that it is there, later that it is gone."""
        first, self._first = self._first, None
        return first if first is not None else await self._receive()

    async def receive(self) -> Message:
        """The next part of the body. Work begins, and takes a place, when all of it is here.

        Raises:
            TooLargeError, TooSlowError: the body is; the answer says so.
            BusyError: too many wait for a place.
        """
        if not self.has_body:  # it has ended: what comes is that the client hung up
            return await self._receive()
        async with self._patience():
            message = await self._receive()
        ended = message["type"] == "http.request" and not message.get("more_body", False)
        await self._note_body(len(message.get("body", b"")), ended=ended)
        return message

    def take_body(self) -> Intake | None:
        """The rest of the body, for who reads it without `receive`; None where that cannot be."""
        found = self._give_body() if self._give_body is not None else None
        return None if found is None else _WatchedIntake(self, found)

    async def receive_into(self, intake: Intake, buffer: memoryview) -> int:
        """`Intake.receive_into`, with what `receive` watches over."""
        async with self._patience():
            count = await intake.receive_into(buffer)
        await self._note_body(count, ended=not intake.left)
        return count

    @asynccontextmanager
    async def _patience(self) -> AsyncIterator[None]:
        """Waits for a part of the body no longer than the settings say."""
        seconds = self._traffic.body_seconds
        deadline = self._began + seconds + self._received / SLOWEST_BYTES_PER_SECOND
        try:
            async with asyncio.timeout(min(seconds, deadline - time.perf_counter())):
                yield
        except TimeoutError:
            raise self._fail(_too_slow(self._received)) from None

    async def _note_body(self, count: int, *, ended: bool) -> None:
        self._received += count
        if self._small and self._received > MAX_SMALL_BODY_BYTES:
            raise self._fail(_too_large())
        if ended:
            self.has_body = False
            try:
                await self.enter_gate()
            except RefusedError as error:
                raise self._fail(error) from None

    async def send(self, message: Message) -> None:
        """Passes a part of the answer on, with the headers that all answers have."""
        if self.failure is not None and not self.started:
            return  # who reads the body may have taken our error for a body that it cannot read
        if message["type"] == "http.response.start":
            self.started = True
            if self._gate is not self._traffic.clones:
                self._leave_gate()  # the answer is there; how slowly it is read holds up nobody
            self._status = message["status"]
            headers = message["headers"] = list(message.get("headers", ()))
            headers.append((b"x-request-id", self.id.encode()))
            if self._allowance is not None and self._status != 429:
                headers += _raw(self._allowance.headers())
        else:
            self._sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, error: RefusedError) -> None:
        """Answers with an error. A body that was not read to its end takes its connection along."""
        if self.has_body:
            error.headers.setdefault("Connection", "close")
        self.failure = None
        await refusal(error)(self.scope, self._receive, self.send)

    def end(self) -> None:
        """Counts the request and writes its line."""
        traffic, scope, state = self._traffic, self.scope, self._state
        traffic.metrics.in_flight -= 1
        self._leave_gate()
        user = state.get("user_name")
        if self._secret is not None:
            if user is not None:
                traffic.limiter.recognise(self._secret)
            elif self._status == 401:
                traffic.limiter.forget(self._secret)
        seconds = time.perf_counter() - self._began
        route: str = getattr(scope.get("route"), "path", NO_ROUTE)
        method = scope["method"]
        if self._status == 429:
            traffic.metrics.note("rate_limited")
        traffic.metrics.note_request(
            method, route, self._status, seconds, self._received, self._sent
        )
        logs.write_access(
            method=method,
            path=scope["path"],
            route=route,
            status=self._status,
            seconds=seconds,
            received=self._received,
            sent=self._sent,
            user=user,
            address=self._address,
        )

    def _leave_gate(self) -> None:
        """Gives the place back: with the work that was told of in the request's state as `work`,
        where the answer begins before that is done."""
        gate, self._gate = self._gate, None
        if gate is None:
            return
        work: asyncio.Task[Any] | None = self._state.get("work")
        if work is None:
            gate.leave()
        else:
            work.add_done_callback(lambda _: gate.leave())

    @property
    def _address(self) -> str:
        client = self.scope.get("client")
        return client[0] if client else ""

    def _fail(self, error: RefusedError) -> RefusedError:
        self.failure = error
        return error


class _WatchedIntake(Intake):
    """What is left of a body, with all that `_Exchange.receive` watches over."""

    def __init__(self, exchange: _Exchange, intake: Intake) -> None:
        self._exchange = exchange
        self._intake = intake

    @property
    def left(self) -> int:
        return self._intake.left

    async def receive_into(self, buffer: memoryview) -> int:
        return await self._exchange.receive_into(self._intake, buffer)


def _raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"The request is longer than the {MAX_SMALL_BODY_BYTES} bytes allowed here."
    )


def _too_slow(received: int) -> TooSlowError:
    return TooSlowError(
        f"The rest of the request did not come in time: {received} bytes arrived. Send it again."
    )
