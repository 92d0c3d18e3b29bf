"""What `git push` says and hears: packet lines, commands, and the report (gitprotocol-pack)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from graft.server.errors import BadRequestError

NO_OBJECT = "0" * 40
CAPABILITIES = (
    "report-status delete-refs side-band-64k quiet atomic ofs-delta object-format=sha1 agent=graft"
)
FLUSH = b"0000"
KEEP_ALIVE = b"0005\x01"
"""An empty part of the report: tells that the answer is still to come."""

MAX_COMMANDS = 10_000
_MAX_PACKET = 65520
_BAND_BYTES = _MAX_PACKET - 5
_REPORT, _MESSAGES = 1, 2


@dataclass(frozen=True)
class Command:
    """What a push wants of one ref: `old` and `new` are object ids, None for no such ref."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class PushRequest:
    """What stands before the pack."""

    commands: tuple[Command, ...]
    capabilities: frozenset[str]
    is_shallow: bool = False
    """Whether the client itself does not have the whole history."""

    @property
    def is_atomic(self) -> bool:
        """Whether all refs are to move or none."""
        return "atomic" in self.capabilities

    @property
    def has_bands(self) -> bool:
        """Whether messages for people can go beside the report."""
        return "side-band-64k" in self.capabilities


def packet(data: bytes) -> bytes:
    """One packet line."""
    return b"%04x%s" % (len(data) + 4, data)


def read_push(body: IO[bytes]) -> PushRequest:
    """Reads the commands, and leaves `body` where the pack begins.

    Raises:
        BadRequestError: no push that can be understood.
    """
    commands: list[Command] = []
    capabilities: frozenset[str] = frozenset()
    is_shallow = False
    for number, line in enumerate(_packets(body)):
        words, _, features = line.rstrip(b"\n").partition(b"\0")
        if number == 0 or features:
            capabilities |= frozenset(features.decode("ascii", "replace").split())
        if words.startswith(b"shallow "):  # the edge: what is missing behind it is found later
            is_shallow = True
            continue
        if len(commands) == MAX_COMMANDS:
            raise BadRequestError(f"The push changes more than {MAX_COMMANDS} refs: push fewer.")
        commands.append(_command(words))
    if len({command.ref for command in commands}) < len(commands):
        raise BadRequestError("The push changes a ref twice: name each ref once.")
    return PushRequest(tuple(commands), capabilities, is_shallow)


def _command(line: bytes) -> Command:
    try:
        old, new, ref = line.decode("utf-8").split(" ", 2)
        for oid in (old, new):
            if len(oid) != 40 or not set(oid) <= set("0123456789abcdef"):
                raise ValueError(oid)
    except ValueError:
        raise BadRequestError(
            f"The push has a command that cannot be read ({line[:100]!r}): refs have names in "
            "UTF-8, and objects have SHA-1 ids."
        ) from None
    return Command(ref, None if old == NO_OBJECT else old, None if new == NO_OBJECT else new)


def _packets(body: IO[bytes]) -> Iterator[bytes]:
    """The packet lines up to the next flush."""
    while True:
        head = body.read(4)
        if head in (FLUSH, b""):
            return
        try:
            length = int(head, 16)
        except ValueError:
            length = 0
        if not 4 <= length <= _MAX_PACKET:
            raise BadRequestError(f"The push cannot be read: {head!r} is not a packet's length.")
        data = body.read(length - 4)
        if len(data) != length - 4:
            raise BadRequestError("The push cannot be read: it ends in the middle of a packet.")
        yield data


def advertise(refs: Iterable[tuple[str, str]]) -> bytes:
    """What a client that is about to push is told: (ref, object id) of each ref, and what the
    Hub understands."""
    lines = [f"{oid} {ref}" for ref, oid in refs] or [f"{NO_OBJECT} capabilities^{{}}"]
    lines[0] += f"\0{CAPABILITIES}"
    body = b"".join(packet(f"{line}\n".encode()) for line in lines)
    return packet(b"# service=git-receive-pack\n") + FLUSH + body + FLUSH


def report(
    request: PushRequest, results: dict[str, str | None], messages: Iterable[str], unpacked: str
) -> bytes:
    """The answer to a push.

    Args:
        results: for each ref, why it was refused; None: it was changed.
        messages: lines for people, which git shows as `remote: ...`.
        unpacked: `ok`, or what was wrong with the pack.
    """
    lines = [f"unpack {_line(unpacked)}"]
    for ref, refusal in results.items():
        lines.append(f"ok {ref}" if refusal is None else f"ng {ref} {_line(refusal)}")
    status = b"".join(packet(f"{line}\n".encode()) for line in lines) + FLUSH
    if "report-status" not in request.capabilities:
        status = b""
    if not request.has_bands:
        return status
    text = "".join(f"{_line(message)}\n" for message in messages).encode()
    return _band(_MESSAGES, text) + _band(_REPORT, status) + FLUSH


def _line(text: str) -> str:
    """One line that every terminal can show: no control characters, and not too long."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text.split()))
    return shown.encode("utf-8", "replace").decode()[:1000]


def _band(band: int, data: bytes) -> bytes:
    parts = [data[at : at + _BAND_BYTES] for at in range(0, len(data), _BAND_BYTES)]
    return b"".join(packet(bytes([band]) + part) for part in parts)
