"""Errors as responses: JSON for programs, a page for people."""

import logging
import re
import shutil

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from obstore.exceptions import BaseError as StorageError
from pygit2 import GitError
from sqlalchemy.exc import (
    DataError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from graft.server.api.answers import LFS_PATH, LfsResponse
from graft.server.errors import (
    BadRequestError,
    BusyError,
    LoginNeededError,
    RefusedError,
    RepoMovedError,
    RepoNotFoundError,
)
from graft.server.people.auth import get_hub
from graft.server.storage.full import is_full, storage_full
from graft.server.web import pages

# Less than this, and git may not even write a commit.
SMALLEST_SPACE = 1024**2

logger = logging.getLogger("graft.server")

# Addresses that only programs use, whatever their Accept header says.
_FOR_PROGRAMS = ("/api/", "/infer/", "/xet/", "/v1/")
_FOR_PROGRAMS_INSIDE = ("/resolve/", "/info/", "/git-upload-pack", "/git-receive-pack")


def refusal(error: RefusedError) -> JSONResponse:
    """An error as stock clients read it: JSON, and its code and text in headers."""
    content = {"error": str(error)}
    if isinstance(error, RepoNotFoundError):
        # Stock clients explain this one themselves, at length, unless the text is another.
        content = {"error": "Repository not found", "detail": str(error)}
    headers = {"X-Error-Message": _header_text(content["error"])} | error.headers
    if error.code:
        headers["X-Error-Code"] = error.code
    return JSONResponse(content, status_code=error.status, headers=headers)


def add_error_handlers(app: FastAPI) -> None:
    """Makes every error a response of the kind that the asker can read."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(LoginNeededError, pages.lead_to_login)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(SQLAlchemyError, _database)
    for kind in (OSError, GitError, StorageError):
        app.add_exception_handler(kind, _perhaps_full)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    if isinstance(error, RepoMovedError):
        address = _new_address(request, error)
        if address is not None:
            headers = {"Location": address, "Cache-Control": "no-cache"}
            return JSONResponse({"error": str(error)}, status_code=error.status, headers=headers)
        error = RepoNotFoundError(str(error))
    if _wants_page(request):
        return pages.error_page(request, error.status, str(error))
    return _lfs_refusal(request, error) if LFS_PATH in request.url.path else refusal(error)


def _lfs_refusal(request: Request, error: RefusedError) -> LfsResponse:
    """An error as Git LFS clients read it: they show `message`."""
    answer = refusal(error)
    headers = {k: v for k, v in answer.headers.items() if not k.lower().startswith("content-")}
    return LfsResponse(_lfs_content(request, str(error)), error.status, headers)


def _lfs_content(request: Request, text: str) -> dict[str, str]:
    request_id = getattr(request.state, "request_id", "")
    return {"message": text, "request_id": request_id, "error": text}


def _new_address(request: Request, error: RepoMovedError) -> str | None:
    """The same address under the repository's new name, below the same host; None where the name
    did not stand in it, but in the request's body."""
    path = request.scope["raw_path"].decode("ascii")
    found = re.search(rf"/{re.escape(error.old)}(?=/|$|\.git(?:/|$))", path, re.IGNORECASE)
    if found is None:
        return None
    query = request.scope["query_string"].decode("ascii")
    root = request.scope.get("root_path", "")
    address = f"{root}{path[: found.start()]}/{error.new}{path[found.end() :]}"
    return f"{address}?{query}" if query else address


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors()
    ]
    return _refused(request, BadRequestError(f"The request cannot be read: {'; '.join(problems)}"))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    text = f"There is nothing at {path}." if error.status_code == 404 else str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        text = f"{path} cannot be asked for with {request.method}."
        headers["Allow"] = ", ".join(request.app.state.shortcuts.methods(request.scope))
    if _wants_page(request):
        page = pages.error_page(request, error.status_code, text)
        page.headers.update(headers)
        return page
    if LFS_PATH in path:
        return LfsResponse(_lfs_content(request, text), error.status_code, headers)
    return JSONResponse({"error": text}, status_code=error.status_code, headers=headers)


def _gone(request: Request, _error: Exception) -> Response:
    """The asker hung up in the middle of what they were sending; nobody reads this answer."""
    logger.info("%s broke off while sending to %s.", request.client, request.url.path)
    return Response(status_code=400)


def _unstorable(request: Request, error: Exception) -> Response:
    """A number or text in the request that the database's columns do not take."""
    logger.info("The database refused a value for %s: %s", request.url.path, error)
    text = "A number or text in the request is longer than the Hub can keep, or holds a NUL byte."
    return _refused(request, BadRequestError(text))


def _database(request: Request, error: Exception) -> Response:
    if is_full(error):
        return _perhaps_full(request, error)
    if not isinstance(error, OperationalError | InterfaceError | PoolTimeoutError):
        raise error
    logger.error("The database did not do what %s needs: %s", request.url.path, error)
    text = "The Hub's database is busy or away; nothing was changed. Try again in a moment."
    return _refused(request, BusyError(text))


def _perhaps_full(request: Request, error: Exception) -> Response:
    if not (is_full(error) or _is_short(request, error)):
        raise error
    logger.error("No space left while answering %s: %s", request.url.path, error)
    return _refused(request, storage_full())


def _is_short(request: Request, error: Exception) -> bool:
    """Whether there is less space left than the request and what git writes with it may need.

    libgit2 often fails on a full disk without saying why.
    """
    if not isinstance(error, GitError):
        return False
    length = request.headers.get("content-length", "")
    needed = SMALLEST_SPACE + (int(length) if length.isdecimal() else 0)
    return shutil.disk_usage(get_hub(request).settings.data_folder).free < needed


def unexpected(request: Request) -> Response:
    """The answer where the Hub has a fault; its log says which."""
    request_id = getattr(request.state, "request_id", "")
    text = f"Something went wrong inside the Hub. Its log says what, under the id {request_id}."
    if _wants_page(request):
        return pages.error_page(request, 500, text)
    return JSONResponse({"error": text}, status_code=500)


def _wants_page(request: Request) -> bool:
    path = request.url.path
    if path.startswith(_FOR_PROGRAMS) or any(part in path for part in _FOR_PROGRAMS_INSIDE):
        return False
    return "text/html" in request.headers.get("accept", "")


def _header_text(text: str) -> str:
    """One line of ASCII without control characters: all that a header can hold everywhere."""
    line = " ".join(text.split()).encode("ascii", "replace").decode()
    return "".join(one if one.isprintable() else "?" for one in line)[:1000]
