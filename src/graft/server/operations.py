"""The lines of a commit as clients send it: a header, then one operation a line."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from graft.errors import CardError
from graft.hub.header import parse_card
from graft.server import links
from graft.server.errors import BadRequestError
from graft.server.git.build import CommitBuilder
from graft.server.git.pointers import parse_pointer
from graft.server.hub import Hub
from graft.server.names import CARD_FILE
from graft.server.records import User

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

    message: str
    parent: str | None


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
    if not isinstance(summary, str) or not summary.strip():
        raise first.bad("has no `summary`: give the commit a message")
    if parent is not None and not isinstance(parent, str):
        raise first.bad("has a `parentCommit` that is not text")
    message = summary.strip()
    if isinstance(description, str) and description.strip():
        message += f"\n\n{description.strip()}"
    return Header(message[:MAX_MESSAGE_CHARACTERS].replace("\0", ""), parent)


class Draft:
    """The operations of one commit, applied one after the other."""

    def __init__(self, hub: Hub, user: User, builder: CommitBuilder) -> None:
        self._hub = hub
        self._user = user
        self._builder = builder
        self.objects: set[str] = set()
        """The large objects that the commit needs."""

    def apply(self, operation: Operation) -> None:
        """
        Raises:
            BadRequestError: an operation that cannot be understood or done.
            EntryNotFoundError: a file or folder to delete that is not there.
        """
        path = operation.value.get("path")
        if not isinstance(path, str):
            raise operation.bad("has no `path`")
        if operation.key == "file":
            content = self._content(operation)
            pointer = parse_pointer(content)
            if pointer is None:
                self._builder.add_file(path, content)
            else:  # what it points to must be there, and be the user's to use
                self._add_large(operation, path, pointer.sha256, pointer.size)
        elif operation.key == "lfsFile":
            sha256, size = operation.value.get("oid"), operation.value.get("size")
            if operation.value.get("algo", "sha256") != "sha256" or not isinstance(sha256, str):
                raise operation.bad("needs `algo` sha256 and the hash as `oid`")
            self._add_large(operation, path, sha256, size)
        elif operation.key == "deletedFile":
            self._builder.delete_file(path)
        elif operation.key == "deletedFolder":
            self._builder.delete_folder(path)
        else:
            raise operation.bad("is not one of file, lfsFile, deletedFile and deletedFolder")

    def check_card(self) -> None:
        """
        Raises:
            BadRequestError: README.md is new and its YAML cannot be read; names the line.
        """
        if CARD_FILE not in self._builder.changed:
            return
        try:
            parse_card(self._builder.read(CARD_FILE) or b"", CARD_FILE)
        except CardError as error:
            raise BadRequestError(f"{error} Nothing was committed.") from error

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
        most = self._hub.settings.max_inline_bytes
        if len(data) > most:
            raise operation.bad(
                f"has {len(data)} bytes, more than the {most} that may lie in git: "
                "upload it as a large file"
            )
        return data

    def _add_large(self, operation: Operation, path: str, sha256: str, announced: Any) -> None:
        with self._hub.database.reading() as session:
            size = links.size_for(session, self._user, sha256)
        if size is None:
            raise operation.bad(f"names the object {sha256}, which was not uploaded: do so first")
        if announced is not None and announced != size:
            raise operation.bad(f"announces {announced} bytes; the uploaded object has {size}")
        self._builder.add_large_file(path, sha256, size)
        self.objects.add(sha256)
