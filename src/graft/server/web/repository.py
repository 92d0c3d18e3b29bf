"""A repository's page: its card, its facts, and for a model the form that runs it."""

from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Form
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from graft.server.community import likes
from graft.server.errors import RefusedError
from graft.server.inference.api import CurrentInference
from graft.server.inference.questions import Question, Questions, check_text
from graft.server.inference.service import Score
from graft.server.inference.widgets import widget_inputs
from graft.server.people import access, gating
from graft.server.records import Card, Kind, Repository
from graft.server.repositories import contents, describing, repos
from graft.server.web.cards import CardLinks, render_card
from graft.server.web.facts import Example, evaluations, examples, names
from graft.server.web.files import file_address
from graft.server.web.preview import Preview, preview
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.snippets import snippets
from graft.server.web.visit import CurrentRepository, CurrentVisit, Visit

router = page_router()

LABELS_SHOWN = 8
DEFAULT_EXAMPLE = Example("How far is it from the earth to the moon?")
GIT_SETTINGS = ".gitattributes"
"""All that a repository holds before anything is pushed."""
COLUMNS_SHOWN = 40
SHOWN_AS_LINEAGE = ("base_model:", "dataset:")


@dataclass(frozen=True)
class Trial:
    """What the widget shows: what was typed in, and what came of it."""

    text: str = ""
    text_pair: str = ""
    scores: list[Score] = field(default_factory=list)
    wrong: str = ""


@for_both_kinds(router.get, "/{owner}/{name}")
def repository_page(visit: CurrentVisit, repository: CurrentRepository) -> Response:
    """The page of a model or data set."""
    return _page(visit, repository, Trial())


@router.post("/{owner}/{name}")
async def try_model(
    visit: CurrentVisit,
    repository: CurrentRepository,
    inference: CurrentInference,
    text: Annotated[str, Form()] = "",
    text_pair: Annotated[str, Form()] = "",
    example: Annotated[int | None, Form()] = None,
) -> Response:
    """The page with the model's answer: what the widget does in a browser without scripts."""
    offered, pairs = _examples(repository.card)
    if example is not None and 0 <= example < len(offered):
        text, text_pair = offered[example].text, offered[example].text_pair or ""
    try:
        await run_in_threadpool(access.check_files, visit.hub, repository, visit.user)
        question = Question(
            check_text(text, "The text"),
            check_text(text_pair, "The second text") if pairs else None,
        )
        asked = Questions((question,), LABELS_SHOWN)
        scores = (await inference.scores(visit.hub, repository, asked))[0]
        trial, status = Trial(text, text_pair, scores), 200
    except RefusedError as error:
        trial, status = Trial(text, text_pair, wrong=str(error)), error.status
    return await run_in_threadpool(_page, visit, repository, trial, status)


def _examples(metadata: dict[str, Any]) -> tuple[list[Example], bool]:
    """The inputs that the card offers, and whether they are pairs: then the form asks for two."""
    offered = examples(metadata)
    pairs = [example for example in offered if example.text_pair is not None]
    return pairs or offered, bool(pairs)


def _page(visit: Visit, repository: Repository, trial: Trial, status: int = 200) -> Response:
    hub = visit.hub
    card, commit, empty = Card({}, ""), None, True
    if repository.head is not None:
        card = repos.card(hub, repository)
        snapshot = repos.snapshot(hub, repository)
        commit = snapshot.commit
        empty = all(entry.path == GIT_SETTINGS for entry in snapshot.entries(limit=2))
    offered, pairs = _examples(card.metadata)
    links = CardLinks.at(repository.path.strip("/"), "main")
    runnable = bool(widget_inputs(repository))
    return visit.page(
        "repository.html",
        status=status,
        repository=repository,
        card_html=render_card(card.body, links, title=repository.name),
        card_error=card.error,
        commit=commit,
        empty=empty,
        may_write=access.allows(visit.user, repository, "write"),
        gate=gating.gate_of(hub, repository, visit.user),
        liked=likes.is_liked(hub, repository, visit.user),
        evaluations=evaluations(card.metadata),
        tags=[tag for tag in repository.tags if not tag.startswith(SHOWN_AS_LINEAGE)],
        lineage=_lineage(visit, repository, card.metadata),
        runnable=runnable,
        pairs=pairs,
        examples=offered,
        trial=trial,
        labels_shown=LABELS_SHOWN,
        preview=None if empty else _preview(visit, repository),
        rows=None if empty else _rows(visit, repository),
        snippets=snippets(
            repository,
            visit.hub_url,
            runnable=runnable,
            example=_short_example(offered),
        ),
        address=file_address,
        json=f"/api/{repository.kind.plural}/{repository.full_name}",
    )


def _short_example(offered: list[Example]) -> Example:
    """An input for the snippets: the shortest of the card's, where that fits on a line."""
    short = [example for example in offered if len(example.text) <= 80]
    return min(short, key=lambda example: len(example.text), default=DEFAULT_EXAMPLE)


def _preview(visit: Visit, repository: Repository) -> Preview | None:
    if repository.kind is not Kind.DATASET or not gating.lets_in(visit.hub, repository, visit.user):
        return None
    return preview(visit.hub, repository)


@dataclass(frozen=True)
class Rows:
    """What the Parquet files of a data set hold together."""

    count: int
    files: int
    columns: tuple[tuple[str, str], ...]
    """(name, type) of each, in the order they come in the files."""
    more_columns: int
    """How many are not shown."""


def _rows(visit: Visit, repository: Repository) -> Rows | None:
    """None where there are no such files, or the visitor may not read them."""
    if repository.kind is not Kind.DATASET or not gating.lets_in(visit.hub, repository, visit.user):
        return None
    read = contents.contents_of(visit.hub, [repository]).get(repository.id)
    listed = read.about.get("tables", []) if read else []
    if not listed:
        return None
    facts = describing.known_facts(visit.hub, repository.id)
    columns: dict[str, str] = {}
    for item in listed:
        for name, kind in facts.get(item["blob"], {}).get("columns", {}).items():
            columns.setdefault(name, kind)
    count = sum(item["rows"] for item in listed)
    shown = tuple(columns.items())[:COLUMNS_SHOWN]
    return Rows(count, len(listed), shown, len(columns) - len(shown))


@dataclass(frozen=True)
class Ancestor:
    """A repository that a card names; `address` is empty where this Hub does not have it."""

    name: str
    address: str


@dataclass(frozen=True)
class Lineage:
    """What a model was made from."""

    bases: tuple[Ancestor, ...] = ()
    data: tuple[Ancestor, ...] = ()


def _lineage(visit: Visit, repository: Repository, metadata: dict[str, Any]) -> Lineage:
    if repository.kind is Kind.DATASET:
        return Lineage()
    return Lineage(
        tuple(_ancestor(visit, Kind.MODEL, name) for name in names(metadata, "base_model")),
        tuple(_ancestor(visit, Kind.DATASET, name) for name in names(metadata, "datasets")),
    )


def _ancestor(visit: Visit, kind: Kind, full_name: str) -> Ancestor:
    owner, _, name = full_name.partition("/")
    try:
        found = repos.find(visit.hub, kind, owner, name, visit.user)
    except RefusedError:
        return Ancestor(full_name, "")
    return Ancestor(found.full_name, found.path)
