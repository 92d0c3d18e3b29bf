"""Conversations as text, by the Jinja templates that tokenizers' files carry."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NoReturn

from jinja2 import Template, nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from graft.errors import DataError, ModelError

# What a template's expressions may raise beside Jinja's own errors, as by `1 / 0` or `none + "a"`.
_ERRORS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def render_chat(
    template: Any,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    **variables: Any,
) -> str:
    """Renders a conversation in a sandbox: a template comes from whoever wrote the files.

    Args:
        template: The template, or several by name: with tools "tool_use" is taken, else "default".
        messages: Each with a `role` and its `content`; what is None counts as left out.
        tools: JSON schemas of functions that the model may call.
        variables: What else the template may use.

    Raises:
        ModelError: There is no template, or it does not work.
        DataError: The template refuses the messages, or they are none.
    """
    said = [_message(place, message) for place, message in enumerate(messages)]
    if not said:
        raise DataError("A conversation needs a message or more.")
    try:
        compiled = _compiled(_chosen(template, tools))
        given = {"documents": None, **variables}
        return compiled.render(messages=said, tools=tools, **given)
    except (TemplateError, *_ERRORS) as error:
        raise ModelError(f"The chat template does not work: {error}") from error


def _message(place: int, message: Any) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise DataError(f"Message {place} is {message!r}; give a role and its content.")
    return {key: value for key, value in message.items() if value is not None}


def _chosen(template: Any, tools: object) -> str:
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}
    if isinstance(template, Mapping):
        name = "tool_use" if tools is not None and "tool_use" in template else "default"
        if name not in template:
            raise ModelError(
                f"This tokenizer has the chat templates {', '.join(map(str, template))}, but no "
                "default: set config['chat_template'] to the one that is meant."
            )
        template = template[name]
    if not isinstance(template, str):
        raise ModelError(
            "This tokenizer's files carry no chat template: set config['chat_template']."
        )
    return template


class _Generation(Extension):
    """`{% generation %}` marks what the model says, for training; the text is the same."""

    tags = {"generation"}  # the base class has a set

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.CallBlock(self.call_method("_said"), [], [], body).set_lineno(line)

    def _said(self, caller: Callable[[], str]) -> str:
        return caller()


@lru_cache(maxsize=16)
def _compiled(template: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _Generation],
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(template)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is, where Jinja's own filter escapes it for HTML."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _refuse(message: str) -> NoReturn:
    raise DataError(f"The chat template refuses these messages: {message}")
