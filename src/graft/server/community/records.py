"""What people say and keep, as plain values that outlive the transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from graft.server.records import AccountType, Repository

Status = Literal["draft", "open", "merged", "closed"]
EventType = Literal["comment", "status-change", "title-change", "commit"]


@dataclass(frozen=True)
class Person:
    """Somebody as lists and threads show them."""

    id: int
    name: str
    full_name: str
    type: AccountType = "user"


@dataclass(frozen=True)
class Discussion:
    """A discussion or pull request, without what was said in it."""

    id: int
    key: str
    repository: Repository
    number: int
    title: str
    author: Person | None
    """None: they deleted their account."""
    is_pull_request: bool
    status: Status
    created_at: datetime
    updated_at: datetime
    comments: int
    base: str | None = None
    """Of a pull request: the full name of the branch that it is for."""
    merge_commit: str | None = None
    merge_base: str | None = None
    merge_head: str | None = None

    @property
    def path(self) -> str:
        """The page's address below the Hub's."""
        return f"{self.repository.path}/discussions/{self.number}"

    @property
    def ref(self) -> str | None:
        """Where a pull request's commits are; None for a discussion."""
        return f"refs/pr/{self.number}" if self.is_pull_request else None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is to be decided here."""
        return self.status in ("merged", "closed")


@dataclass(frozen=True)
class Revision:
    """What a comment said before it was edited."""

    text: str
    created_at: datetime


@dataclass(frozen=True)
class ThreadEvent:
    """Something said or changed in a discussion.

    `text` is a comment's Markdown, the new status, the new title, or a commit's first line;
    `before` is the old title; `key` is a commit's own id.
    """

    key: str
    type: EventType
    author: Person | None
    created_at: datetime
    text: str
    before: str = ""
    hidden: bool = False
    edited_at: datetime | None = None
    edited_by: Person | None = None
    revisions: tuple[Revision, ...] = ()
    author_name: str = ""
    """Of a commit: who git says made it, whether they have an account or not."""


@dataclass(frozen=True)
class DiscussionPage:
    """Part of a list: `total` and `start` count what the filter lets through."""

    discussions: tuple[Discussion, ...]
    start: int
    total: int
    closed: int
    """How many of the same kind are closed or merged."""
