"""`POST /infer/models/{owner}/{name}`: runs a repository's model on the texts sent.

The request and the answer are those of the stock `InferenceClient(model=<this address>)`.
"""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request

from graft.server.errors import TooLargeError
from graft.server.inference.questions import MAX_BODY_BYTES, parse_questions
from graft.server.inference.service import InferenceService
from graft.server.people import access
from graft.server.people.auth import CurrentHub, CurrentUser
from graft.server.records import Kind
from graft.server.repositories import repos

router = APIRouter(tags=["inference"])


async def _inference(request: Request, hub: CurrentHub) -> InferenceService:
    """The service of this process, made on first use; async, so that no two are."""
    state = request.app.state
    if not hasattr(state, "inference"):
        state.inference = InferenceService(hub.settings.data_folder / "cache" / "inference")
    service: InferenceService = state.inference
    return service


def close(app: FastAPI) -> None:
    """Lets go of the models that run in this process, where any were asked for."""
    if hasattr(app.state, "inference"):
        app.state.inference.close()


CurrentInference = Annotated[InferenceService, Depends(_inference)]


@router.post("/infer/models/{owner}/{name}")
async def infer(
    request: Request,
    hub: CurrentHub,
    user: CurrentUser,
    inference: CurrentInference,
    owner: str,
    name: str,
) -> list[list[dict[str, Any]]]:
    """For each text, its labels and their scores from 0 to 1, the surest first."""
    repository = await asyncio.to_thread(repos.find, hub, Kind.MODEL, owner, name, user)
    await asyncio.to_thread(access.check_files, hub, repository, user)
    questions = parse_questions(await _body(request))
    answers = await inference.scores(hub, repository, questions)
    return [[{"label": s.label, "score": s.score} for s in scores] for scores in answers]


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLargeError(f"The request's body is longer than {MAX_BODY_BYTES:,} bytes.")
    return bytes(body)
