"""What the Hub knows, as plain values: repositories, commits, files, accounts."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

Item = TypeVar("Item")


class Kind(StrEnum):
    """The kinds of repository; the value is the singular used in request bodies."""

    MODEL = "model"
    DATASET = "dataset"

    @property
    def plural(self) -> str:
        """The word in the API's addresses: `/api/models/...`."""
        return f"{self.value}s"

    @property
    def prefix(self) -> str:
        """What stands before a repository's id in page and download addresses."""
        return "" if self is Kind.MODEL else f"{self.plural}/"


AccountType = Literal["user", "organization"]


@dataclass(frozen=True)
class Account:
    """Somebody who owns repositories: a person, or an organization of them."""

    id: int
    name: str
    full_name: str
    created_at: datetime
    type: AccountType = "user"
    details: str = ""
    """What the account says about itself."""

    @property
    def is_organization(self) -> bool:
        return self.type == "organization"


Role = Literal["read", "write", "fine-grained"]
"""What a token may do; a fine-grained one says so in its scopes."""

MemberRole = Literal["read", "contribute", "write", "admin"]
"""What a member of an organization may do with its repositories, from least to most: see them all;
create some, and write to these; write to all; and look after the organization too."""

Right = Literal["read", "discuss", "write", "admin"]
"""What one may do with a repository: see it; open discussions and pull requests; change its files
and refs; change its settings, name it anew, delete it, let people in where it is gated."""

Gate = Literal["auto", "manual"]
"""How a gated repository lets people in: all who ask, or those whom somebody accepts."""


@dataclass(frozen=True)
class Grant:
    """Permissions of a fine-grained token on one repository, or on all of one owner's."""

    entity: Literal["user", "org", "model", "dataset"]
    id: int
    """The account's or the repository's."""
    permissions: frozenset[str]


@dataclass(frozen=True)
class Scopes:
    """What a fine-grained token may do: everywhere, with gated files, and on what it names."""

    everywhere: frozenset[str] = frozenset()
    gated: bool = False
    """Whether it may read the files of gated repositories that let its account in."""
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True)
class Token:
    """What is kept of a token: never the secret itself, only its last four characters."""

    id: int
    name: str
    role: Role
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    scopes: Scopes | None = None


@dataclass(frozen=True)
class Membership:
    """That somebody belongs to an organization, and as what."""

    organization: Account
    role: MemberRole


@dataclass(frozen=True)
class User:
    """Who is asking: an account, with what its token or session allows."""

    account: Account
    role: Role
    token_name: str
    memberships: tuple[Membership, ...] = ()
    scopes: Scopes = field(default_factory=Scopes)
    """Only those of a fine-grained token count."""
    token_id: int | None = None
    """None for a browser that has logged in."""
    expires_at: datetime | None = None
    """When the token ends; None: never."""
    from_device: bool = False
    """Whether a device login keeps the token fresh."""

    @property
    def name(self) -> str:
        return self.account.name

    @property
    def may_write(self) -> bool:
        """Whether the token lets the account do all that it may."""
        return self.role == "write"

    def role_in(self, organization_id: int) -> MemberRole | None:
        """What the account is in an organization, or None where it is no member."""
        for membership in self.memberships:
            if membership.organization.id == organization_id:
                return membership.role
        return None


@dataclass(frozen=True)
class Repository:
    """A repository as lists and pages show it; the figures are those of its `main` branch."""

    id: int
    kind: Kind
    owner: str
    name: str
    folder: str
    private: bool
    created_at: datetime
    updated_at: datetime
    head: str | None
    """The newest commit of `main`."""
    downloads: int
    tags: tuple[str, ...] = ()
    """All it can be filtered by: task, library, `language:en`, `dataset:x`, `license:mit`."""
    task: str | None = None
    library: str | None = None
    license: str | None = None
    languages: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    weights: dict[str, int] = field(default_factory=dict)
    """Numbers in the safetensors files, by type: `{"F32": 22713216}`."""
    size: int = 0
    """Bytes of all files at `head`, LFS objects included."""
    card: dict[str, Any] = field(default_factory=dict)
    """The YAML of README.md."""
    owner_id: int = 0
    creator_id: int | None = None
    gated: Gate | None = None
    """Whether its files go only to those who asked for them, and how they are let in."""
    likes: int = 0
    trending_score: int = 0
    """How much it was liked and fetched of late."""

    @property
    def full_name(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def parameters(self) -> int | None:
        """How many numbers the safetensors files hold; None where there are no such files."""
        return sum(self.weights.values()) or None

    @property
    def path(self) -> str:
        """The page's address below the Hub's: `/me/model`, `/datasets/me/data`."""
        return f"/{self.kind.prefix}{self.full_name}"


@dataclass(frozen=True)
class Commit:
    """One commit, without its files."""

    id: str
    title: str
    message: str
    """What follows the title; may be empty."""
    authors: tuple[str, ...]
    date: datetime


@dataclass(frozen=True)
class Lfs:
    """The large object that a pointer in git stands for."""

    sha256: str
    size: int
    pointer_size: int


@dataclass(frozen=True)
class Entry:
    """A file or folder at one revision. `size` is the file's own, whatever keeps its bytes."""

    path: str
    type: Literal["file", "directory"]
    oid: str
    """The git object: a blob (of the pointer, for large files) or a tree."""
    size: int
    lfs: Lfs | None = None
    last_commit: Commit | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def is_file(self) -> bool:
        return self.type == "file"


@dataclass(frozen=True)
class Ref:
    """A branch or tag: `name` is short (`main`), `ref` is full (`refs/heads/main`)."""

    name: str
    ref: str
    commit_id: str


@dataclass(frozen=True)
class Refs:
    """All branches and tags of a repository, by name."""

    branches: tuple[Ref, ...]
    tags: tuple[Ref, ...]
    converts: tuple[Ref, ...] = ()
    """What programs made of branches: `refs/convert/parquet`."""
    pull_requests: tuple[Ref, ...] = ()
    """By number, which is the name."""


@dataclass(frozen=True)
class Card:
    """README.md taken apart. `error` says why its YAML could not be read, where that happened."""

    metadata: dict[str, Any]
    body: str
    error: str | None = None


Sort = Literal["updated", "created", "downloads", "likes", "trending", "name", "parameters", "size"]


@dataclass(frozen=True)
class Query:
    """What to list. Every value in `tags` must be among a repository's tags."""

    kind: Kind
    words: str = ""
    author: str | None = None
    tags: tuple[str, ...] = ()
    min_parameters: int | None = None
    max_parameters: int | None = None
    sort: Sort = "updated"
    descending: bool = True
    limit: int = 30
    cursor: str | None = None
    gated: bool | None = None
    """Only gated repositories, or only others; None: both."""
    brief: bool = False
    """Whether the cards and the counts of weights may be left out: they can be long."""


@dataclass(frozen=True)
class Page(Generic[Item]):
    """Part of a list: `next_cursor` continues it, and is None at its end."""

    repositories: tuple[Item, ...]
    """As records, or what else was made of them."""
    total: int | None
    """How many match in all; None: more than are counted."""
    next_cursor: str | None


@dataclass(frozen=True)
class FacetValue:
    """One value that a list can be narrowed by: `tag` goes into `Query.tags`."""

    tag: str
    label: str
    count: int
