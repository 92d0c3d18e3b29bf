"""Pages of discussions and pull requests: lists, threads, what a pull request changes, and the
forms to say and decide something, which work without scripts."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Form, Path, Query
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from graft.server.api.discussions import in_order
from graft.server.api.speech import comment_html
from graft.server.community import discussions, pull_requests, threads
from graft.server.community.discussions import Proposal
from graft.server.community.records import ThreadEvent
from graft.server.errors import ConflictError, RefusedError
from graft.server.people import access
from graft.server.records import Repository
from graft.server.web.files import file_address
from graft.server.web.rendering import with_query
from graft.server.web.routing import for_both_kinds, page_router
from graft.server.web.visit import CurrentRepository, CurrentVisit, LoggedInVisit, Visit

router = page_router()

LIST = "/{owner}/{name}/discussions"
ONE = f"{LIST}/{{number}}"

FILES_SHOWN = 200

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Text = Annotated[str, Form(max_length=200_000)]

STATUS_TITLES: dict[threads.StatusFilter, str] = {"open": "Open", "closed": "Closed", "all": "All"}
TYPE_TITLES: dict[threads.TypeFilter, str] = {
    "all": "Everything",
    "discussion": "Discussions",
    "pull_request": "Pull requests",
}


@for_both_kinds(router.get, LIST)
def list_page(
    visit: CurrentVisit,
    repository: CurrentRepository,
    status: threads.StatusFilter = "open",
    of: Annotated[threads.TypeFilter, Query(alias="type")] = "all",
    author: str = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10**6)] = 1,
) -> Response:
    """A repository's discussions and pull requests, the newest first."""
    page = threads.find_all(
        visit.hub, repository, of=of, status=status, author=author or None, page=number - 1
    )
    here = f"{repository.path}/discussions"

    def address(**changes: Any) -> str:
        wanted = {"status": status, "type": of, "author": author} | changes
        if wanted["status"] == "open":
            wanted["status"] = ""
        if wanted["type"] == "all":
            wanted["type"] = ""
        return with_query(here, **wanted)

    return visit.page(
        "discussions.html",
        repository=repository,
        page=page,
        chosen=status,
        of=of,
        author=author,
        number=number,
        more=page.start + len(page.discussions) < page.total,
        statuses=STATUS_TITLES,
        types=TYPE_TITLES,
        address=address,
        may_discuss=access.allows(visit.user, repository, "discuss"),
        json=with_query(_api(repository), status=status, type=of, author=author),
    )


@for_both_kinds(router.get, f"{LIST}/new")
def new_page(visit: LoggedInVisit, repository: CurrentRepository) -> Response:
    """The form to open a discussion with."""
    return _new(visit, repository)


@for_both_kinds(router.post, f"{LIST}/new")
def create(
    visit: LoggedInVisit,
    repository: CurrentRepository,
    title: Text = "",
    text: Text = "",
    of: Annotated[str, Form(alias="type")] = "discussion",
) -> Response:
    """Opens a discussion, or a pull request without commits, and shows it."""
    try:
        if of == "pull_request":
            proposal = Proposal(title, text, draft=True)
            made = discussions.open_pull_request(visit.hub, repository, proposal, visit.user)
        else:
            made = discussions.open_discussion(visit.hub, repository, title, text, visit.user)
    except RefusedError as error:
        return _new(visit, repository, title, text, of, str(error), error.status)
    return RedirectResponse(quote(made.path), status_code=303)


@for_both_kinds(router.get, ONE)
def thread_page(visit: CurrentVisit, repository: CurrentRepository, number: Number) -> Response:
    """What was said and changed in one discussion or pull request."""
    return _thread(visit, repository, number)


@for_both_kinds(router.get, f"{ONE}/files")
def files_page(visit: CurrentVisit, repository: CurrentRepository, number: Number) -> Response:
    """What a pull request changes, line by line."""
    found, _ = threads.find(visit.hub, repository, number)
    if not found.is_pull_request:
        return RedirectResponse(quote(found.path), status_code=303)
    access.check_files(visit.hub, repository, visit.user)
    changes = pull_requests.files(visit.hub, found)
    return visit.page(
        "pull-request-files.html",
        repository=repository,
        discussion=found,
        changes=changes[:FILES_SHOWN],
        more=len(changes) - FILES_SHOWN,
        address=file_address,
        json=f"{_api(repository)}/{number}?diff=1",
    )


@for_both_kinds(router.post, f"{ONE}/comment")
def comment(
    visit: LoggedInVisit,
    repository: CurrentRepository,
    number: Number,
    text: Text = "",
    then: Annotated[str, Form()] = "",
) -> Response:
    """Adds a comment, closes or opens the discussion (`then`), or both at once."""
    try:
        if then:
            discussions.change_status(visit.hub, repository, number, then, visit.user, text)
        else:
            discussions.comment(visit.hub, repository, number, text, visit.user)
    except RefusedError as error:
        return _thread(visit, repository, number, text, str(error), error.status)
    return _back(repository, number)


@for_both_kinds(router.post, f"{ONE}/comment/{{key}}/edit")
def edit_comment(
    visit: LoggedInVisit, repository: CurrentRepository, number: Number, key: str, text: Text = ""
) -> Response:
    """Replaces the text of one's own comment."""
    try:
        discussions.edit_comment(visit.hub, repository, number, key, text, visit.user)
    except RefusedError as error:
        return _thread(visit, repository, number, "", str(error), error.status)
    return _back(repository, number, f"#{key}")


@for_both_kinds(router.post, f"{ONE}/comment/{{key}}/hide")
def hide_comment(
    visit: LoggedInVisit, repository: CurrentRepository, number: Number, key: str
) -> Response:
    """Takes a comment's text away for good."""
    discussions.hide_comment(visit.hub, repository, number, key, visit.user)
    return _back(repository, number, f"#{key}")


@for_both_kinds(router.post, f"{ONE}/title")
def rename(
    visit: LoggedInVisit, repository: CurrentRepository, number: Number, title: Text = ""
) -> Response:
    """Changes the title."""
    try:
        discussions.rename(visit.hub, repository, number, title, visit.user)
    except RefusedError as error:
        return _thread(visit, repository, number, "", str(error), error.status)
    return _back(repository, number)


@for_both_kinds(router.post, f"{ONE}/merge")
def merge(visit: LoggedInVisit, repository: CurrentRepository, number: Number) -> Response:
    """Brings a pull request's changes into its branch."""
    try:
        pull_requests.merge(visit.hub, repository, number, visit.user)
    except ConflictError as error:
        return _thread(visit, repository, number, "", str(error), error.status)
    return _back(repository, number)


@dataclass(frozen=True)
class _Shown:
    """One event of a thread, and what its reader may do with it."""

    event: ThreadEvent
    html: Markup
    may_edit: bool
    may_hide: bool


def _thread(
    visit: Visit,
    repository: Repository,
    number: int,
    text: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    found, events = threads.find(visit.hub, repository, number)
    changes = pull_requests.changes(visit.hub, found)
    may_write = access.allows(visit.user, repository, "write")
    said = in_order(events, changes.commits if changes else ())
    return visit.page(
        "discussion.html",
        status=status,
        repository=repository,
        discussion=found,
        changes=changes,
        events=[_shown(visit, repository, event, may_write) for event in said],
        text=text,
        wrong=wrong,
        may_discuss=access.allows(visit.user, repository, "discuss"),
        may_change=discussions.may_change(found, visit.user),
        may_merge=found.is_pull_request and may_write,
        address=file_address,
        json=f"{_api(repository)}/{number}",
    )


def _shown(visit: Visit, repository: Repository, event: ThreadEvent, may_write: bool) -> _Shown:
    is_comment = event.type == "comment" and not event.hidden
    mine = (
        visit.user is not None
        and event.author is not None
        and event.author.id == visit.user.account.id
    )
    # The sanitiser has been over it.
    html = Markup(comment_html(event, repository)) if is_comment else Markup("")
    return _Shown(event, html, is_comment and mine, is_comment and (mine or may_write))


def _new(
    visit: Visit,
    repository: Repository,
    title: str = "",
    text: str = "",
    of: str = "discussion",
    wrong: str = "",
    status: int = 200,
) -> Response:
    values = {"title": title, "text": text, "of": of, "wrong": wrong}
    return visit.page("new-discussion.html", status=status, repository=repository, **values)


def _back(repository: Repository, number: int, to: str = "") -> Response:
    address = f"{quote(repository.path)}/discussions/{number}{to}"
    return RedirectResponse(address, status_code=303)


def _api(repository: Repository) -> str:
    return f"/api/{repository.kind.plural}/{repository.full_name}/discussions"
