"""Names of rows in addresses and answers: their numbers would tell how many there are."""

import re
import secrets

_KEY = re.compile(r"[0-9a-f]{24}")


def new_key() -> str:
    """24 random hexadecimal digits: the form that clients know from other hubs."""
    return secrets.token_hex(12)


def is_key(text: str) -> bool:
    """Whether `text` has the form of a key; the Hub need not know it."""
    return _KEY.fullmatch(text) is not None
