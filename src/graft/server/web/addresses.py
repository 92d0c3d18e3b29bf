"""Which addresses stay on this Hub, in the eyes of a browser."""

from urllib.parse import urlsplit


def is_local(address: str) -> bool:
    """Whether a browser that follows `address` from one of our pages stays on this Hub.

    Browsers take backslashes for slashes, leave out tabs and line breaks, and take whatever begins
    with two or more slashes for the address of another host.
    """
    address = address.replace("\\", "/").strip()
    if address.startswith("//") or any(character < " " for character in address):
        return False
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return not parts.scheme and not parts.netloc
