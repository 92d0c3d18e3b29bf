"""From tokens back to text: the decoders that a `tokenizer.json` names."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from graft.errors import ModelError
from graft.text.spec import kind_of, setting

Decoder = Callable[[list[str]], list[str]]
"""From tokens to pieces of text, to be laid end to end."""

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# What English writes without the space that joining words puts there.
_CLEANUP = (
    (" .", "."),
    (" ?", "?"),
    (" !", "!"),
    (" ,", ","),
    (" ' ", "'"),
    (" n't", "n't"),
    (" 'm", "'m"),
    (" do not", " don't"),
    (" 's", "'s"),
    (" 've", "'ve"),
    (" 're", "'re"),
)


def decoder(part: Mapping[str, Any] | None) -> Decoder:
    """The decoder that a `tokenizer.json` describes; where it has none, tokens are words.

    Raises:
        ModelError: A kind that Graft does not have, or with settings that make no sense.
    """
    if part is None:
        return lambda tokens: [" ".join(tokens)]
    return _decoder(part)


def _decoder(part: Mapping[str, Any]) -> Decoder:
    kind = kind_of(part, "decoder", sorted(_DECODERS))
    try:
        return _DECODERS[kind](part)
    except KeyError as error:
        raise ModelError(f"The decoder {kind} has no {error}.") from error
    except ValueError as error:
        raise ModelError(f"The decoder {kind} cannot be used: {error}.") from error


def _wordpiece(part: Mapping[str, Any]) -> Decoder:
    prefix = setting(part, "prefix", str, "##")
    cleanup = setting(part, "cleanup", bool, True)

    def decode(tokens: list[str]) -> list[str]:
        pieces = []
        for place, token in enumerate(tokens):
            piece = token
            if place:
                piece = token[len(prefix) :] if token.startswith(prefix) else f" {token}"
            for spaced, plain in _CLEANUP if cleanup else ():
                piece = piece.replace(spaced, plain)
            pieces.append(piece)
        return pieces

    return decode


def _byte_level(_: Mapping[str, Any]) -> Decoder:
    def decode(tokens: list[str]) -> list[str]:
        table = byte_of_char()
        data = b"".join(
            bytes(table[char] for char in token)
            if all(char in table for char in token)
            else token.encode()
            for token in tokens
        )
        return [data.decode("utf-8", "replace")]

    return decode


def _metaspace(part: Mapping[str, Any]) -> Decoder:
    mark = setting(part, "replacement", str, "\u2581")
    if "prepend_scheme" in part:
        prepended = setting(part, "prepend_scheme", str) != "never"
    else:
        prepended = setting(part, "add_prefix_space", bool, True)
    return lambda tokens: [
        token.replace(mark, "" if place == 0 and prepended else " ")
        for place, token in enumerate(tokens)
    ]


def _bpe(part: Mapping[str, Any]) -> Decoder:
    suffix = setting(part, "suffix", str, "</w>")
    return lambda tokens: [
        token.replace(suffix, "" if place == len(tokens) - 1 else " ")
        for place, token in enumerate(tokens)
    ]


def _byte_fallback(_: Mapping[str, Any]) -> Decoder:
    def decode(tokens: list[str]) -> list[str]:
        pieces: list[str] = []
        waiting = bytearray()

        def flush() -> None:
            try:
                pieces.append(waiting.decode("utf-8")) if waiting else None
            except UnicodeDecodeError:
                pieces.extend("\ufffd" * len(waiting))
            waiting.clear()

        for token in tokens:
            byte = _BYTE.fullmatch(token)
            if byte:
                waiting.append(int(byte[1], 16))
            else:
                flush()
                pieces.append(token)
        flush()
        return pieces

    return decode


def _strip(part: Mapping[str, Any]) -> Decoder:
    char = setting(part, "content", str)
    start, stop = setting(part, "start", int), setting(part, "stop", int)
    if start < 0 or stop < 0:
        raise ValueError(f"its start is {start} and its stop {stop}: neither may be negative")

    def decode(tokens: list[str]) -> list[str]:
        pieces = []
        for token in tokens:
            left = min(start, len(token) - len(token.lstrip(char)))
            rest = token[left:]
            right = min(stop, len(rest) - len(rest.rstrip(char)))
            pieces.append(rest[: len(rest) - right])
        return pieces

    return decode


def _replace(part: Mapping[str, Any]) -> Decoder:
    pattern, content = part["pattern"], setting(part, "content", str)
    if isinstance(pattern, dict) and "Regex" in pattern:
        raise ModelError(f"The decoder Replace has a pattern that Graft does not have: {pattern}.")
    text = pattern if isinstance(pattern, str) else None
    if text is None:
        text = setting(setting(part, "pattern", dict), "String", str)
    return lambda tokens: [token.replace(text, content) for token in tokens]


def _sequence(part: Mapping[str, Any]) -> Decoder:
    steps = [_decoder(inner) for inner in setting(part, "decoders", list)]

    def decode(tokens: list[str]) -> list[str]:
        for step in steps:
            tokens = step(tokens)
        return tokens

    return decode


_DECODERS: dict[str, Callable[[Mapping[str, Any]], Decoder]] = {
    "WordPiece": _wordpiece,
    "ByteLevel": _byte_level,
    "Metaspace": _metaspace,
    "BPEDecoder": _bpe,
    "ByteFallback": _byte_fallback,
    "Fuse": lambda _: lambda tokens: ["".join(tokens)],
    "Strip": _strip,
    "Replace": _replace,
    "Sequence": _sequence,
}


@cache
def byte_of_char() -> dict[str, int]:
    """The visible alphabet in which byte-level vocabularies spell bytes (Radford et al., 2019)."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(shown)]
    table = {chr(byte): byte for byte in shown}
    table.update({chr(256 + number): byte for number, byte in enumerate(hidden)})
    return table


class DecodeStream:
    """Text from ids that come one by one, as a model generates them.

    A token may be part of a character or depend on those before it, so that text is given as soon
    as it cannot change any more.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self._decode = decode
        self._ids: list[int] = []
        self._before = ""
        self._first_new = 0

    def push(self, token_id: int) -> str:
        """Takes an id; returns the text that is new, often empty."""
        self._ids.append(token_id)
        text = self._decode(self._ids)
        if text.endswith("\ufffd") or len(text) <= len(self._before):
            return ""
        new = text[len(self._before) :]
        # What comes next is decoded behind the last tokens alone: long answers stay quick.
        self._ids = self._ids[self._first_new :]
        self._before = self._decode(self._ids)
        self._first_new = len(self._ids)
        return new

    def finish(self) -> str:
        """The rest: what was held back, because more might have come."""
        text = self._decode(self._ids)
        new = text[len(self._before) :]
        self._ids, self._before, self._first_new = [], "", 0
        return new
