"""Files that go with what people say: sending them, and showing them."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from graft.server.api.bodies import drain
from graft.server.community import attachments
from graft.server.errors import RefusedError
from graft.server.people.auth import CurrentHub, CurrentUser, base_url

router = APIRouter()


@router.post("/uploads", response_class=PlainTextResponse)
async def attach(request: Request, hub: CurrentHub, user: CurrentUser) -> Response:
    """Keeps a picture, sound or film, and answers its address as plain text."""
    kind = request.headers.get("content-type", "")
    chunks = request.stream()
    try:
        name = await attachments.keep(hub, user, kind, chunks)
    except RefusedError:
        await drain(chunks)
        raise
    return PlainTextResponse(f"{base_url(request)}/uploads/{name}")


@router.get("/uploads/{name}", response_class=StreamingResponse)
async def show(name: str, hub: CurrentHub) -> Response:
    """What was attached under that name."""
    kind, size = await run_in_threadpool(attachments.find, hub, name)
    headers = {
        "Content-Length": str(size),
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return StreamingResponse(attachments.stream(hub, name, size), media_type=kind, headers=headers)
