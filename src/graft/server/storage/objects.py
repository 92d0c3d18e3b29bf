"""Large objects, each stored once under the SHA-256 of its bytes, over any obstore backend."""

import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Backend

from graft.errors import HubError
from graft.server.errors import BadContentError
from graft.server.storage.full import is_full, storage_full

CHUNK_BYTES = 1024 * 1024


class ObjectStore:
    """A content-addressed store. An object is visible only once it is whole and checked."""

    def __init__(self, url: str, folder: Path) -> None:
        """`url` is an obstore address (`s3://bucket/prefix`); empty: local files in `folder`.

        Raises:
            HubError: an address that obstore does not understand.
        """
        self._backend: Backend
        if url:
            try:
                self._backend = from_url(url)
            except (ValueError, obstore.exceptions.BaseError) as error:
                raise HubError(f"The storage address {url!r} cannot be used: {error}") from error
        else:
            self._backend = LocalStore(folder.absolute(), mkdir=True)

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
            if is_full(error):
                raise storage_full() from error
            raise
        return key

    def publish(self, key: str, sha256: str) -> None:
        """Gives a received object its place, in one step."""
        obstore.rename(self._backend, key, _key(sha256))

    def discard(self, key: str) -> None:
        """Forgets a received object that was not published."""
        obstore.delete(self._backend, key)

    def delete(self, sha256: str) -> None:
        """Removes an object that nothing refers to any more."""
        obstore.delete(self._backend, _key(sha256))

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


def _key(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"
