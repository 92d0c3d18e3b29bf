"""The content of a `tokenizer.json`: the one form that all tokenizer files are read into."""

from typing import Any

Spec = dict[str, Any]
"""A parsed `tokenizer.json`."""


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
