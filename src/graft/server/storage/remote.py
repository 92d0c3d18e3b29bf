"""Bytes under names as objects of a bucket: S3, and what else obstore has."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import BoundedSemaphore
from typing import IO, Any

import obstore
from obstore.store import S3Store, from_url

from graft.errors import HubError
from graft.server.errors import StorageError
from graft.server.storage.blobs import (
    Blob,
    BlobNotFoundError,
    Blobs,
    Method,
    Spool,
    too_short,
)
from graft.server.storage.full import is_full, storage_full

# A server that hangs is given up after so long, and asked again where it answers with an error.
REQUEST_SECONDS = 60
CONNECT_SECONDS = 10
RETRIES = 4
RETRY_SECONDS = 60

# S3 takes objects longer than this in parts, several at a time.
PART_BYTES = 16 * 1024**2
PARTS_AT_ONCE = 2
FILES_AT_ONCE = 3


class RemoteBlobs(Blobs):
    """Objects of a bucket. What is being written lies in a local folder until it is whole."""

    def __init__(self, url: str, incoming: Path) -> None:
        super().__init__(incoming)
        options: dict[str, Any] = {
            "client_options": {
                "timeout": timedelta(seconds=REQUEST_SECONDS),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "allow_http": True,
            },
            "retry_config": {
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            },
        }
        self._turns = BoundedSemaphore(FILES_AT_ONCE)
        try:
            self._store = from_url(url, **options)
        except (ValueError, obstore.exceptions.BaseError) as error:
            raise HubError(
                f"The storage address {url!r} cannot be used: {_first_line(error)}. "
                "Set GRAFT_STORAGE_URL to s3://bucket/prefix."
            ) from error

    def keep(self, name: str, spool: Spool, *, replace: bool = True) -> bool:
        try:
            # Few at once: an xorb that goes out in one piece is in memory as long as that takes.
            with self._turns, _explained(name), spool.path.open("rb") as file:
                self._put(name, file, spool.path.stat().st_size, replace)
        except _ExistsError:
            return False
        except BlobNotFoundError as error:  # nothing else can be missing where one writes
            raise _no_bucket() from error
        return True

    def _put(self, name: str, file: IO[bytes], size: int, replace: bool) -> None:
        if replace and size > PART_BYTES:
            obstore.put(
                self._store,
                name,
                file,
                use_multipart=True,
                chunk_size=PART_BYTES,
                max_concurrency=PARTS_AT_ONCE,
            )
        elif replace:
            obstore.put(self._store, name, file.read(), use_multipart=False)
        else:  # only an upload in one piece can have conditions
            obstore.put(self._store, name, file.read(), use_multipart=False, mode="create")

    def read(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        if length == 0:
            return b""
        with _explained(name):
            if length is None:
                options: obstore.GetOptions = {"range": {"offset": start}} if start else {}
                return bytes(obstore.get(self._store, name, options=options).bytes())
            found = bytes(obstore.get_range(self._store, name, start=start, length=length))
        if len(found) != length:
            raise too_short(name)
        return found

    def read_end(self, name: str, length: int) -> bytes:
        with _explained(name):
            options: obstore.GetOptions = {"range": {"suffix": length}}
            return bytes(obstore.get(self._store, name, options=options).bytes())

    def size_of(self, name: str) -> int | None:
        try:
            with _explained(name):
                return obstore.head(self._store, name)["size"]
        except BlobNotFoundError:
            return None

    def remove(self, name: str) -> None:
        with suppress(BlobNotFoundError), _explained(name):
            obstore.delete(self._store, name)

    def entries(self, prefix: str) -> Iterator[Blob]:
        with _explained(prefix):
            for page in obstore.list(self._store, prefix):
                for found in page:
                    yield Blob(found["path"], found["size"], found["last_modified"])

    def address(self, name: str, method: Method, seconds: int) -> str | None:
        if not isinstance(self._store, S3Store):
            return None
        with _explained(name):
            return obstore.sign(self._store, method, name, timedelta(seconds=seconds))


class _ExistsError(Exception):
    """The name is taken."""


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Errors of obstore as ours: it knows kinds of them only by the words in some."""
    try:
        yield
    except obstore.exceptions.AlreadyExistsError:
        raise _ExistsError from None
    except FileNotFoundError:
        raise BlobNotFoundError(f"The storage has no {name}.") from None
    except (OSError, obstore.exceptions.BaseError) as error:
        if is_full(error):
            raise storage_full() from error
        if "NoSuchBucket" in str(error):
            raise _no_bucket() from error
        raise StorageError(
            f"The Hub's storage does not answer as it should ({_first_line(error)}). "
            "Nothing was changed; try again later."
        ) from error


def _no_bucket() -> StorageError:
    return StorageError(
        "The Hub's storage has no such bucket as it is to write to. Nothing was kept; "
        "whoever runs the Hub has to make it, or to set GRAFT_STORAGE_URL right."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
