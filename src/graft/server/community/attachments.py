"""Pictures, sounds and films that go with what people say: kept once each, under their hash."""

import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from graft.server.errors import BadContentError, NotFoundError
from graft.server.hub import Hub
from graft.server.people import access
from graft.server.people.scopes import DISCUSS
from graft.server.records import User
from graft.server.storage.lengths import at_most

FOLDER = "attachments"
"""Where they lie in the store of large files' bytes."""

MAX_BYTES = 10 * 1024**2
MAX_FILM_BYTES = 50 * 1024**2
START_BYTES = 16
"""How much of a file shows what it is."""


@dataclass(frozen=True)
class Form:
    """A form of files: the ending of its name, and how its bytes begin."""

    ending: str
    beginning: re.Pattern[bytes]
    most: int = MAX_BYTES


FORMS: dict[str, Form] = {
    "image/png": Form("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    "image/jpeg": Form("jpg", re.compile(rb"\xff\xd8\xff")),
    "image/gif": Form("gif", re.compile(rb"GIF8[79]a")),
    "image/webp": Form("webp", re.compile(rb"RIFF.{4}WEBP", re.DOTALL)),
    "video/mp4": Form("mp4", re.compile(rb".{4}ftyp", re.DOTALL), MAX_FILM_BYTES),
    "video/quicktime": Form(
        "mov", re.compile(rb".{4}(ftyp|moov|mdat|wide|free)", re.DOTALL), MAX_FILM_BYTES
    ),
    "video/webm": Form("webm", re.compile(rb"\x1a\x45\xdf\xa3"), MAX_FILM_BYTES),
    "audio/mpeg": Form("mp3", re.compile(rb"ID3|\xff[\xe0-\xff]")),
    "audio/wav": Form("wav", re.compile(rb"RIFF.{4}WAVE", re.DOTALL)),
}
_TYPES = {form.ending: content_type for content_type, form in FORMS.items()}
_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{3,4}")


async def keep(hub: Hub, user: User | None, content_type: str, chunks: AsyncIterator[bytes]) -> str:
    """Keeps a file, and answers the name that it is found under.

    Raises:
        NotLoggedInError, NotAllowedError: nobody is asking, or a token that may not discuss.
        BadContentError: a form that is not kept, or bytes of another one.
        TooLargeError: over the limit of its form.
    """
    access.check_permission(user, DISCUSS)
    form = FORMS.get(content_type.partition(";")[0].strip().lower())
    if form is None:
        raise BadContentError(
            f"Files of the type {content_type[:60]!r} cannot be attached; these can: "
            f"{', '.join(FORMS)}."
        )
    digest, start = hashlib.sha256(), b""
    with hub.content.blobs.spool() as spool:
        async for chunk in at_most(chunks, form.most, "file"):
            start += chunk[: START_BYTES - len(start)]
            digest.update(chunk)
            await run_in_threadpool(spool.write, [chunk])
        if not form.beginning.match(start):
            raise BadContentError(f"The file is not what it is said to be: {content_type}.")
        name = f"{digest.hexdigest()}.{form.ending}"
        await run_in_threadpool(hub.content.blobs.keep, _key(name), spool, replace=False)
    return name


def find(hub: Hub, name: str) -> tuple[str, int]:
    """The type and size of what was kept under a name.

    Raises:
        NotFoundError: nothing was.
    """
    ending = name.rpartition(".")[2]
    size = None
    if _NAME.fullmatch(name) and ending in _TYPES:
        size = hub.content.blobs.size_of(_key(name))
    if size is None:
        raise NotFoundError(f"There is no attachment {name!r}.")
    return _TYPES[ending], size


def stream(hub: Hub, name: str, size: int) -> AsyncIterator[bytes]:
    """The bytes of what `find` found."""
    return hub.content.blobs.stream(_key(name), 0, size)


def _key(name: str) -> str:
    return f"{FOLDER}/{name[:2]}/{name}"
