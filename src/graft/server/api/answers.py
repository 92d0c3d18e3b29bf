"""Answers in JSON, by other ways than the framework's own."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

LFS_PATH = "/info/lfs/"
"""Stands in each address that clients of Git LFS ask."""

OR_TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {}}}}
"""Describes, as a route's `responses`, an answer that is JSON, or text where that is asked for."""

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
"""Values of JSON as text."""


def json_answer(
    content: Any, headers: Mapping[str, str] | None = None, status: int = 200
) -> Response:
    """`content`, plain values of JSON all through, as a response."""
    return json_text(to_json(content), headers, status)


def json_text(text: str, headers: Mapping[str, str] | None = None, status: int = 200) -> Response:
    """What is JSON already, as a response."""
    return Response(text.encode(), status, headers, "application/json")


class LfsResponse(JSONResponse):
    """JSON as clients of Git LFS expect it."""

    media_type = "application/vnd.git-lfs+json"
