"""What may be asked of a model over HTTP, and how the Hub says no."""

import json
from typing import Any

import pytest

from graft.server.errors import BadRequestError, TooLargeError
from graft.server.inference.questions import (
    MAX_CHARACTERS,
    MAX_TEXTS,
    Question,
    Questions,
    parse_questions,
)


def parse(body: Any) -> Questions:
    return parse_questions(json.dumps(body).encode())


def test_a_text_a_list_and_a_pair() -> None:
    assert parse({"inputs": "one"}).items == (Question("one"),)
    assert parse({"inputs": ["one", "two"]}).items == (Question("one"), Question("two"))
    pair = {"text": "A man sleeps.", "text_pair": "He is awake."}
    assert parse({"inputs": pair}).items == (Question("A man sleeps.", "He is awake."),)


def test_top_k_is_read_and_empty_parameters_are_fine() -> None:
    assert parse({"inputs": "x", "parameters": {"top_k": 2}}).top_k == 2
    assert parse({"inputs": "x", "parameters": {}}).top_k is None
    assert parse({"inputs": "x", "parameters": None}).top_k is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "inputs"),
        ([1], "inputs"),
        ({"inputs": []}, "empty list"),
        ({"inputs": ["fine", "  "]}, r"`inputs\[1\]` is empty"),
        ({"inputs": 5}, r"`inputs\[0\]` must be a text"),
        ({"inputs": {"text": "x", "text_pair": 3}}, r"`inputs\[0\]` must be"),
        ({"inputs": ["x", {"text": "x", "text_pair": "y"}]}, "mixes"),
        ({"inputs": "x", "parameters": 3}, "`parameters`"),
        ({"inputs": "x", "parameters": {"top_k": 0}}, "`parameters.top_k` is 0"),
        ({"inputs": "x", "parameters": {"top_k": True}}, "`parameters.top_k`"),
        ({"inputs": "x", "parameters": {"function_to_apply": "none"}}, "function_to_apply"),
    ],
)
def test_a_request_that_makes_no_sense_is_told_which_field(body: Any, said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        parse(body)


def test_a_body_that_is_not_json() -> None:
    with pytest.raises(BadRequestError, match="not JSON"):
        parse_questions(b"\xff{")


def test_limits_are_named() -> None:
    with pytest.raises(TooLargeError, match=f"{MAX_CHARACTERS:,}"):
        parse({"inputs": "x" * (MAX_CHARACTERS + 1)})
    with pytest.raises(TooLargeError, match=str(MAX_TEXTS)):
        parse({"inputs": ["x"] * (MAX_TEXTS + 1)})
