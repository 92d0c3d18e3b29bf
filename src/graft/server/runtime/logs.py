"""What the Hub tells of its work: lines for people on a terminal, lines of JSON elsewhere.

Nothing that opens anything is written: tokens, signatures, passwords and cookies are taken out of
every line, tracebacks included.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

FORMATS = ("auto", "text", "json")
LEVELS = ("debug", "info", "warning", "error")

REQUEST_ID: ContextVar[str] = ContextVar("graft_request_id", default="")
"""The id of the request that this code works for; empty outside of requests."""

access = logging.getLogger("graft.access")

_SECRETS = (
    (re.compile(r"\bgraft_[0-9A-Za-z_-]{16,}"), "graft_***"),
    (re.compile(r"\bhf_[0-9A-Za-z]{16,}"), "hf_***"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w.+/=~-]{6,}"), r"\1\2***"),
    (re.compile(r"://([^/\s:@]*):[^/\s]*@"), r"://\1:***@"),
    (
        re.compile(
            r"(?i)\b((?:x-amz-)?(?:signature|credential|security-token)|access_?token|password|secret"
            r"|graft_session)(\"?\s*[=:]\s*\"?)[^\s&\"',;]+"
        ),
        r"\1\2***",
    ),
)

_MARKS = re.compile(r"[_=:\s]")
"""One of these is in whatever a pattern finds; most addresses have none."""
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def hide_secrets(text: str) -> str:
    """`text` without what would let its reader in somewhere."""
    if _MARKS.search(text) is None:
        return text
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, request, and its own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
        }
        request_id = REQUEST_ID.get()
        if request_id:
            line["request_id"] = request_id
        fields: dict[str, Any] = getattr(record, "fields", {})
        for name, value in fields.items():
            line[name] = hide_secrets(value) if isinstance(value, str) else value
        if record.exc_info:
            line["error"] = hide_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class TextFormatter(logging.Formatter):
    """A record as people read it on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%H:%M:%S", time.localtime(record.created))
        # An address may hold line ends, or what a terminal takes for commands.
        text = _CONTROLS.sub(_escaped, hide_secrets(record.getMessage()))
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        request_id = REQUEST_ID.get()
        place = f" [{request_id}]" if request_id and record.levelno > logging.INFO else ""
        lines = [f"{moment} {level}{text}{place}"]
        if record.exc_info:
            lines.append(hide_secrets(self.formatException(record.exc_info)))
        return "\n".join(lines)


@contextmanager
def written(kind: str, level: str, stream: TextIO | None = None) -> Iterator[None]:
    """Sends all that the Hub and its libraries tell inside the block to `stream` (standard error).

    Args:
        kind: one of `FORMATS`; "auto" is text on a terminal, JSON elsewhere.
        level: one of `LEVELS`; from which on records are written.
    """
    stream = stream or sys.stderr
    as_text = kind == "text" or (kind == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    # The Hub writes a line for each request itself: without the query, which may hold signatures.
    root, quiet = logging.getLogger(), logging.getLogger("uvicorn.access")
    loggers = [root, logging.getLogger("graft"), logging.getLogger("uvicorn")]
    before = [(logger, logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers[:] = [handler] if logger is root else []
        logger.propagate = True
        logger.setLevel(logging.WARNING if logger is root else level.upper())
    quiet.disabled = True
    try:
        yield
    finally:
        quiet.disabled = False
        for logger, handlers, propagate, known in before:
            logger.handlers[:] = handlers
            logger.propagate = propagate
            logger.setLevel(known)


def write_access(
    *,
    method: str,
    path: str,
    route: str,
    status: int,
    seconds: float,
    received: int,
    sent: int,
    user: str | None,
    address: str,
) -> None:
    """Writes the line of one request that was answered."""
    if not access.isEnabledFor(logging.INFO):
        return
    milliseconds = round(seconds * 1000, 1)
    fields = {
        "method": method,
        "path": path,
        "route": route,
        "status": status,
        "ms": milliseconds,
        "received_bytes": received,
        "sent_bytes": sent,
        "user": user,
        "address": address,
    }
    access.info(
        "%s %s %d %s ms %s",
        method,
        path,
        status,
        milliseconds,
        user or address,
        extra={"fields": fields},
    )
