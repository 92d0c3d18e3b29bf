"""Which kind of storage an address means."""

from pathlib import Path

from graft.server.storage.blobs import INCOMING, Blobs
from graft.server.storage.local import LocalBlobs


def open_blobs(url: str, folder: Path) -> Blobs:
    """The bytes at an obstore address (`s3://bucket/prefix`); empty: files in `folder`.

    Raises:
        HubError: an address that obstore does not understand.
    """
    if not url:
        return LocalBlobs(folder)
    from graft.server.storage.remote import RemoteBlobs  # who keeps files needs no obstore

    return RemoteBlobs(url, folder / INCOMING)
