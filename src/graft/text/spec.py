"""The content of a `tokenizer.json`: the one form that all tokenizer files are read into."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from graft.errors import ModelError

T = TypeVar("T")
Spec = dict[str, Any]
"""A parsed `tokenizer.json`."""

_PARTS = ("normalizer", "pre_tokenizer", "post_processor", "decoder")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def new_spec(model: dict[str, Any], **parts: Any) -> Spec:
    """A `tokenizer.json` around a model; what `parts` leaves out is null."""
    spec: Spec = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
    }
    return {**spec, **parts, "model": model}


def added_token(token_id: int, content: str, **flags: bool) -> dict[str, Any]:
    """An entry of `added_tokens`: a special token, unless `flags` say otherwise."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": token_id, "content": content, **plain, "special": True, **flags}


def special_content(value: Any) -> str:
    """A special token's text: files give it alone, or in a table with options of its own."""
    return str(value["content"] if isinstance(value, dict) and "content" in value else value)


def setting(part: Mapping[str, Any], name: str, kind: type[T], *default: T) -> T:
    """A setting of a part.

    Args:
        part: The settings.
        name: Which.
        kind: What it has to be, as Python reads JSON.
        default: What it is where the part does not have it.

    Raises:
        KeyError: The part does not have it, and there is no default.
        ValueError: It is of another kind.
    """
    value = part.get(name, default[0]) if default else part[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"its {name} is {told(value)}, not {_KINDS[kind]}")
    return value


def optional(part: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """As `setting`, of one that may be null or missing."""
    return None if part.get(name) is None else setting(part, name, kind)


def kind_of(part: Any, what: str, known: Iterable[str]) -> str:
    """The `type` of a part, such as a normalizer.

    Raises:
        ModelError: It is no part, or of a kind that Graft does not have.
    """
    if not isinstance(part, dict):
        raise ModelError(f"A {what} is {told(part)}, not an object: fetch tokenizer.json again.")
    if "type" not in part:
        raise ModelError(f"A {what} has no type. Graft has: {', '.join(known)}.")
    kind = str(part["type"])
    if kind not in known:
        raise ModelError(f"Graft has no {what} {kind!r}. It has: {', '.join(known)}.")
    return kind


def told(value: Any) -> str:
    """What kind of JSON value this is, in words."""
    return _KINDS.get(type(value), type(value).__name__)


def check_spec(spec: Spec) -> None:
    """Looks at what every `tokenizer.json` has, before anything is made of it.

    Raises:
        ModelError: Something is missing, or is not of the kind that it has to be.
    """
    try:
        model = setting(spec, "model", dict)
        for name in _PARTS:
            optional(spec, name, dict)
        tokens = optional(spec, "added_tokens", list) or []
    except KeyError as error:
        raise ModelError(
            f"tokenizer.json is damaged: it has no {error}. Fetch it again."
        ) from error
    except ValueError as error:
        raise ModelError(f"tokenizer.json is damaged: {error}. Fetch it again.") from error
    for place, token in enumerate(tokens):
        _check_added(token, f"added_tokens[{place}]")
    # The engine looks at the vocabulary and the merges, which are long.
    rest = {name: value for name, value in model.items() if name not in ("vocab", "merges")}
    check_strings({**spec, "model": rest})


def check_strings(value: Any, where: str = "") -> None:
    """JSON can spell half of a UTF-16 pair, which is no character and cannot be written again.

    Raises:
        ModelError: A string in `value`, or a name, holds one.
    """
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ModelError(
                f"{where} has half of a UTF-16 pair, {value[error.start]!a}, as its character "
                f"{error.start}: take it out, or fetch the file again."
            ) from None
    elif isinstance(value, dict):
        for name, inner in value.items():
            check_strings(name, f"A name in {where}" if where else "A name")
            check_strings(inner, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            check_strings(inner, f"{where}[{place}]")


def _check_added(token: Any, where: str) -> None:
    if not isinstance(token, dict):
        raise ModelError(f"{where} is {told(token)}, not an object: fetch tokenizer.json again.")
    try:
        setting(token, "id", int)
        if not setting(token, "content", str):
            raise ValueError("its content is empty")
        for flag in _FLAGS:
            setting(token, flag, bool, False)
    except KeyError as error:
        raise ModelError(f"{where} has no {error}: fetch tokenizer.json again.") from error
    except ValueError as error:
        raise ModelError(f"{where} is damaged: {error}. Fetch tokenizer.json again.") from error
