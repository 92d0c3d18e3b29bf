"""Downloads: one file of a repository at a revision, whole or a range of it."""

import mimetypes
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from graft.server.api.ranges import parse_range
from graft.server.api.streams import BytesResponse
from graft.server.content import cas, links
from graft.server.errors import EntryNotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.auth import address_of, base_url, current_user, get_hub
from graft.server.records import Entry, Kind, Repository, User
from graft.server.repositories import contents, repos

# Types that a browser may show in place. Everything else, HTML above all, is text or a download: it
# would run in the Hub's own name.
_SHOWN_TYPES = """
image/png image/jpeg image/gif image/webp image/svg+xml application/pdf
audio/mpeg audio/wav audio/x-wav audio/ogg video/mp4 video/webm
"""
_SHOWN = frozenset(_SHOWN_TYPES.split())
_SAFE = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


def routes(kind: Kind) -> APIRouter:
    """Downloads from the repositories of one kind."""
    router = APIRouter(default_response_class=Response)

    address = f"/{kind.prefix}{{owner}}/{{name}}/resolve/{{rest:path}}"

    # Two routes, since the description of the Hub has one operation for each method.
    @router.get(address)
    @router.head(address)
    async def resolve(request: Request, owner: str, name: str, rest: str) -> Response:
        # One thread for all that blocks: each change of threads costs as much as a query.
        user = await current_user(request)
        return await run_in_threadpool(_resolve, request, user, kind, owner, name, rest)

    return router


def _resolve(
    request: Request, user: User | None, kind: Kind, owner: str, name: str, rest: str
) -> Response:
    hub = get_hub(request)
    repository, files = contents.find_files(hub, kind, owner, name, user)
    access.check_files(hub, repository, user)
    commit_id, entry = files.find(rest)
    return _download(request, hub, repository, commit_id, entry, user)


def _download(
    request: Request,
    hub: Hub,
    repository: Repository,
    commit_id: str,
    entry: Entry,
    user: User | None,
) -> Response:
    if not entry.is_file:
        raise EntryNotFoundError(
            f"{entry.path!r} is a folder at revision {commit_id}: name one of its files.",
            headers={"X-Repo-Commit": commit_id},
        )
    headers = _headers(entry, commit_id, "download" in request.query_params)
    headers |= _xet_headers(request, hub, repository, entry, commit_id)
    if _is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    start, end, status = parse_range(request, entry.size, headers)
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    if start == 0:
        repos.count_download(hub, repository, user.name if user else f"@{address_of(request)}")
    body = repos.stream(hub, repository, entry, start, end)
    return BytesResponse(body, status_code=status, headers=headers)


def _headers(entry: Entry, commit_id: str, download: bool) -> dict[str, str]:
    guessed, _ = mimetypes.guess_type(entry.name)
    kind = guessed if guessed in _SHOWN else _plain_type(entry.name, guessed)
    place = "attachment" if download else "inline"
    headers = {
        **_SAFE,
        "X-Repo-Commit": commit_id,
        "ETag": f'"{entry.lfs.sha256 if entry.lfs else entry.oid}"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "no-cache",
        "Content-Type": kind,
        "Content-Disposition": f"{place}; filename*=UTF-8''{quote(entry.name, safe='')}",
    }
    if entry.lfs is not None:
        headers["X-Linked-Etag"] = headers["ETag"]
        headers["X-Linked-Size"] = str(entry.size)
    return headers


def _xet_headers(
    request: Request, hub: Hub, repository: Repository, entry: Entry, commit_id: str
) -> dict[str, str]:
    """Where clients that can may get the file's chunks from, instead of its bytes from here."""
    if entry.lfs is None:
        return {}
    with hub.database.querying() as reader:
        found = links.xet_hashes(reader, repository.id, [entry.lfs.sha256])
    value = found.get(entry.lfs.sha256)
    if value is None:
        return {}
    root = base_url(request)
    token = f"{root}/api/{repository.kind.plural}/{repository.full_name}/xet-read-token/{commit_id}"
    pieces = f"{cas.address(hub, root)}/v1/reconstructions/{value}"
    return {
        "X-Xet-Hash": value,
        "X-Xet-Refresh-Route": token,
        "Link": f'<{token}>; rel="xet-auth", <{pieces}>; rel="xet-reconstruction-info"',
    }


def _plain_type(name: str, guessed: str | None) -> str:
    is_text = (guessed or "").startswith("text/") or name.endswith((".json", ".jsonl", ".yaml"))
    return "text/plain; charset=utf-8" if is_text else "application/octet-stream"


def _is_known(request: Request, etag: str) -> bool:
    known = [part.strip().removeprefix("W/") for part in _split(request, "if-none-match")]
    return etag in known or "*" in known


def _split(request: Request, name: str) -> list[str]:
    return request.headers.get(name, "").split(",")
