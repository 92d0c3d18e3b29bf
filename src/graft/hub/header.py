"""The YAML header of a card: reading it with errors that name the line, and writing it."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import yaml

from graft.errors import CardError

_FENCE = re.compile(r"---[ \t]*$", re.MULTILINE)
_KEY = re.compile(r"\s*[\w-]+\s*:")

# A header is a page of settings. Aliases can make a small file expand to gigabytes.
_MOST_VALUES = 50_000
_MOST_CHARACTERS = 500_000
# What PyYAML raises for `!!int ""`, `!!bool maybe`, `!!timestamp soon`.
_MISTAGGED = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError)
_MERGE = "tag:yaml.org,2002:merge"


class _CardLoader(yaml.SafeLoader):
    """YAML whose values are JSON's: dates and times stay text, and so does `no`, the code for
    Norwegian."""

    _merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Takes in what `<<` names, as long as it is not too much: each can hold others, tenfold.

        Raises:
            yaml.constructor.ConstructorError: it is.
        """
        for key, value in node.value:
            if key.tag == _MERGE:
                named = value.value if isinstance(value, yaml.SequenceNode) else [value]
                for mapping in named:
                    if isinstance(mapping, yaml.MappingNode):
                        self.flatten_mapping(mapping)
                        self._merged += len(mapping.value)
                    if self._merged > _MOST_VALUES:
                        raise yaml.constructor.ConstructorError(
                            None,
                            None,
                            f"<< brings in more than {_MOST_VALUES} values",
                            key.start_mark,
                        )
        super().flatten_mapping(node)


_CardLoader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_CardLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def _whole_number(loader: _CardLoader, node: yaml.ScalarNode) -> int | str:
    """A whole number of 64 bits; a longer one, which no reader of JSON takes, stays text."""
    if ":" in node.value:
        return str(node.value)
    value = loader.construct_yaml_int(node)
    return value if -(2**63) <= value < 2**63 else str(node.value)


def _fraction(loader: _CardLoader, node: yaml.ScalarNode) -> float | str:
    """A decimal fraction; `1:30.5` is none, but to YAML."""
    return str(node.value) if ":" in node.value else float(loader.construct_yaml_float(node))


_CardLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_CardLoader.add_constructor("tag:yaml.org,2002:float", _fraction)


def parse_card(text: str | bytes, path: str | Path = "README.md") -> tuple[dict[str, Any], str]:
    """Splits a card into its YAML header (empty when it has none) and its Markdown body.

    Args:
        text: the file's text, or its bytes (UTF-8, with or without a byte order mark).
        path: the file's name, for errors.

    Raises:
        CardError: the header is not valid YAML, not a mapping, or not UTF-8; it names the file, the
            line and the column.
    """
    text = _decode(text, path).removeprefix("\ufeff").replace("\r\n", "\n")
    opening = _FENCE.match(text)
    if opening is None:
        return {}, text
    closing = _FENCE.search(text, opening.end() + 1)
    while closing and text[closing.start() - 1] != "\n":
        closing = _FENCE.search(text, closing.end())
    if closing is None:
        if not _KEY.match(text, opening.end()):
            return {}, text  # a ruled line, not a header
        raise CardError(
            f"{path}, line 1: the YAML header that starts here has no end. "
            "Add a line of three dashes (---) after it."
        )
    # The line break after the opening fence stays, so that YAML counts the file's own lines.
    metadata = _load(text[opening.end() : closing.start()], path)
    return metadata, text[closing.end() :].lstrip("\n")


def parse_yaml(text: str | bytes, path: str | Path) -> Any:
    """The values of a YAML file, read as the header of a card is; None where it is empty.

    Raises:
        CardError: it is not valid YAML, or holds too much; it names the file and the place.
    """
    values = _values(_decode(text, path).removeprefix("\ufeff"), path, "the YAML")
    _check_count(values, path, "the YAML")
    return values


def render_header(metadata: Mapping[str, Any], exact: Collection[str] = ()) -> str:
    """The YAML header of a card, fences included, for plain values (text, numbers, lists, dicts).

    What is None or empty is left out, at any depth, but under the keys of `exact`.
    """
    values = _without_empty({key: value for key, value in metadata.items() if key not in exact})
    values.update({key: metadata[key] for key in metadata if key in exact})
    text = yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=100) if values else ""
    return f"---\n{text}---\n"


def _decode(text: str | bytes, path: str | Path) -> str:
    if isinstance(text, str):
        return text
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise CardError(
            f"{path}, line {line}: byte {error.start} is not UTF-8. Save the card as UTF-8."
        ) from error


def _load(text: str, path: str | Path) -> dict[str, Any]:
    metadata = _values(text, path, "the YAML header")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise CardError(
            f"{path}, line 2: the YAML header is a {type(metadata).__name__}, "
            "but it must be lines of `key: value`."
        )
    _check_count(metadata, path, "the YAML header")
    return {str(key): value for key, value in metadata.items()}


def _values(text: str, path: str | Path, what: str) -> Any:
    if len(text) > _MOST_CHARACTERS:
        raise CardError(
            f"{path}: {what} has {len(text)} characters; {_MOST_CHARACTERS} are read. Put that "
            "much data into a file of its own."
        )
    try:
        return yaml.load(text, Loader=_CardLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise CardError(
            f"{path}{place}: {what} cannot be read ({error.problem or error.context}). "
            "Check colons, quotes and indentation there."
        ) from error
    except (yaml.YAMLError, RecursionError, *_MISTAGGED) as error:
        reason = " ".join(str(error).splitlines()[:1]) or type(error).__name__
        raise CardError(f"{path}: {what} cannot be read ({reason}).") from error


def _check_count(values: Any, path: str | Path, what: str) -> None:
    if _count(values, _MOST_VALUES) < 0:
        raise CardError(
            f"{path}: {what} has more than {_MOST_VALUES} values, aliases counted as "
            "often as they are used. Put that much data into a file of its own."
        )


def _count(value: Any, budget: int) -> int:
    """What is left of the budget after counting a value and all in it; negative when it is short.

    A mapping or list that contains itself runs out of budget too.
    """
    waiting = [value]
    while waiting and budget >= 0:
        item = waiting.pop()
        budget -= 1
        if isinstance(item, dict):
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
    return budget


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: _without_empty(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [_without_empty(item) for item in value]
    return value
