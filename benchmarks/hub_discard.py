"""A server that takes what stock clients upload and throws it away: what a client takes by itself.

`python benchmarks/hub_discard.py PORT`. It answers as a Hub does, and checks and keeps nothing.
"""

import sys
import time
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from graft.server.api.bodies import blocks
from graft.server.runtime.connections import configuration
from graft.server.settings import Settings

NO_COMMIT = "0" * 40


async def create(request: Request) -> Response:
    """A new repository."""
    asked = await request.json()
    return JSONResponse({"url": f"{request.base_url}{asked.get('organization')}/{asked['name']}"})


async def preupload(request: Request) -> Response:
    """Every file is a large one."""
    files = [
        {"path": each["path"], "uploadMode": "lfs", "shouldIgnore": False}
        for each in (await request.json())["files"]
    ]
    return JSONResponse({"files": files})


async def batch(request: Request) -> Response:
    """Every object is to be sent, in one piece."""
    objects = [
        {**each, "actions": {"upload": {"href": f"{request.base_url}objects"}}}
        for each in (await request.json())["objects"]
    ]
    return JSONResponse({"transfer": "basic", "objects": objects})


async def token(request: Request) -> Response:
    """Where Xet's storage is."""
    address, expires = f"{request.base_url}xet", int(time.time()) + 3600
    headers = {
        "X-Xet-Cas-Url": address,
        "X-Xet-Access-Token": "none",
        "X-Xet-Token-Expiration": str(expires),
    }
    content = {"casUrl": address, "accessToken": "none", "exp": expires}
    return JSONResponse(content, headers=headers)


async def discard(request: Request) -> Response:
    """An object, a xorb or a shard."""
    async for _ in blocks(request):
        pass
    return JSONResponse({"was_inserted": True, "result": 1})


async def commit(request: Request) -> Response:
    """A commit."""
    address = f"{request.base_url}bench/none/commit/{NO_COMMIT}"
    return JSONResponse({"success": True, "commitOid": NO_COMMIT, "commitUrl": address})


async def here(_: Request) -> Response:
    """Whether it answers."""
    return Response("here")


ROUTES = [
    Route("/", here),
    Route("/api/repos/create", create, methods=["POST"]),
    Route("/api/models/{owner}/{name}/preupload/{revision}", preupload, methods=["POST"]),
    Route("/api/models/{owner}/{name}/xet-write-token/{revision}", token),
    Route("/api/models/{owner}/{name}/commit/{revision}", commit, methods=["POST"]),
    Route("/{owner}/{name}.git/info/lfs/objects/batch", batch, methods=["POST"]),
    Route("/objects", discard, methods=["PUT"]),
    Route("/xet/v1/xorbs/default/{hash}", discard, methods=["POST"]),
    Route("/xet/v1/shards", discard, methods=["POST"]),
]


def main() -> None:
    """Serves until it is stopped."""
    config = configuration(Starlette(routes=ROUTES), Settings(data_folder=Path.cwd()))
    config.port = int(sys.argv[1])
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
