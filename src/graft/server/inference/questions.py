"""What a request asks a model: its body read, checked against the limits, and taken apart."""

import json
from dataclasses import dataclass
from typing import Any

from graft.server.errors import BadRequestError, TooLargeError

MAX_BODY_BYTES = 1_000_000
MAX_TEXTS = 64
MAX_CHARACTERS = 20_000
"""The longest text; models read a few hundred words of it at most."""


@dataclass(frozen=True)
class Question:
    """One text, or a pair of texts, to run a model on."""

    text: str
    text_pair: str | None = None


@dataclass(frozen=True)
class Questions:
    """A whole request. `top_k` None asks for all labels."""

    items: tuple[Question, ...]
    top_k: int | None = None


def parse_questions(body: bytes) -> Questions:
    """Reads `{"inputs": ..., "parameters": {"top_k": n}}`.

    `inputs` is a text, a pair `{"text": ..., "text_pair": ...}`, or a list of either.

    Raises:
        BadRequestError: saying which field is wrong, and what belongs there.
        TooLargeError: too many texts, or a text that is too long.
    """
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"The request's body is not JSON: {error}.") from None
    if not isinstance(fields, dict) or "inputs" not in fields:
        raise BadRequestError('The request\'s body must be like {"inputs": "some text"}.')
    inputs = fields["inputs"]
    items = inputs if isinstance(inputs, list) else [inputs]
    if not items:
        raise BadRequestError("`inputs` is an empty list: give at least one text.")
    if len(items) > MAX_TEXTS:
        raise TooLargeError(f"`inputs` holds {len(items)} texts; send at most {MAX_TEXTS} at once.")
    questions = tuple(_question(item, index) for index, item in enumerate(items))
    if len({question.text_pair is None for question in questions}) > 1:
        raise BadRequestError("`inputs` mixes single texts and pairs: send one kind at a time.")
    return Questions(questions, _top_k(fields.get("parameters")))


def _question(item: Any, index: int) -> Question:
    if isinstance(item, str):
        return Question(check_text(item, f"`inputs[{index}]`"))
    if isinstance(item, dict) and isinstance(item.get("text"), str):
        text, pair = item["text"], item.get("text_pair")
        if pair is None:
            return Question(check_text(text, f"`inputs[{index}].text`"))
        if isinstance(pair, str):
            return Question(
                check_text(text, f"`inputs[{index}].text`"),
                check_text(pair, f"`inputs[{index}].text_pair`"),
            )
    raise BadRequestError(
        f'`inputs[{index}]` must be a text or a pair like {{"text": "...", "text_pair": "..."}}.'
    )


def check_text(text: str, where: str) -> str:
    """`text`, when a model may be run on it; `where` names the field in the error."""
    if not text.strip():
        raise BadRequestError(f"{where} is empty: write a text for the model to read.")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadRequestError(f"{where} holds half of a surrogate pair, which is no character.")
    if len(text) > MAX_CHARACTERS:
        raise TooLargeError(
            f"{where} has {len(text):,} characters; send at most {MAX_CHARACTERS:,}."
        )
    return text


def _top_k(parameters: Any) -> int | None:
    if parameters is None:
        return None
    if not isinstance(parameters, dict):
        raise BadRequestError('`parameters` must be an object like {"top_k": 3}.')
    if parameters.get("function_to_apply") is not None:
        raise BadRequestError(
            "`parameters.function_to_apply` cannot be chosen: a model answers with the scores "
            "that belong to its task. Leave it out."
        )
    top_k = parameters.get("top_k")
    if top_k is None:
        return None
    if isinstance(top_k, bool) or not isinstance(top_k, int) or top_k < 1:
        raise BadRequestError(f"`parameters.top_k` is {top_k!r}; give a whole number from 1 up.")
    return top_k
