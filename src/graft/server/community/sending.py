"""Sending a message to an address that somebody gave, and not into the Hub's own network.

A name is looked up here, and the connection goes to the very address that was found good: a name
whose answer changes between the look and the connection gains nothing. Redirects are not followed,
proxies of the environment not used, and little of the answer is read.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import httpx2

TIMEOUT_SECONDS = 15.0
"""For all of it: looking up the name, connecting, sending, and the beginning of the answer."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# What stands for an IPv4 address that a gateway would pass the connection on to (RFC 6052).
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
# What Python takes for public, and no route of the internet leads to: IANA's own assignments, where
# one cloud keeps the secrets of its machines, examples, and sites of before 2004.
_NEVER_PUBLIC = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "3fff::/20", "fec0::/10")))


@dataclass(frozen=True)
class Message:
    """What is sent: `body` is JSON; `key` is the same at each try."""

    key: str
    url: str
    secret: str | None
    body: bytes


@dataclass(frozen=True)
class Outcome:
    """What came of a try: the answer's status, or why there was none."""

    status: int | None
    error: str

    @property
    def is_delivered(self) -> bool:
        """Whether the other side took the message."""
        return self.status is not None and 200 <= self.status < 300


def is_public(address: Address) -> bool:
    """Whether an address is of the public internet, and what it may stand for is too."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address.teredo is not None:
            inner = address.teredo[1]
        if inner is None and address in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None and not is_public(inner):
            return False
    if any(address in network for network in _NEVER_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def sign(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256`: HMAC-SHA256 of the body under the secret."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def send(client: httpx2.AsyncClient, message: Message, *, private: bool) -> Outcome:
    """Tries once. `private` allows addresses that are no public ones."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _send(client, message, private)
    except TimeoutError:
        return Outcome(None, f"It did not answer within {TIMEOUT_SECONDS:.0f} seconds.")
    except httpx2.HTTPError as error:
        return Outcome(None, f"It could not be reached: {_words(error)}")
    except (OSError, UnicodeError, httpx2.InvalidURL) as error:
        return Outcome(None, f"Its address could not be found: {_words(error)}")


async def _send(client: httpx2.AsyncClient, message: Message, private: bool) -> Outcome:
    parts = urlsplit(message.url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = await _look_up(host, port)
    if not private and not all(is_public(address) for address in addresses):
        return Outcome(None, f"{host} lies inside the Hub's own network, where it may not send.")
    address = addresses[0]
    target = f"[{address}]" if isinstance(address, ipaddress.IPv6Address) else str(address)
    url = urlunsplit((parts.scheme, f"{target}:{port}", parts.path or "/", parts.query, ""))
    request = client.build_request(
        "POST",
        url,
        content=message.body,
        headers=_headers(message, parts.netloc),
        extensions={"sni_hostname": host},
    )
    answer = await client.send(request, stream=True, follow_redirects=False)
    try:
        return _outcome(answer.status_code)
    finally:
        await answer.aclose()


async def _look_up(host: str, port: int) -> list[Address]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


def _headers(message: Message, netloc: str) -> dict[str, str]:
    headers = {
        "Host": netloc,
        "Content-Type": "application/json",
        "User-Agent": "graft-hub",
        "X-Webhook-Delivery": message.key,
    }
    if message.secret:
        headers["X-Webhook-Secret"] = message.secret
        headers["X-Hub-Signature-256"] = sign(message.secret, message.body)
    return headers


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status, "")
    if 300 <= status < 400:
        return Outcome(status, f"It answered {status}: redirects are not followed.")
    return Outcome(status, f"It answered {status}.")


def _words(error: Exception) -> str:
    return str(error)[:300] or type(error).__name__
