"""What everybody may do at every address of the Hub: the table that the Hub is held to.

A row says what an address asks of those who use it. Bodies are such that nothing is lost where
somebody may: what is asked for is there already, or changes nothing.
"""

from dataclasses import dataclass
from typing import Any, Literal

Needs = Literal[
    "nothing",  # anybody, whatever token they send
    "public",  # anybody; but a token that is wrong is refused
    "token",  # any token that is valid
    "account",  # a token for all that the account may
    "account read",  # the same, or one that may only read
    "see",  # to see the repository
    "files",  # to read its files
    "see, token",  # to see it, with a token that is valid
    "see, account",  # to see it, with a token for all that the account may
    "discuss",
    "write",
    "copy",  # to read the files, and to create a repository of one's own
    "login",  # a browser that has logged in: tokens count for nothing
    "see, login",  # the same, of those who see the repository
    "signature",  # an address that the Hub has signed
    "password",  # the password of an account
    "xet token",  # a token for the storage behind Xet
    "organization",  # to look after the organization
]

ZEROS = "0" * 64


@dataclass(frozen=True)
class Row:
    """One method of one address. In the bodies, `{owner}` and so on stand for what is asked for."""

    method: str
    path: str
    needs: Needs
    json: Any = None
    content: bytes | None = None
    data: dict[str, str] | None = None
    query: str = ""
    git: bool = False
    """Whether a stranger is asked for a password, where others are told that nothing is there."""
    page: bool = False
    """Whether somebody unknown is led to the login page, instead of being refused."""
    fresh: bool = False
    """Whether it destroys the repository, so that each who may needs one of their own."""


API = "/api/{kind}/{owner}/{name}"
HEADER = b'{"key": "header", "value": {"summary": "Nothing"}}\n'
SAID = {"title": "A title", "description": "Words"}


def _repository_rows() -> list[Row]:
    see, files, write, discuss = "see", "files", "write", "discuss"
    one = API + "/discussions/{number}"
    return [
        Row("GET", API, see),
        Row("GET", API + "/revision/{revision:path}", see),
        Row("GET", API + "/tree/{rest:path}", see),
        Row("POST", API + "/paths-info/{revision:path}", see, json={"paths": ["a.txt"]}),
        Row("GET", API + "/refs", see),
        Row("GET", API + "/commits/{revision:path}", see),
        Row("GET", API + "/likers", see),
        Row("GET", API + "/model-tree", see),
        Row("GET", API + "/discussions", see),
        Row("GET", one, see),
        Row("GET", API + "/auth-check", files),
        Row("GET", API + "/compare/{revisions:path}", files),
        Row("GET", API + "/commit/{revision:path}", files),
        Row("GET", API + "/blame/{rest:path}", files),
        Row("GET", API + "/xet-read-token/{revision:path}", files),
        Row("GET", API + "/auth-check/write", write),
        Row("GET", API + "/xet-write-token/{revision:path}", write),
        Row("PUT", API + "/settings", write, json={}),
        Row("POST", API + "/preupload/{revision:path}", write, json={"files": []}),
        Row("POST", API + "/commit/{branch:path}", write, content=HEADER),
        Row("POST", API + "/branch/{branch:path}", write),
        Row("DELETE", API + "/branch/{branch:path}", write),
        Row("POST", API + "/tag/{revision:path}", write, json={"tag": "first"}),
        Row("DELETE", API + "/tag/{tag:path}", write),
        Row("POST", API + "/super-squash/{branch:path}", write),
        Row("GET", API + "/lfs-files", write),
        Row("POST", API + "/lfs-files/batch", write, json={}),
        Row(
            "POST",
            API + "/lfs-files/duplicate",
            write,
            json={"target": {"type": "{one}", "name": "{owner}/{name}"}, "files": []},
        ),
        Row("GET", API + "/user-access-request/{status}", write),
        Row(
            "POST",
            API + "/user-access-request/handle",
            write,
            json={"user": "table-stranger", "status": "pending"},
        ),
        Row("POST", API + "/user-access-request/grant", write, json={"user": "table-lab"}),
        Row("POST", API + "/discussions", discuss, json=SAID),
        Row("POST", one + "/comment", discuss, json={"comment": "More"}),
        Row("POST", one + "/title", write, json={"title": "Another"}),
        Row("POST", one + "/status", write, json={"status": "open"}),
        Row("POST", one + "/merge", write, json={}),
        Row("POST", API + "/duplicate", "copy", json={"repository": "{mine}/{fresh}"}),
    ]


def _own_rows() -> list[Row]:
    """What needs the whole of an account's rights, on a repository that it sees."""
    one = API + "/discussions/{number}"
    return [
        Row("POST", API + "/like", "discuss"),
        Row("DELETE", API + "/like", "discuss"),
        Row("POST", API + "/ask-access", "see, account", json={}),
        Row("POST", one + "/comment/{key}/edit", "discuss", json={"content": "No"}),
        Row("POST", one + "/comment/{key}/hide", "discuss"),
    ]


def _git_rows(prefix: str) -> list[Row]:
    root = f"/{prefix}{{owner}}/{{name}}"
    lfs = root + "/info/lfs"
    item = lfs + "/objects/{repository_id}/{sha256}"
    nothing = {"operation": "upload", "objects": []}
    signed = "size=1&by=1&part_bytes=0&expires=9999999999&signature=00"
    about = {"oid": ZEROS, "size": 1}
    return [
        Row("GET", root + "/resolve/{rest:path}", "files"),
        Row("HEAD", root + "/resolve/{rest:path}", "files"),
        Row("GET", root + "/info/refs", "files", query="service=git-upload-pack", git=True),
        Row("POST", root + "/git-upload-pack", "files", content=b"0000", git=True),
        Row("POST", root + "/git-receive-pack", "write", content=b"0000", git=True),
        Row("POST", lfs + "/objects/batch", "discuss", json=nothing, git=True),
        Row("POST", lfs + "/locks", "write", json={"path": "/"}, git=True),
        Row("GET", lfs + "/locks", "see", git=True),
        Row("POST", lfs + "/locks/verify", "write", json={}, git=True),
        Row("POST", lfs + "/locks/{lock_id}/unlock", "write", json={}, git=True),
        Row("PUT", item, "signature", query=signed),
        Row("GET", item, "signature", query=signed),
        Row("POST", item + "/verify", "signature", query=signed, json=about),
        Row("PUT", item + "/parts/{number}", "signature", query=signed),
        Row("POST", item + "/complete", "signature", query=signed, json={"oid": "", "parts": []}),
    ]


def _page_rows(prefix: str) -> list[Row]:
    root = f"/{prefix}{{owner}}/{{name}}"
    return [
        Row("GET", root, "see"),
        Row("POST", root + "/like", "discuss", page=True),
        Row("GET", root + "/tree/{rest:path}", "see"),
        Row("GET", root + "/commits/{revision:path}", "see"),
        Row("GET", root + "/blob/{rest:path}", "files"),
        Row("GET", root + "/commit/{revision:path}", "files"),
        Row("GET", root + "/blame/{rest:path}", "files"),
        Row("GET", root + "/compare", "files"),
        Row("GET", root + "/compare/{revisions:path}", "files"),
        Row("GET", root + "/ask-access", "see, login"),
        Row("POST", root + "/ask-access", "see, login"),
        Row("GET", root + "/access-requests", "see, login"),
        Row("POST", root + "/access-requests", "see, login", data={"number": "1"}),
        Row("GET", root + "/settings", "see, login"),
        Row("POST", root + "/settings", "see, login", data={"visibility": "public"}),
        Row("POST", root + "/settings/move", "see, login", data={"new_name": "elsewhere"}),
        Row("POST", root + "/settings/delete", "see, login", data={"confirm": "{owner}/{name}"}),
    ]


def _talk_rows(prefix: str) -> list[Row]:
    root = f"/{prefix}{{owner}}/{{name}}/discussions"
    one = root + "/{number}"
    return [
        Row("GET", root, "see"),
        Row("GET", one, "see"),
        Row("GET", one + "/files", "see"),
        Row("GET", root + "/new", "see, token", page=True),
        Row("POST", root + "/new", "discuss", page=True, data={"title": "A title"}),
        Row("POST", one + "/comment", "discuss", page=True, data={"text": "More"}),
        Row("POST", one + "/comment/{key}/edit", "discuss", page=True, data={"text": "No"}),
        Row("POST", one + "/comment/{key}/hide", "discuss", page=True),
        Row("POST", one + "/title", "write", page=True, data={"title": "Another"}),
        Row("POST", one + "/merge", "write", page=True),
    ]


def _account_rows() -> list[Row]:
    hooks = "/api/settings/webhooks"
    one = hooks + "/{key}"
    collection = "/api/collections/{owner}/{name}"
    people = "/api/users/{username}"
    group = "/api/organizations/{organization}"
    item = {"item": {"id": "a/b", "type": "model"}}
    return [
        Row("GET", "/api/whoami-v2", "token"),
        Row("GET", hooks, "account read"),
        Row("POST", hooks, "account", json={"url": "nowhere", "watched": []}),
        Row("GET", one, "account read"),
        Row("POST", one, "account", json={}),
        Row("DELETE", one, "account"),
        Row("POST", one + "/enable", "account"),
        Row("POST", one + "/disable", "account"),
        Row("GET", one + "/deliveries", "account read"),
        Row("POST", one + "/deliveries/{delivery}/replay", "account"),
        Row("GET", "/api/collections", "public"),
        Row("POST", "/api/collections", "account", json={"title": "{fresh}"}),
        Row("GET", collection, "public"),
        Row("PATCH", collection, "public", json={}),
        Row("DELETE", collection, "public"),
        Row("POST", collection + "/upvote", "account"),
        Row("DELETE", collection + "/upvote", "account"),
        Row("POST", collection + "/items", "public", json=item),
        Row("PATCH", collection + "/items/{key}", "public", json={}),
        Row("DELETE", collection + "/items/{key}", "public"),
        Row("GET", people + "/overview", "public"),
        Row("GET", people + "/likes", "public"),
        Row("GET", people + "/followers", "nothing"),
        Row("GET", people + "/following", "nothing"),
        Row("POST", people + "/follow", "account"),
        Row("DELETE", people + "/follow", "account"),
        Row("GET", group + "/overview", "public"),
        Row("GET", group + "/members", "public"),
        Row("GET", group + "/followers", "nothing"),
        Row("POST", group + "/follow", "account"),
        Row("DELETE", group + "/follow", "account"),
        Row("POST", "/api/organizations/create", "account", json={"name": "api"}),
        Row("PUT", group + "/settings", "organization", json={}),
        Row("DELETE", group, "organization"),
        Row("PUT", group + "/members/{username}", "organization", json={"role": "read"}),
        Row("DELETE", group + "/members/{username}", "organization"),
        Row("POST", "/api/repos/create", "account", json={"name": "{fresh}"}),
        Row(
            "DELETE",
            "/api/repos/delete",
            "write",
            json={"name": "{name}", "organization": "{owner}", "type": "{one}"},
            fresh=True,
        ),
        Row(
            "POST",
            "/api/repos/move",
            "write",
            json={"fromRepo": "{owner}/{name}", "toRepo": "{owner}/public", "type": "{one}"},
        ),
    ]


def _public_rows() -> list[Row]:
    hashed = {"needs": "xet token"}
    return [
        *[Row("GET", path, "nothing") for path in ("/healthz", "/readyz", "/api/openapi.json")],
        Row("GET", "/metrics", "nothing"),
        Row("GET", "/avatars/{name}.svg", "nothing"),
        Row("GET", "/static/{name}", "nothing"),
        Row("POST", "/oauth/device", "nothing", data={"client_id": "x"}),
        Row("POST", "/oauth/token", "nothing", data={"grant_type": "x"}),
        Row("POST", "/api/validate-yaml", "nothing", json={"content": "# A"}),
        Row("GET", "/api/{kind}", "public"),
        Row("GET", "/api/{kind}-tags-by-type", "public"),
        Row("GET", "/api/spaces", "nothing"),
        Row("GET", "/api/daily_papers", "nothing"),
        Row("GET", "/api/papers/search", "nothing"),
        Row("GET", "/", "public"),
        Row("GET", "/models", "public"),
        Row("GET", "/datasets", "public"),
        Row("GET", "/{owner}", "public"),
        Row("POST", "/{owner}/-/follow", "account", page=True),
        Row("POST", "/uploads", "account"),
        Row("GET", "/uploads/{name}", "nothing"),
        Row("GET", "/xet/{store}/v1/reconstructions/{name}", **hashed),  # type: ignore[arg-type]
        Row("GET", "/xet/{store}/v1/chunks/default/{name}", **hashed),  # type: ignore[arg-type]
        Row("GET", "/xet/{store}/v1/chunks/default-merkledb/{name}", **hashed),  # type: ignore[arg-type]
        Row("POST", "/xet/{store}/v1/xorbs/default/{name}", **hashed),  # type: ignore[arg-type]
        Row("POST", "/xet/{store}/v1/shards", **hashed),  # type: ignore[arg-type]
        Row("POST", "/xet/{store}/v2/shards", **hashed),  # type: ignore[arg-type]
        Row(
            "GET",
            "/xet/{store}/v1/xorbs/default/{name}",
            "signature",
            query="start=0&last=1&expires=9999999999&signature=00",
        ),
        Row("GET", "/login", "nothing"),
        Row("POST", "/login", "password", data={"name": "nobody"}),
        Row("POST", "/logout", "nothing"),
        Row("GET", "/join", "nothing"),
        Row("POST", "/join", "nothing", data={"name": "x"}),
    ]


def _collection_rows() -> list[Row]:
    one = "/collections/{owner}/{name}"
    return [
        Row("GET", "/collections", "public"),
        Row("POST", "/collections", "account", page=True, data={"title": ""}),
        Row("GET", one, "public"),
        Row("POST", one + "/settings", "token", page=True, data={"title": "Another"}),
        Row("POST", one + "/delete", "token", page=True),
        Row("POST", one + "/upvote", "account", page=True),
        Row("POST", one + "/items", "token", page=True, data={"item": "a/b"}),
        Row("POST", one + "/items/{key}", "token", page=True, data={"remove": "true"}),
    ]


def _login_rows() -> list[Row]:
    settings = "/settings"
    group = "/organizations/{organization}"
    return [
        Row("GET", settings + "/tokens", "login"),
        Row("POST", settings + "/tokens", "login", data={"name": "minted"}),
        Row("POST", settings + "/tokens/{token_id}/delete", "login"),
        Row("GET", "/new", "login"),
        Row("POST", "/new", "login", data={"name": "minted"}),
        Row("GET", "/device", "login"),
        Row("POST", "/device", "login", data={"code": "BBBBBBBB", "decision": "allow"}),
        Row("GET", settings + "/password", "login"),
        Row("POST", settings + "/password", "login", data={"current": "guessed"}),
        Row("GET", settings + "/sessions", "login"),
        Row("POST", settings + "/sessions/{key}/end", "login"),
        Row("POST", settings + "/devices/{login_id}/end", "login"),
        Row("GET", settings + "/webhooks", "login"),
        Row("POST", settings + "/webhooks", "login", data={"url": "nowhere"}),
        Row("GET", settings + "/webhooks/{key}", "login"),
        Row("POST", settings + "/webhooks/{key}/state", "login", data={"state": "deleted"}),
        Row("POST", settings + "/webhooks/{key}/deliveries/{delivery}", "login"),
        Row("GET", settings + "/organizations", "login"),
        Row("POST", settings + "/organizations", "login", data={"name": "minted"}),
        Row("GET", group, "nothing"),
        Row("POST", group, "login"),
        Row("POST", group + "/members", "login", data={"name": "table-stranger", "role": "admin"}),
        Row("POST", group + "/members/{name}/remove", "login"),
        Row("POST", group + "/delete", "login"),
    ]


ROWS = [
    *_repository_rows(),
    *_own_rows(),
    *_git_rows(""),
    *_git_rows("datasets/"),
    *_page_rows(""),
    *_page_rows("datasets/"),
    *_talk_rows(""),
    *_talk_rows("datasets/"),
    Row("POST", "/{owner}/{name}", "see", data={"text": ""}),
    Row("POST", "/infer/models/{owner}/{name}", "files", json={"inputs": 3}),
    *_account_rows(),
    *_public_rows(),
    *_collection_rows(),
    *_login_rows(),
]
