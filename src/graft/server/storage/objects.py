"""Large objects, each stored once under the SHA-256 of its bytes, over any obstore backend."""

import hashlib
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

import obstore
from obstore.store import LocalStore, ObjectStore as Backend, from_url

from graft.errors import HubError
from graft.server.errors import BadContentError, StorageFullError

CHUNK_BYTES = 1024 * 1024


class ObjectStore:
    """A content-addressed store. An object is visible only once it is whole and checked."""

    def __init__(self, url: str, folder: Path) -> None:
        """`url` is an obstore address (`s3://bucket/prefix`); empty: local files in `folder`.

        Raises:
            HubError: an address that obstore does not understand.
        """
        self._folder: Path | None = None
        self._backend: Backend
        if url:
            try:
                self._backend = from_url(url)
            except (ValueError, obstore.exceptions.BaseError) as error:
                raise HubError(f"The storage address {url!r} cannot be used: {error}") from error
        else:
            self._folder = folder.absolute()
            self._backend = LocalStore(self._folder, mkdir=True)

    async def receive(self, chunks: AsyncIterator[bytes], sha256: str, size: int) -> str:
        """Takes in an object's bytes and checks them; answers the key of the unpublished object.

        Raises:
            BadContentError: another size or hash than announced; nothing is kept.
            StorageFullError: no space left; nothing is kept.
        """
        key = f"incoming/{secrets.token_hex(16)}"
        try:
            # A failing iterator makes obstore abort the upload, so that bad bytes never get a name.
            await obstore.put_async(self._backend, key, _checked(chunks, sha256, size))
        except (OSError, obstore.exceptions.BaseError) as error:
            raise_if_full(error)
            raise
        return key

    def publish(self, key: str, sha256: str) -> None:
        """Gives a received object its place, in one step."""
        try:
            obstore.rename(self._backend, key, _key(sha256))
        except (OSError, obstore.exceptions.BaseError) as error:
            raise_if_full(error)
            raise

    def discard(self, key: str) -> None:
        """Forgets a received object that was not published."""
        obstore.delete(self._backend, key)

    def delete(self, sha256: str) -> None:
        """Removes an object that nothing refers to any more."""
        obstore.delete(self._backend, _key(sha256))

    def size(self, sha256: str) -> int | None:
        """The object's size in bytes, or None where there is no such object."""
        try:
            return obstore.head(self._backend, _key(sha256))["size"]
        except FileNotFoundError:
            return None

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> bytes:
        """`length` bytes from `start` on; all that follow where it is None."""
        if length == 0:
            return b""
        if length is not None:
            return bytes(obstore.get_range(self._backend, _key(sha256), start=start, length=length))
        options: obstore.GetOptions = {"range": {"offset": start}} if start else {}
        return bytes(obstore.get(self._backend, _key(sha256), options=options).bytes())

    async def stream(self, sha256: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The object's bytes from `start` up to, not including, `end`."""
        if start >= end:
            return
        found = await obstore.get_async(
            self._backend, _key(sha256), options={"range": (start, end)}
        )
        async for chunk in found.stream(min_chunk_size=CHUNK_BYTES):
            yield bytes(chunk)

    def write_to(self, sha256: str, path: Path) -> None:
        """Puts the object's bytes at `path`: a hard link where the store is on the same disk."""
        if self._folder is not None:
            source = self._folder / _key(sha256)
            try:
                path.hardlink_to(source)
            except OSError:  # another disk, or one without hard links
                shutil.copyfile(source, path)
            return
        with path.open("wb") as file:
            self._copy(sha256, file)

    def _copy(self, sha256: str, file: IO[bytes]) -> None:
        for chunk in obstore.get(self._backend, _key(sha256)).stream(min_chunk_size=CHUNK_BYTES):
            file.write(chunk)


async def _checked(chunks: AsyncIterator[bytes], sha256: str, size: int) -> AsyncIterator[bytes]:
    digest = hashlib.sha256()
    received = 0
    async for chunk in chunks:
        received += len(chunk)
        if received > size:
            raise BadContentError(
                f"The upload of object {sha256} is longer than the {size} bytes that were "
                "announced. Nothing was stored; send the file again."
            )
        digest.update(chunk)
        yield chunk
    if received != size:
        raise BadContentError(
            f"The upload of object {sha256} has {received} bytes, but {size} were announced. "
            "Nothing was stored; send the file again."
        )
    if digest.hexdigest() != sha256:
        raise BadContentError(
            f"The uploaded bytes have the SHA-256 {digest.hexdigest()}, but {sha256} was "
            "announced. Nothing was stored; send the file again."
        )


def raise_if_full(error: BaseException) -> None:
    """Raises StorageFullError where `error` came from a full disk (or quota); else does nothing."""
    text = str(error).lower()
    if "no space left" in text or "os error 28" in text or "disk is full" in text or (
        "disk quota exceeded" in text
    ):
        raise StorageFullError(
            "The Hub has no space left for this; nothing of it was stored. "
            "Ask whoever runs the Hub to free some space, then try again."
        ) from error


def _key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"
