"""What happens around every request: an id for it, and a check of where it comes from."""

import re
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graft.server.auth import SAFE_METHODS, check_same_origin
from graft.server.errors import RefusedError, TooLargeError
from graft.server.responses import refusal

MAX_SMALL_BODY_BYTES = 32 * 1024**2

# Addresses whose bodies go to a file, and have limits of their own.
_STREAMED = re.compile(
    r"/api/(models|datasets)/[^/]+/[^/]+/commit/.+"
    r"|/(datasets/)?[^/]+/[^/]+/(info/lfs/objects/\d+/[^/]+|git-(upload|receive)-pack)"
)
_SANE_ID = re.compile(r"[A-Za-z0-9._:=/+-]{1,128}")


class RequestMiddleware:
    """Gives each request an id (its own, where it brings one) and sends it back; refuses changes
    that another site's page makes a browser ask for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(12)
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        if scope["method"] not in SAFE_METHODS and "authorization" not in headers:
            try:
                check_same_origin(HTTPConnection(scope))
            except RefusedError as error:
                await refusal(error)(scope, receive, send_with_id)
                return
        if _STREAMED.fullmatch(scope["path"]):
            await self._app(scope, receive, send_with_id)
        else:
            await self._with_small_body(scope, receive, send_with_id)

    async def _with_small_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on a request whose body may be no longer than a form or some settings need."""
        left = MAX_SMALL_BODY_BYTES
        answered = False

        async def receive_limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_large()
            return message

        async def send_unless_too_large(message: Message) -> None:
            nonlocal answered
            # What reads the body may have taken our error for a body that it cannot read.
            if answered or left >= 0:
                answered = True
                await send(message)

        await self._app(scope, receive_limited, send_unless_too_large)
        if left < 0 and not answered:
            await refusal(_too_large())(scope, receive, send)


def _too_large() -> TooLargeError:
    return TooLargeError(
        f"The request is longer than the {MAX_SMALL_BODY_BYTES} bytes allowed here."
    )
