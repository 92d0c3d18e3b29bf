"""Addresses that carry their own permission: clients send no token with the bytes of a file."""

import hashlib
import hmac
import secrets
import time
from urllib.parse import urlencode

from graft.server.db.database import Database
from graft.server.db.tables import SecretRow
from graft.server.errors import NotAllowedError

UPLOAD_SECONDS = 24 * 3600
"""How long an address takes what is sent to it: the last of many long files has to find it."""
READ_SECONDS = 3600
"""How long an address gives out what it is for. Nobody asks who brings it, so that it also serves
those whose access was withdrawn meanwhile; clients ask for another."""
_KEY_NAME = "signing"


class Signer:
    """Signs what an address permits, and checks that nobody changed it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, *permission: str | int, seconds: int) -> str:
        """A query string that proves the permission for so long."""
        expires = int(time.time()) + seconds
        return urlencode({"expires": expires, "signature": self._digest(expires, permission)})

    def check(self, expires: int, signature: str, *permission: str | int) -> None:
        """
        Raises:
            NotAllowedError: the signature is of something else, or too old.
        """
        if not hmac.compare_digest(signature.encode(), self._digest(expires, permission).encode()):
            raise NotAllowedError("The signature in this address is not this Hub's.")
        if expires < time.time():
            raise NotAllowedError("This address has expired; ask for the transfer again.")

    def digest(self, purpose: str, text: str) -> str:
        """What proves, in hexadecimal, that this Hub wrote the text for that purpose."""
        return hmac.new(self.key_for(purpose), text.encode(), hashlib.sha256).hexdigest()

    def key_for(self, purpose: str) -> bytes:
        """A key of 32 bytes, which tells nothing of the one for addresses."""
        return hmac.new(self._key, f"key for {purpose}".encode(), hashlib.sha256).digest()

    def _digest(self, expires: int, permission: tuple[str | int, ...]) -> str:
        text = "\n".join(str(part) for part in (expires, *permission))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def shared_key(database: Database) -> bytes:
    """The key that all processes of this Hub sign with; made at the first start."""
    with database.writing() as session:
        database.lock(session, "signing key")  # processes may start at the same time
        row = session.get(SecretRow, _KEY_NAME)
        if row is None:
            row = SecretRow(name=_KEY_NAME, value=secrets.token_bytes(32))
            session.add(row)
        return row.value
