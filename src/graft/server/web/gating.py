"""Pages of gated repositories: asking for the files, and deciding about those who ask."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Form
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from graft.server.errors import BadRequestError, RefusedError
from graft.server.people import access, gating
from graft.server.records import Repository
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import OwnRepository, OwnVisit, Visit

router = page_router()

SHOWN = 500
MAX_FIELDS = 20
MAX_ANSWER = 1000
Text = Annotated[str, Form()]


@dataclass(frozen=True)
class Field:
    """Something that the card asks of those who want the files (`extra_gated_fields`)."""

    label: str
    type: str
    """`text`, `checkbox`, `date` or `select`."""
    options: tuple[str, ...] = ()


def fields(card: dict[str, Any]) -> list[Field]:
    """What a card asks for; what cannot be understood is asked for as text."""
    asked = card.get("extra_gated_fields")
    if not isinstance(asked, dict):
        return []
    return [_field(str(label), kind) for label, kind in list(asked.items())[:MAX_FIELDS]]


def _field(label: str, kind: Any) -> Field:
    if isinstance(kind, dict) and isinstance(kind.get("options"), list):
        options = kind["options"]
        names = [item.get("label") if isinstance(item, dict) else item for item in options]
        return Field(label, "select", tuple(str(name) for name in names if name is not None))
    if isinstance(kind, dict):
        kind = kind.get("type")
    known = {"checkbox": "checkbox", "date_picker": "date"}
    return Field(label, known.get(str(kind), "text"))


@for_both_kinds(router.get, "/{owner}/{name}/ask-access")
def ask_page(visit: OwnVisit, repository: OwnRepository) -> Response:
    """The form to ask for the files of a gated repository with."""
    return _ask(visit, repository)


@for_both_kinds(router.post, "/{owner}/{name}/ask-access")
async def ask(visit: OwnVisit, repository: OwnRepository) -> Response:
    """Asks for the files in the name of who has logged in."""
    form = await visit.request.form(max_fields=MAX_FIELDS + 1)
    try:
        answers = _answers(fields(repository.card), dict(form))
        await run_in_threadpool(gating.ask, visit.hub, repository, visit.user, answers)
    except RefusedError as error:
        return await run_in_threadpool(_ask, visit, repository, str(error), error.status)
    return RedirectResponse(repository.path, status_code=303)


@for_both_kinds(router.get, "/{owner}/{name}/access-requests")
def requests_page(visit: OwnVisit, repository: OwnRepository) -> Response:
    """Those who asked for the files, for the owners of the repository."""
    return _requests(visit, repository)


@for_both_kinds(router.post, "/{owner}/{name}/access-requests")
def decide(
    visit: OwnVisit,
    repository: OwnRepository,
    number: Annotated[int, Form(ge=1, le=2**62)],
    status: Text = "",
    reason: Text = "",
) -> Response:
    """Accepts or rejects a request."""
    try:
        gating.handle(
            visit.hub,
            repository,
            visit.user,
            status="accepted" if status == "accepted" else "rejected",
            request_id=number,
            reason=reason.strip() or None if status != "accepted" else None,
        )
    except RefusedError as error:
        access.check(visit.user, repository, "admin")
        return _requests(visit, repository, str(error), error.status)
    return RedirectResponse(f"{repository.path}/access-requests", status_code=303)


def _ask(visit: Visit, repository: Repository, wrong: str = "", status: int = 200) -> Response:
    card = repository.card
    return visit.page(
        "ask-access.html",
        status=status,
        repository=repository,
        gate=gating.gate_of(visit.hub, repository, visit.user),
        fields=fields(card),
        heading=_text(card, "extra_gated_heading"),
        prompt=_text(card, "extra_gated_prompt"),
        wrong=wrong,
    )


def _requests(visit: Visit, repository: Repository, wrong: str = "", status: int = 200) -> Response:
    found = {
        name: gating.requests(visit.hub, repository, name, visit.user, limit=SHOWN)
        for name in gating.STATUSES
    }
    response = visit.page(
        "access-requests.html",
        status=status,
        repository=repository,
        found=found,
        wrong=wrong,
        json=f"/api/{repository.kind.plural}/{repository.full_name}/user-access-request/pending",
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _answers(asked: list[Field], form: dict[str, Any]) -> dict[str, str | bool]:
    """What was filled in, by the labels of the fields; other values are left out.

    Raises:
        BadRequestError: a field was left empty, or its answer is too long.
    """
    answers: dict[str, str | bool] = {}
    for index, field in enumerate(asked):
        value = form.get(f"field-{index}")
        text = value.strip() if isinstance(value, str) else ""
        if not text:
            raise BadRequestError(f"{field.label!r} has to be answered.")
        if len(text) > MAX_ANSWER or (field.options and text not in field.options):
            raise BadRequestError(f"{field.label!r} has an answer that is too long or not offered.")
        answers[field.label] = True if field.type == "checkbox" else text
    return answers


def _text(card: dict[str, Any], key: str) -> str:
    value = card.get(key)
    return value.strip() if isinstance(value, str) else ""
