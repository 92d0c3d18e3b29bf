"""Conversations as text, by the Jinja templates that tokenizers' files carry."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from graft.errors import DataError, ModelError


def render_chat(template: Any, messages: Sequence[dict[str, Any]], **variables: Any) -> str:
    """Renders a conversation in a sandbox: a template comes from whoever wrote the files.

    Args:
        template: The template, or several by name, of which "default" is taken.
        messages: Each with a `role` and its `content`.
        variables: What else the template may use.

    Raises:
        ModelError: There is no template, or it does not work.
        DataError: The template refuses the messages.
    """
    from jinja2.exceptions import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}.get("default")
    if not isinstance(template, str):
        raise ModelError(
            "This tokenizer's files carry no chat template: set config['chat_template']."
        )
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(template).render(messages=list(messages), **variables)
    except TemplateError as error:
        raise ModelError(f"The chat template does not work: {error}") from error


def _refuse(message: str) -> NoReturn:
    raise DataError(f"The chat template refuses these messages: {message}")
