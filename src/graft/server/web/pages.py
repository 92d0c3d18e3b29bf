"""The Hub's pages: their router, static files, security headers, and what an error looks like."""

import mimetypes

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graft.server.errors import LoginNeededError, NotFoundError
from graft.server.web import (
    account,
    browse,
    collections,
    commits,
    comparing,
    device,
    discussions,
    files,
    gating,
    liking,
    organizations,
    repository,
    settings,
    webhooks,
)
from graft.server.web.rendering import STATIC_FOLDER, render, with_query
from graft.server.web.routing import page_router

router = page_router()

OTHER_POLICY = "default-src 'none'; sandbox; base-uri 'none'; frame-ancestors 'none'"
"""For all that is no page of ours: a file somebody uploaded must not act in the Hub's name."""

ERROR_TITLES = {
    400: "That request does not make sense",
    401: "You need to log in",
    403: "You may not do that",
    404: "Nothing grows here",
    413: "That is too large",
    429: "Too many requests",
    500: "Something broke on our side",
    503: "Busy just now",
    507: "This Hub's disk is full",
}


@router.get("/static/{name}")
def static_file(name: str) -> Response:
    """A style sheet, script or picture; its address holds its hash, so it may be kept for good."""
    names = {path.name: path for path in STATIC_FOLDER.iterdir()}
    if name not in names:
        raise NotFoundError(f"There is no static file {name!r}.")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(names[name], media_type=kind, headers=headers)


for part in (
    account,
    device,
    organizations,
    webhooks,
    collections,
    browse,
    repository,
    files,
    commits,
    comparing,
    discussions,
    liking,
    gating,
    settings,
):
    router.include_router(part.router)


def mount(app: FastAPI) -> None:
    """Adds the security headers to everything that `app` answers."""
    app.add_middleware(SecurityHeaders)


def error_page(request: Request, status: int, message: str) -> Response:
    """An error as a page: what happened, and where to go from here."""
    title = ERROR_TITLES.get(status, "That did not work")
    return render(request, "error.html", status=status, code=status, title=title, message=message)


def lead_to_login(_request: Request, error: Exception) -> Response:
    """The login page, which leads back to the page that only those who logged in may see."""
    assert isinstance(error, LoginNeededError)
    return RedirectResponse(with_query("/login", next_page=error.back), status_code=303)


class SecurityHeaders:
    """Puts the headers on every response that keep a browser from doing what it should not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and adds to the headers of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", OTHER_POLICY)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("X-Frame-Options", "DENY")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
                # What one asker is told is for no other, unless the answer itself says so.
                headers.setdefault("Cache-Control", "private, no-cache")
            await send(message)

        await self.app(scope, receive, send_with_headers)
