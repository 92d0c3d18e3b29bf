"""Everything the API and the pages do with repositories goes through here.

Who may see what is decided in this file: a private repository answers exactly as a missing one does
to all but its owner. All functions here block (database, git, disk): async code calls them in a
worker thread. `stream` is the one exception.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from graft.server.hub import Hub
from graft.server.records import (
    Account,
    Card,
    Commit,
    Entry,
    FacetValue,
    Kind,
    Page,
    Query,
    Refs,
    Repository,
    User,
)
from graft.server.git.snapshot import Snapshot


# --- finding -------------------------------------------------------------------------------------

def find(hub: Hub, kind: Kind, owner: str, name: str, user: User | None) -> Repository: ...
    # raises RepoNotFoundError (also for a private one that `user` may not see)

def search(hub: Hub, query: Query, user: User | None) -> Page: ...
def facets(hub: Hub, query: Query, user: User | None) -> dict[str, list[FacetValue]]: ...
    # keys: task, library, language, license, dataset; most frequent first

def may_write(repository: Repository, user: User | None) -> bool: ...

# --- changing ------------------------------------------------------------------------------------

def create(hub: Hub, kind: Kind, owner: str, name: str, *, private: bool, user: User) -> Repository: ...
    # BadRequestError (name), NotAllowedError (not yours / read token), ConflictError (exists)
def set_private(hub: Hub, repository: Repository, private: bool, user: User) -> Repository: ...
def delete(hub: Hub, repository: Repository, user: User) -> None: ...

# --- reading -------------------------------------------------------------------------------------

def snapshot(hub: Hub, repository: Repository, revision: str = "main") -> Snapshot: ...
    # RevisionNotFoundError. revision: branch, tag or commit id
def split_revision(hub: Hub, repository: Repository, rest: str) -> tuple[Snapshot, str]: ...
    # "main/a/b.txt" or "feature/x/a/b.txt" -> (the snapshot, "a/b.txt")

#   snapshot.commit: Commit;  snapshot.commit.id
#   snapshot.entries(path="", *, recursive=False, last_commits=False) -> list[Entry]   (folders first, by name)
#   snapshot.entry(path) -> Entry                                                       (EntryNotFoundError)

def read(hub: Hub, repository: Repository, entry: Entry, limit: int | None = None) -> bytes: ...
    # the file's bytes (at most `limit`), large files included
def stream(hub: Hub, repository: Repository, entry: Entry, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]: ...
def card(hub: Hub, repository: Repository, revision: str = "main") -> Card: ...
    # empty Card where there is no README.md
def history(hub: Hub, repository: Repository, revision: str = "main", *, skip: int = 0, limit: int = 50) -> tuple[list[Commit], int]: ...
def refs(hub: Hub, repository: Repository) -> Refs: ...
def checkout(hub: Hub, repository: Repository, snapshot: Snapshot, folder: Path) -> Path: ...
    # all files written to `folder` (atomic_folder)

# Accounts and tokens: graft.server.accounts
#   find_account(hub, name) -> Account            (NotFoundError)
#   check_password(hub, name, password) -> Account | None
#   create_account(hub, name, *, password=None, full_name="") -> Account
#   create_token(hub, account, *, name, role="write", expires_at=None) -> tuple[Token, str]   (the secret, once)
#   list_tokens(hub, account) -> list[Token];  delete_token(hub, account, token_id)
# Who asks: graft.server.auth
#   CurrentHub = Annotated[Hub, Depends(get_hub)]              (request.app.state.hub)
#   CurrentUser = Annotated[User | None, Depends(current_user)]  Authorization header or session cookie; bad token -> 401
#   start_session(hub, response, account); end_session(hub, request, response)
#   Unsafe requests with the cookie are checked for Origin / Sec-Fetch-Site.
# Settings: hub.settings.public_url, .allow_sign_up, .data_folder
# Errors: graft.server.errors.RefusedError(.status, .code, str(error)). For requests whose Accept header
#   prefers text/html (and a path outside /api, /resolve/, .git, /infer, /v1), app.py answers with
#   graft.server.web.pages.error_page(request, status: int, message: str) -> Response
