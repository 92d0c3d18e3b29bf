"""The refs of a bare repository: listing, naming, and moving them one at a time."""

import fnmatch
from bisect import bisect_left
from collections.abc import Collection, Sequence
from pathlib import Path
from time import monotonic, sleep

import pygit2

from graft.server.errors import (
    BadRequestError,
    ConflictError,
    RevisionNotFoundError,
    StaleParentError,
)
from graft.server.git.locks import remove_stale
from graft.server.git.merging import pull_request_number
from graft.server.git.repository import COMMIT_ID, commit_of
from graft.server.records import Ref, Refs

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
CONVERTS = "refs/convert/"

STALE_LOCK_SECONDS = 2.0
"""How long git's own short locks (of `git gc`, packing refs) are waited for."""


def list_refs(repository: pygit2.Repository) -> Refs:
    """All branches, tags, conversions and pull requests that name commits, by name."""
    found: dict[str, list[Ref]] = {BRANCHES: [], TAGS: [], CONVERTS: []}
    pulls: list[tuple[int, Ref]] = []
    for name in sorted(repository.references):
        target = commit_of(repository.references[name])
        if target is None:
            continue
        number = pull_request_number(name)
        if number is not None:
            pulls.append((number, Ref(str(number), name, str(target.id))))
        for prefix, refs in found.items():
            if name.startswith(prefix):
                refs.append(Ref(name.removeprefix(prefix), name, str(target.id)))
    return Refs(
        tuple(found[BRANCHES]),
        tuple(found[TAGS]),
        tuple(found[CONVERTS]),
        tuple(ref for _, ref in sorted(pulls, key=lambda pull: pull[0])),
    )


def target_of(repository: pygit2.Repository, ref: str) -> str | None:
    """The id of the object that a ref names; None where there is no such ref."""
    reference = repository.references.get(ref) if pygit2.reference_is_valid_name(ref) else None
    return str(reference.target) if reference is not None else None


def existing(repository: pygit2.Repository, what: str, ref: str) -> str:
    """What an existing ref names.

    Raises:
        RevisionNotFoundError: no such ref.
    """
    target = target_of(repository, ref)
    if target is None:
        raise RevisionNotFoundError(f"Invalid rev id: there is no {what} {_short(ref)!r}.")
    return target


def check_new(known: Sequence[str], what: str, ref: str) -> None:
    """That a branch or tag may be made beside all those that are `known`, which are sorted.

    Raises:
        BadRequestError: a name that git or the Hub cannot have.
        ConflictError: it exists, or git could not keep it beside another.
    """
    check_name(what, ref)
    if _first_from(known, ref) == ref:
        raise ConflictError(f"Reference {ref} already exists: choose another name for the {what}.")
    # Git keeps refs as files: none can be a folder, too.
    parts = ref.split("/")
    above = ("/".join(parts[:length]) for length in range(1, len(parts)))
    others = [folder for folder in above if _first_from(known, folder) == folder]
    below = _first_from(known, f"{ref}/")
    if below.startswith(f"{ref}/"):
        others.append(below)
    if others:
        beside = _short(others[0])
        raise ConflictError(f"The {what} {_short(ref)!r} cannot exist beside {beside!r}.")


def _first_from(known: Sequence[str], name: str) -> str:
    """The first of the sorted names that is not before `name`; empty where there is none."""
    place = bisect_left(known, name)
    return known[place] if place < len(known) else ""


def check_name(what: str, ref: str) -> None:
    """
    Raises:
        BadRequestError: a name that stands for something else, or that git cannot have.
    """
    name = _short(ref)
    if name.startswith("refs/") or name == "HEAD" or COMMIT_ID.fullmatch(name):
        raise BadRequestError(
            f"Invalid reference for a {what}: {name!r} would be taken for something else."
        )
    if name.startswith("-") or not pygit2.reference_is_valid_name(ref):
        raise BadRequestError(
            f"Invalid reference for a {what}: {name!r} is not a name that one can have in git."
        )


def is_protected(ref: str, patterns: Collection[str]) -> bool:
    """Whether a branch is among those that keep their history: `main`, `release/*`."""
    name = ref.removeprefix(BRANCHES)
    return ref.startswith(BRANCHES) and any(fnmatch.fnmatchcase(name, p) for p in patterns)


def move_ref(repository: pygit2.Repository, ref: str, old: str | None, new: str | None) -> None:
    """Creates, moves or deletes a ref (None: it is not there), unless it is not as `old` says.

    Only for who holds the repository: a lock file that stays is taken for a dead process's.

    Raises:
        StaleParentError: it does not point at `old`.
    """
    give_up = monotonic() + STALE_LOCK_SECONDS
    while True:
        try:
            _move(repository, ref, old, new)
            return
        except pygit2.GitError as error:
            if "lock" not in str(error).lower():
                raise
            if monotonic() > give_up:
                remove_stale(Path(repository.path))
                _move(repository, ref, old, new)
                return
            sleep(0.02)


def _move(repository: pygit2.Repository, ref: str, old: str | None, new: str | None) -> None:
    if target_of(repository, ref) != old:
        raise StaleParentError(f"Somebody moved {ref} just now. Nothing was changed; try again.")
    reference = repository.references.get(ref)
    if new is None:
        if reference is not None:
            reference.delete()
    elif reference is None:
        repository.references.create(ref, pygit2.Oid(hex=new))
    else:
        reference.set_target(pygit2.Oid(hex=new))


def _short(ref: str) -> str:
    return ref.split("/", 2)[2] if ref.count("/") >= 2 else ref
