"""What the Hub refuses: each error knows its HTTP status and the code that clients read."""

from graft.errors import HubError


class RefusedError(HubError):
    """A request that the Hub refuses; becomes a response with `status` and `{"error": message}`.

    `code` is sent as `X-Error-Code`; `headers` are sent as they are.
    """

    status = 400
    code: str | None = None

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class BadRequestError(RefusedError):
    """A request that makes no sense: the message names the field."""


class NotLoggedInError(RefusedError):
    """No token where one is needed, or one that is unknown or has expired."""

    status = 401


class LoginNeededError(NotLoggedInError):
    """A page for people who have logged in: visitors are led to the login page, and then back."""

    def __init__(self, back: str) -> None:
        """`back` is the address, on this Hub, of the page that they come from."""
        super().__init__(f"Log in at /login first, and then go to {back} again.")
        self.back = back


class NotAllowedError(RefusedError):
    """A token that may not do this."""

    status = 403


class RepoNotFoundError(RefusedError):
    """No such repository, or a private one that the asker may not see: the answer is the same."""

    status = 404
    code = "RepoNotFound"


class RepoMovedError(RefusedError):
    """A repository that has another name now: requests are led there, method and body kept."""

    status = 307

    def __init__(self, old: str, new: str) -> None:
        super().__init__(f"{old} is called {new} now.")
        self.old = old
        self.new = new


class RevisionNotFoundError(RefusedError):
    """No such branch, tag or commit in the repository."""

    status = 404
    code = "RevisionNotFound"


class EntryNotFoundError(RefusedError):
    """No such file or folder in the repository at that revision."""

    status = 404
    code = "EntryNotFound"


class GatedRepoError(RefusedError):
    """The files of a gated repository, for somebody who was not let in."""

    status = 403
    code = "GatedRepo"

    def __init__(
        self, message: str, *, status: int = 403, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, headers=headers)
        self.status = status


class NotFoundError(RefusedError):
    """Anything else that is not there: an account, a token, a page."""

    status = 404


class ConflictError(RefusedError):
    """A name that is taken already."""

    status = 409


class StaleParentError(RefusedError):
    """A commit made on top of one that is no longer the branch's newest."""

    status = 412


class TooLargeError(RefusedError):
    """A request over one of the Hub's limits: the message names the limit."""

    status = 413


class BadContentError(RefusedError):
    """Content that is not what was announced: another size or hash."""

    status = 422


class StorageFullError(RefusedError):
    """No space left where the Hub keeps its data; nothing of the request was kept."""

    status = 507


class StorageError(RefusedError):
    """The place where the Hub keeps large files does not answer, or not with what it should."""

    status = 503


class BusyError(RefusedError):
    """More work than the Hub does at once: what is asked for may work in a moment."""

    status = 503

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message, headers={"Retry-After": "5", **(headers or {})})


class RateLimitedError(RefusedError):
    """More requests than one asker may send; the headers say when to go on."""

    status = 429


class TooSlowError(RefusedError):
    """A request whose body comes too slowly, or not at all."""

    status = 408
