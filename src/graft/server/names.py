"""What accounts, repositories, branches and files may be called."""

import re

from graft.server.errors import BadRequestError

CARD_FILE = "README.md"
"""The card: what a repository says about itself, to people and to the search."""

MAX_ACCOUNT_NAME = 64
MAX_REPOSITORY_NAME = 96

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")

# Parts of the Hub's own addresses that stand where an account's name does: an account of that name
# would have no page, or (`/api/organizations/create`) no way to delete it.
_OWN_ADDRESSES = """
about admin api assets avatars blog chat collections create datasets device docs favicon.ico graft
graft-hub health healthz help infer join login logout metrics models new notifications oauth
organizations readyz resolve robots.txt search settings spaces static uploads v1 v2 xet
"""
# Whom the Hub's own pull requests are by: `graft.server.conversion`.
_OWN_ACCOUNTS = {"sfconvertbot"}
RESERVED = frozenset(_OWN_ADDRESSES.split()) | _OWN_ACCOUNTS


def check_account_name(name: str) -> str:
    """`name`, when an account may have it.

    Raises:
        BadRequestError: saying which rule it breaks.
    """
    _check_name("account", name, MAX_ACCOUNT_NAME)
    if name.lower() in RESERVED:
        raise BadRequestError(f"The account name {name!r} is reserved for the Hub: choose another.")
    return name


def check_repository_name(name: str) -> str:
    """`name` (without its owner), when a repository may have it.

    Raises:
        BadRequestError: saying which rule it breaks.
    """
    if "/" in name:
        raise BadRequestError(
            f"The repository name {name!r} has a slash too many: it must be `owner/name`."
        )
    return _check_name("repository", name, MAX_REPOSITORY_NAME)


def _check_name(what: str, name: str, longest: int) -> str:
    if not 1 <= len(name) <= longest:
        raise BadRequestError(
            f"The {what} name {name!r} must have 1 to {longest} characters; it has {len(name)}."
        )
    for forbidden in ("..", "--"):
        if forbidden in name:
            raise BadRequestError(f"The {what} name {name!r} must not contain {forbidden!r}.")
    if name.endswith((".git", ".ipynb")):
        raise BadRequestError(f"The {what} name {name!r} must not end in '.git' or '.ipynb'.")
    if not _NAME.fullmatch(name):
        raise BadRequestError(
            f"The {what} name {name!r} may hold only letters, digits, '-', '_' and '.', "
            "and must not begin or end with '-' or '.'."
        )
    return name


class BadPathError(BadRequestError):
    """A path that no repository may hold."""

    status = 422


def check_file_path(path: str) -> str:
    """`path` inside a repository, when a file may lie there.

    Raises:
        BadPathError: an absolute path, one that leaves the repository, or one git cannot hold.
    """
    parts = path.split("/")
    bad = any(part in ("", ".", "..") or _is_git_folder(part) for part in parts)
    if bad or "\\" in path or _NO_TEXT.search(path):
        raise BadPathError(
            f"The file path {path!r} is not one a repository can hold: use forward slashes, "
            "no empty, '.', '..' or '.git' parts, and no characters that end lines, turn letters "
            "around or control a terminal."
        )
    if len(path.encode()) > 1024:
        raise BadPathError(f"The file path {path[:60]!r}... is longer than 1024 bytes.")
    return path


def _is_git_folder(part: str) -> bool:
    """Whether some file system takes the name for `.git`: Windows leaves out dots and spaces at
    its end, what follows a colon, and knows it by a short name; macOS leaves out characters that
    show nothing. Whoever clones such a tree there would have their hooks written for them."""
    seen = part.translate(_INVISIBLE).lower()
    return seen.partition(":")[0].rstrip(" .") in (".git", "git~1")


_INVISIBLE = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)

# Control characters, ends of lines, halves of surrogate pairs, and what turns the direction of a
# text around: `a\u202egpj.exe` looks like `aexe.jpg`.
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
