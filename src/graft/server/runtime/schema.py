"""The Hub's description of itself, at `/api/openapi.json`."""

import re
from typing import Any

from fastapi import FastAPI

from graft.server.api.answers import LFS_PATH, LfsResponse
from graft.server.records import Kind

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What was wrong, for people."}},
}
_ERRORS = {
    "4XX": "The request is refused: `X-Error-Code` says why, for programs.",
    "503": "The Hub, or what it stands on, is busy or away: try again.",
    "507": "No space is left; nothing was kept.",
}
_SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "An access token."},
}


def describe_errors(app: FastAPI) -> None:
    """Tells of the errors that every address can answer with, instead of the framework's own."""
    framework = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _changed(framework())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does


def _changed(schema: dict[str, Any]) -> dict[str, Any]:
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Error"] = _ERROR
    components["securitySchemes"] = _SECURITY
    for address, path in schema.get("paths", {}).items():
        for method, operation in path.items():
            _complete_parameters(address, operation)
            responses = operation["responses"]
            responses.pop("422", None)
            media_type = LfsResponse.media_type if LFS_PATH in address else "application/json"
            content = {media_type: {"schema": {"$ref": "#/components/schemas/Error"}}}
            body = {} if method == "head" else {"content": content}
            for status, text in _ERRORS.items():
                responses.setdefault(status, {"description": text, **body})
            operation["security"] = [{}, {"token": []}]
    return schema


def _complete_parameters(address: str, operation: dict[str, Any]) -> None:
    """Names every part of the address that may vary: the framework leaves out those that a route
    does not read, and says of a kind only that it is text."""
    parameters = operation.setdefault("parameters", [])
    known = {one["name"] for one in parameters if one["in"] == "path"}
    for name in re.findall(r"{(\w+)}", address):
        if name not in known:
            text = {"type": "string", "title": name.replace("_", " ").title()}
            parameters.append({"name": name, "in": "path", "required": True, "schema": text})
    for one in parameters:
        if (one["in"], one["name"]) == ("path", "kind"):
            one["schema"]["enum"] = [kind.plural for kind in Kind]
