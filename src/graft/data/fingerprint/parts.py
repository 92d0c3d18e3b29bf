"""The digest of a value, and the parts that the result of a function depends on."""

import re
from collections.abc import Callable
from types import FunctionType
from typing import Any

from graft.data.fingerprint.walk import Walk

_MANY = 100
_OF_AN_OBJECT = re.compile(r"^(?:attribute .* of|class of) (.*)\(\)(?:#\d+)?$")


def digest(value: object) -> str:
    """32 hex digits of a value and all that it reaches.

    Raises `Unfingerprintable` naming the object that has no content to go by, and what to do.
    """
    walk = Walk()
    walk.add("value", value, place="")
    return walk.digest()


def parts_of_function(fn: Callable[..., Any], role: str = "function") -> dict[str, str]:
    """The digest of each thing that the result of `fn` depends on, besides its arguments.

    Args:
        fn: A function, method, partial, class, or an object that can be called.
        role: What it is to the step; the parts' names begin with it.

    Returns:
        Such as `{"function: code of clean": ..., "function: captured variable limit of clean": ...,
        "function: code of helper": ...}`.

    Raises:
        Unfingerprintable: Something that `fn` uses has no content to go by, such as an open file.
    """
    walk = Walk()
    if isinstance(fn, FunctionType):
        walk.name_of(fn)
    else:
        walk.add("what is called", fn, place="")
    pieces = walk.pieces()
    return {f"{role}: {name}": part for name, part in _folded(pieces).items()}


def _folded(pieces: dict[str, str]) -> dict[str, str]:
    """The pieces, those of many objects put together by kind: a model has thousands."""
    if sum(_OF_AN_OBJECT.match(name) is not None for name in pieces) <= _MANY:
        return pieces
    folded: dict[str, str] = {}
    kinds: dict[str, list[str]] = {}
    for name, piece in pieces.items():
        found = _OF_AN_OBJECT.match(name)
        if found is None:
            folded[name] = piece
        else:
            kinds.setdefault(found[1], []).extend((name, piece))
    return folded | {f"objects of the kind {kind}": digest(kinds[kind]) for kind in kinds}
