"""The lines of a commit as clients send it: a header, then one operation a line."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pygit2

from graft.server.content import links, uploads
from graft.server.errors import BadRequestError
from graft.server.git.build import CommitBuilder, write_file
from graft.server.git.pointers import format_pointer, parse_pointer
from graft.server.git.writing import ObjectWriter
from graft.server.hub import Hub
from graft.server.names import CARD_FILE, check_file_path
from graft.server.records import Lfs, Repository, User
from graft.server.scan.secrets import Secret, find_secrets, warning
from graft.server.search.card_rules import check_card

MAX_MESSAGE_CHARACTERS = 100_000


@dataclass(frozen=True)
class Operation:
    """One line: its number, what it is, and its fields."""

    number: int
    key: str
    value: dict[str, Any]

    def bad(self, what: str) -> BadRequestError:
        """The error that names this line."""
        path = self.value.get("path")
        place = f" ({self.key} {path!r})" if isinstance(path, str) else f" ({self.key!r})"
        return BadRequestError(
            f"Line {self.number}{place} of the commit {what}. Nothing was committed."
        )


def parse(lines: Iterable[bytes]) -> Iterator[Operation]:
    """The operations in lines of JSON; empty lines are left out.

    Raises:
        BadRequestError: a line that is not an operation.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            text = line.decode("utf-8")
            item = json.loads(text)
            if "\\ud" in text or "\\uD" in text:
                json.dumps(item, ensure_ascii=False).encode()  # fails at half of a surrogate pair
        except (ValueError, RecursionError) as error:
            raise BadRequestError(
                f"Line {number} of the commit is not JSON ({error}). Nothing was committed."
            ) from None
        key = item.get("key") if isinstance(item, dict) else None
        value = item.get("value") if isinstance(item, dict) else None
        if not isinstance(key, str) or not isinstance(value, dict):
            raise BadRequestError(
                f'Line {number} of the commit must be {{"key": ..., "value": {{...}}}}. '
                "Nothing was committed."
            )
        yield Operation(number, key, value)


@dataclass(frozen=True)
class Header:
    """What the first line says: the commit's message, and the commit it is made on top of."""

    summary: str
    description: str
    parent: str | None

    @property
    def message(self) -> str:
        """The commit's message: the summary, an empty line, the description."""
        message = f"{self.summary}\n\n{self.description}" if self.description else self.summary
        return message[:MAX_MESSAGE_CHARACTERS]


def read_header(operations: Iterator[Operation]) -> Header:
    """Takes the header off the operations.

    Raises:
        BadRequestError: the first line is not one.
    """
    first = next(operations, None)
    if first is None:
        raise BadRequestError("The commit is empty: send a header and at least one operation.")
    if first.key != "header":
        raise first.bad("must be the header: it is the first")
    summary, description = first.value.get("summary"), first.value.get("description")
    parent = first.value.get("parentCommit")
    if not isinstance(summary, str) or not summary.replace("\0", "").strip():
        raise first.bad("has no `summary`: give the commit a message")
    if description is not None and not isinstance(description, str):
        raise first.bad("has a `description` that is not text")
    if parent is not None and not isinstance(parent, str):
        raise first.bad("has a `parentCommit` that is not text")
    return Header(
        summary.replace("\0", "").strip(), (description or "").replace("\0", "").strip(), parent
    )


@dataclass(frozen=True)
class Change:
    """An operation that was read and understood; `blob` is what a file's path is to hold."""

    operation: Operation
    path: str
    blob: pygit2.Oid | None = None
    large: bool = False


class Draft:
    """The operations of one commit: read first, as they come, and applied when their turn is."""

    def __init__(self, hub: Hub, repository: Repository, user: User, writer: ObjectWriter) -> None:
        self.hub = hub
        self.repository = repository
        self.user = user
        self.writer = writer
        self._changes: list[Change] = []
        self._large: list[tuple[Operation, str, str, Any]] = []
        self.objects: set[str] = set()
        """The large objects that the commit needs."""
        self.secrets: dict[str, list[Secret]] = {}
        """What looks like a secret in small files, by blob."""
        self._card_warnings: list[str] = []

    @property
    def warnings(self) -> str:
        """What whoever commits should know, in lines; empty where there is nothing."""
        lines = [f"Warning: {CARD_FILE}: {text}" for text in self._card_warnings]
        found = [secret for secrets in self.secrets.values() for secret in secrets]
        return "\n".join([*lines, *filter(None, [warning(found)])])

    def read(self, operations: Iterable[Operation]) -> None:
        """Takes in all operations, and writes the bytes of small files; looks at no branch.

        Raises:
            BadRequestError: an operation that cannot be understood; a large object that was not
                uploaded, or has another size.
        """
        for operation in operations:
            self._read(operation)
        self._check_large()

    def apply(self, builder: CommitBuilder) -> None:
        """Does what the operations say.

        Raises:
            BadRequestError: an operation that cannot be done; a README.md whose YAML cannot be
                read, or says something in another form than readers take it for.
            EntryNotFoundError: a file or folder to delete that is not there.
        """
        for change in self._changes:
            if change.blob is not None:
                builder.put(change.path, change.blob, large=change.large)
            elif change.operation.key == "deletedFile":
                builder.delete_file(change.path)
            else:
                builder.delete_folder(change.path)
        self._check_card(builder)

    def _check_card(self, builder: CommitBuilder) -> None:
        if CARD_FILE not in builder.changed:
            return
        report = check_card(self.repository.kind, builder.read(CARD_FILE) or b"")
        if report.errors:
            raise BadRequestError(f"{_listed(report.errors)} Nothing was committed.")
        self._card_warnings = report.warnings

    def _read(self, operation: Operation) -> None:
        path = operation.value.get("path")
        if not isinstance(path, str):
            raise operation.bad("has no `path`")
        if operation.key == "file":
            content = self._content(operation)
            self._add(operation, path, content, parse_pointer(content))
        elif operation.key == "lfsFile":
            sha256, size = operation.value.get("oid"), operation.value.get("size")
            if operation.value.get("algo", "sha256") != "sha256" or not isinstance(sha256, str):
                raise operation.bad("needs `algo` sha256 and the hash as `oid`")
            # A file copied within the Hub comes without its size: the object knows it.
            self._changes.append(Change(operation, check_file_path(path)))
            self._large.append((operation, path, sha256, size))
        elif operation.key in ("deletedFile", "deletedFolder"):
            self._changes.append(Change(operation, path))
        else:
            raise operation.bad("is not one of file, lfsFile, deletedFile and deletedFolder")

    def _add(self, operation: Operation, path: str, content: bytes, pointer: Lfs | None) -> None:
        check_file_path(path)
        if pointer is None:
            blob = write_file(self.writer, path, content)
            self._changes.append(Change(operation, path, blob))
            if secrets := find_secrets(path, content):
                self.secrets[str(blob)] = secrets
        else:  # what it points to must be there, and be the user's to use
            self._changes.append(Change(operation, path))
            self._large.append((operation, path, pointer.sha256, pointer.size))

    def _check_large(self) -> None:
        """Looks up all large objects at once, and writes pointers to them."""
        hashes = {sha256 for _, _, sha256, _ in self._large}
        with self.hub.database.reading() as session:
            sizes = links.sizes_for(session, self.user, hashes)
        if self.hub.settings.direct_transfer and len(sizes) < len(hashes):
            announced_sizes = {
                sha256: size
                for _, _, sha256, size in self._large
                if sha256 not in sizes and isinstance(size, int)
            }
            sizes |= uploads.take_in(
                self.hub, self.repository.id, self.user.account.id, announced_sizes
            )
        pointers: dict[int, pygit2.Oid] = {}
        for operation, path, sha256, announced in self._large:
            size = sizes.get(sha256)
            if size is None:
                raise operation.bad(
                    f"names the object {sha256}, which was not uploaded: do so first"
                )
            if announced is not None and announced != size:
                raise operation.bad(f"announces {announced} bytes; the uploaded object has {size}")
            pointers[operation.number] = write_file(self.writer, path, format_pointer(sha256, size))
        self._changes = [
            Change(change.operation, change.path, pointers[change.operation.number], large=True)
            if change.operation.number in pointers
            else change
            for change in self._changes
        ]
        self.objects = hashes

    def _content(self, operation: Operation) -> bytes:
        content = operation.value.get("content")
        encoding = operation.value.get("encoding", "utf-8")
        if not isinstance(content, str):
            raise operation.bad("has no `content`")
        if encoding == "base64":
            try:
                data = base64.b64decode(content, validate=True)
            except ValueError as error:  # not base64, or not even ASCII
                raise operation.bad(f"has content that is not base64 ({error})") from None
        elif encoding == "utf-8":
            data = content.encode()
        else:
            raise operation.bad(f"has the encoding {encoding!r}; use 'base64' or 'utf-8'")
        most = self.hub.settings.max_inline_bytes
        if len(data) > most:
            raise operation.bad(
                f"has {len(data)} bytes, more than the {most} that may lie in git: "
                "upload it as a large file"
            )
        return data


def _listed(errors: list[str]) -> str:
    if len(errors) == 1 and errors[0].startswith(CARD_FILE):
        return errors[0]
    return f"{CARD_FILE} says what it should not: {'; '.join(errors)}."
