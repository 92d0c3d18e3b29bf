"""SentencePiece's `.model` files (Kudo and Richardson, 2018), read without its library."""

import base64
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graft.errors import ModelError
from graft.text.spec import Spec, new_spec

_UNIGRAM, _BPE = 1, 2
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_SPACE = "\u2581"


@dataclass
class _File:
    """What a `.model` file says."""

    pieces: list[tuple[str, float, int]] = field(default_factory=list)
    model_type: int = _UNIGRAM
    byte_fallback: bool = False
    suffix_space: bool = False
    charsmap: bytes = b""
    dummy_prefix: bool = True
    remove_extra_spaces: bool = True


def read_sentencepiece(path: Path) -> Spec:
    """The content of a `tokenizer.json` that gives the same ids.

    Raises:
        ModelError: The file is damaged, or of a kind other than Unigram and BPE.
    """
    try:
        file = _parse(path.read_bytes())
    except (IndexError, ValueError, struct.error) as error:
        raise ModelError(
            f"{path} is not a SentencePiece model, or a damaged one: {error}. Fetch it again."
        ) from error
    if not file.pieces:
        raise ModelError(f"{path} is not a SentencePiece model: it has no pieces.")
    if file.model_type not in (_UNIGRAM, _BPE):
        raise ModelError(
            f"{path} is a SentencePiece model of type {file.model_type}; "
            "Graft reads Unigram (1) and BPE (2)."
        )
    if file.suffix_space:
        raise ModelError(f"{path} treats white space as a suffix, which Graft does not have.")
    model = _unigram(file, path) if file.model_type == _UNIGRAM else _bpe(file, path)
    # Who writes "<s>" means these three characters. Other readers pass this over.
    model["special_ids"] = _ids_of(file, _UNKNOWN, _CONTROL)
    return new_spec(model, normalizer=_normalizer(file), decoder=_decoder(file))


def _ids_of(file: _File, *kinds: int) -> list[int]:
    return [token_id for token_id, (*_, kind) in enumerate(file.pieces) if kind in kinds]


def _normalizer(file: _File) -> dict[str, Any]:
    """Its own map of characters, then white space: in that order."""
    steps: list[dict[str, Any]] = []
    if file.charsmap:
        blob = base64.b64encode(file.charsmap).decode()
        steps.append({"type": "Precompiled", "precompiled_charsmap": blob, "longest": True})
    if file.remove_extra_spaces:
        for pattern, content in ((r"\A +", ""), (" {2,}", " "), (f"[ {_SPACE}]+\\z", "")):
            steps.append({"type": "Replace", "pattern": {"Regex": pattern}, "content": content})
    if file.dummy_prefix:
        steps.append({"type": "Prepend", "prepend": _SPACE})
    steps.append({"type": "Replace", "pattern": {"String": " "}, "content": _SPACE})
    return {"type": "Sequence", "normalizers": steps}


def _decoder(file: _File) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "}
    ]
    if file.byte_fallback:
        steps.append({"type": "ByteFallback"})
    steps.append({"type": "Fuse"})
    if file.dummy_prefix:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _unigram(file: _File, path: Path) -> dict[str, Any]:
    unknown = [i for i, (_, _, kind) in enumerate(file.pieces) if kind == _UNKNOWN]
    if not unknown:
        raise ModelError(f"{path} has no piece for what is unknown.")
    return {
        "type": "Unigram",
        "unk_id": unknown[0],
        "vocab": [[piece, score] for piece, score, _ in file.pieces],
        "byte_fallback": file.byte_fallback,
        "single_precision": True,  # as its own library sums scores; other readers pass it over
    }


def _bpe(file: _File, path: Path) -> dict[str, Any]:
    """Two pieces are joined where the vocabulary has the result, that of the best score first."""
    vocabulary = {piece: token_id for token_id, (piece, _, _) in enumerate(file.pieces)}
    usable = {piece: score for piece, score, kind in file.pieces if kind == _NORMAL}
    merges: list[tuple[float, int, int, list[str]]] = []
    for piece, score in usable.items():
        for cut in range(1, len(piece)):
            left, right = piece[:cut], piece[cut:]
            if left in usable and right in usable:
                merges.append((-score, vocabulary[left], vocabulary[right], [left, right]))
    unknown = [piece for piece, _, kind in file.pieces if kind == _UNKNOWN]
    if not unknown:
        raise ModelError(f"{path} has no piece for what is unknown.")
    merges.sort(key=lambda merge: merge[:3])
    scores = sorted({score for score, *_ in merges})
    rank_of = {score: rank for rank, score in enumerate(scores)}
    return {
        "type": "BPE",
        "dropout": None,
        "unk_token": unknown[0],
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": True,
        "byte_fallback": file.byte_fallback,
        "ignore_merges": False,
        "vocab": vocabulary,
        "merges": [pair for *_, pair in merges],
        # Found in texts as a whole, once they are normalized; other readers pass this over.
        "user_defined_ids": _ids_of(file, _USER_DEFINED),
        # Of two pairs of one score the left one comes first; other readers pass this over.
        "ranks": [rank_of[score] for score, *_ in merges],
    }


def _parse(data: bytes) -> _File:
    file = _File()
    for number, value in _fields(data):
        if number == 1:
            file.pieces.append(_piece(value))
        elif number == 2:
            settings = dict(_fields(value))
            file.model_type = settings.get(3, _UNIGRAM)
            file.suffix_space = bool(settings.get(24, 0))
            file.byte_fallback = bool(settings.get(35, 0))
        elif number == 3:
            settings = dict(_fields(value))
            file.charsmap = settings.get(2, b"")
            file.dummy_prefix = bool(settings.get(3, 1))
            file.remove_extra_spaces = bool(settings.get(4, 1))
    return file


def _piece(data: bytes) -> tuple[str, float, int]:
    values = dict(_fields(data))
    return values.get(1, b"").decode("utf-8"), float(values.get(2, 0.0)), values.get(3, _NORMAL)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a Protocol Buffers message: their numbers and values."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 1:
            yield number, struct.unpack_from("<d", data, at)[0]
            at += 8
        elif wire == 2:
            size, at = _varint(data, at)
            if at + size > len(data):
                raise ValueError(f"it ends in the middle of field {number}")
            yield number, data[at : at + size]
            at += size
        elif wire == 5:
            yield number, struct.unpack_from("<f", data, at)[0]
            at += 4
        else:
            raise ValueError(f"byte {at} starts no field")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"byte {at} is in no number")
