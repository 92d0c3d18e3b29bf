"""Checks a push before git takes it over; run by git, with the new commits not yet visible.

A push is refused whole when a large file's object was not uploaded, when a file is too large for
git itself, when the card's YAML cannot be read, or when it touches more than branches and tags.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

from graft.errors import CardError
from graft.hub.header import parse_card
from graft.server import identity, links
from graft.server.db.database import Database
from graft.server.git.pointers import MAX_POINTER_BYTES, parse_pointer
from graft.server.names import CARD_FILE

NO_COMMIT = "0" * 40
MAX_LINES_SHOWN = 20


def main() -> int:
    """Reads git's list of changed refs; answers git's exit status."""
    changes = [line.split() for line in sys.stdin if line.strip()]
    new = [commit for _, commit, _ in changes if commit != NO_COMMIT]
    problems = [f"{ref}: only branches and tags can be pushed" for ref in _foreign_refs(changes)]
    problems += [f"{ref}: a branch or tag must name a commit" for ref in _no_commits(changes)]
    if new and not problems:
        problems += _problems_in_files(new)
        problems += _problems_in_cards(changes)
    for problem in problems[:MAX_LINES_SHOWN]:
        print(f"graft: {problem}", file=sys.stderr)
    if len(problems) > MAX_LINES_SHOWN:
        print(f"graft: ... and {len(problems) - MAX_LINES_SHOWN} more", file=sys.stderr)
    if problems:
        print("graft: The push was refused; nothing of it was kept.", file=sys.stderr)
    return 1 if problems else 0


def _foreign_refs(changes: list[list[str]]) -> list[str]:
    return [ref for _, _, ref in changes if not ref.startswith(("refs/heads/", "refs/tags/"))]


def _no_commits(changes: list[list[str]]) -> list[str]:
    """The refs that would name a file or a folder."""
    named = [(new, ref) for _, new, ref in changes if new != NO_COMMIT]
    asked = "".join(f"{new}^{{commit}}\n" for new, _ in named)
    answers = _git("cat-file", "--batch-check=%(objecttype)", stdin=asked.encode()).splitlines()
    return [ref for (_, ref), kind in zip(named, answers, strict=True) if kind != b"commit"]


def _problems_in_files(new: list[str]) -> Iterator[str]:
    most = int(os.environ["GRAFT_PUSH_MAX_INLINE_BYTES"])
    small: list[tuple[str, str]] = []
    for oid, size, path in _new_files(new):
        if size > most:
            yield (
                f"{path}: {size} bytes are too many for git (at most {most}); "
                f"track the file with `git lfs track` and commit it again"
            )
        elif size <= MAX_POINTER_BYTES:
            small.append((oid, path))
    yield from _missing_objects(small)


def _missing_objects(small: list[tuple[str, str]]) -> Iterator[str]:
    """Problems with pointers among small files; gives the repository the objects they name.

    Every version of a file counts, also one that a later commit of the same push replaces.
    """
    contents = _blobs([oid for oid, _ in small])
    pointers = [
        (path, pointer)
        for (_, path), content in zip(small, contents, strict=True)
        if (pointer := parse_pointer(content)) is not None
    ]
    if not pointers:
        return
    repository_id = int(os.environ["GRAFT_PUSH_REPOSITORY"])
    account_id = int(os.environ["GRAFT_PUSH_ACCOUNT"])
    token_id = int(os.environ["GRAFT_PUSH_TOKEN"]) if os.environ["GRAFT_PUSH_TOKEN"] else None
    database = Database(os.environ["GRAFT_PUSH_DATABASE_URL"])
    with database.writing() as session:
        user = identity.again(session, account_id, token_id)
        if user is None:
            yield "your token was deleted or has expired during the push: use another"
            return
        for path, pointer in pointers:
            size = links.size_for(session, user, pointer.sha256)
            if size is None:
                yield (
                    f"{path}: its large object {pointer.sha256} was not uploaded; "
                    "run `git lfs push --all origin`"
                )
            elif size != pointer.size:
                yield f"{path}: its pointer says {pointer.size} bytes, the object has {size}"
            else:
                links.link(session, repository_id, pointer.sha256)


def _problems_in_cards(changes: list[list[str]]) -> Iterator[str]:
    for _, commit, ref in changes:
        if commit == NO_COMMIT or not ref.startswith("refs/heads/"):
            continue
        _, kind, *_ = [*_git("ls-tree", commit, "--", CARD_FILE).split(), b"", b""]
        if kind == b"blob":  # a folder of that name is no card
            try:
                parse_card(_git("cat-file", "blob", f"{commit}:{CARD_FILE}"), CARD_FILE)
            except CardError as error:
                yield f"{ref.removeprefix('refs/heads/')}: {error}"


def _new_files(new: list[str]) -> Iterator[tuple[str, int, str]]:
    """(blob id, size, path) of every file that the push brings."""
    listed = _git("rev-list", "--objects", *new, "--not", "--all")
    described = _git(
        "cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)", stdin=listed
    )
    for line in described.decode("utf-8", "replace").splitlines():
        kind, oid, size, path = [*line.split(" ", 3), ""][:4]
        if kind == "blob":
            yield oid, int(size), path


def _blobs(oids: list[str]) -> Iterator[bytes]:
    """The content of each blob, all from one process."""
    output = _git("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in oids).encode())
    position = 0
    for _ in oids:
        head_end = output.index(b"\n", position)
        size = int(output[position:head_end].rsplit(b" ", 1)[1])
        yield output[head_end + 1 : head_end + 1 + size]
        position = head_end + size + 2  # a line break follows each content


def _git(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", *arguments], input=stdin, stdout=subprocess.PIPE, check=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
