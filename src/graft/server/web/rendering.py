"""Turning values into pages: the templates, their filters, and the headers every page carries."""

import hashlib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import graft

HERE = Path(__file__).parent
STATIC_FOLDER = HERE / "static"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def render(request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
    """Renders a template that may not need a Hub or a user, such as an error page."""
    frame = {
        "path": request.url.path,
        "json": None,
        "user": None,
        "may_join": False,
        "version": graft.__version__,
    }
    html = _environment().get_template(template).render(frame | values)
    headers = {
        "Content-Security-Policy": PAGE_POLICY,
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie, Authorization, Accept",
    }
    return HTMLResponse(html, status_code=status, headers=headers)


@cache
def static_version(name: str) -> str:
    """A short hash of a static file: part of its address, so that browsers keep it for good."""
    return hashlib.sha256((STATIC_FOLDER / name).read_bytes()).hexdigest()[:12]


def human_bytes(size: int) -> str:
    """`90900000` -> `90.9 MB`, in powers of 1000, as operating systems show it."""
    value = float(size)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def human_number(number: int) -> str:
    """`22713216` -> `22.7M`, `1234` -> `1,234`."""
    if number < 10_000:
        return f"{number:,}"
    value = float(number)
    for unit in ("", "k", "M", "B"):
        if value < 1000:
            return f"{value:.3g}{unit}"
        value /= 1000
    return f"{value:.3g}T"


def human_figure(value: Any) -> str:
    """A metric's value: up to four significant digits, text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def ago(moment: datetime, now: datetime | None = None) -> str:
    """`3 hours ago`; a date once it is more than a month back."""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if unit == "day" and count > 30:
            return f"{moment:%d %b %Y}".lstrip("0")
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def readable(tag: str) -> str:
    """A tag as a person would write it: `text-classification` -> `text classification`."""
    return tag.replace("-", " ").replace("_", " ")


def path_of(*parts: str) -> str:
    """Joins parts to an address path; a slash inside a part stays one."""
    return "/" + "/".join(quote(part.strip("/")) for part in parts if part)


def with_query(path: str, **values: Any) -> str:
    """`path` with a query string of the values that are not empty; lists repeat their key."""
    kept = {key: value for key, value in values.items() if value not in (None, "", (), [])}
    return f"{path}?{urlencode(kept, doseq=True)}" if kept else path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ago=ago, bytes=human_bytes, number=human_number, figure=human_figure, readable=readable
    )
    environment.globals.update(
        path_of=path_of,
        with_query=with_query,
        static=lambda name: f"/static/{name}?v={static_version(name)}",
    )
    return environment
