"""The Hub's description of itself, at `/api/openapi.json`."""

from typing import Any

from fastapi import FastAPI

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
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for path in schema.get("paths", {}).values():
        for method, operation in path.items():
            responses = operation["responses"]
            responses.pop("422", None)
            body = {} if method == "head" else {"content": content}
            for status, text in _ERRORS.items():
                responses.setdefault(status, {"description": text, **body})
            operation["security"] = [{}, {"token": []}]
    return schema
