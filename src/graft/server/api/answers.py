"""Answers in JSON, made without looking at the values a second time."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def json_answer(
    content: Any, headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """`content`, plain values of JSON all through, as a response."""
    return Response(_encode(content).encode(), status, headers, "application/json")
