"""SentencePiece's `.model` files (Kudo and Richardson, 2018), read without its library."""

import base64
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from graft.errors import ModelError
from graft.text.spec import Spec, new_spec

T = TypeVar("T", bytes, int, float)

_UNIGRAM, _BPE = 1, 2
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
_SPACE = "\u2581"
_FIXED = {1: "<d", 5: "<f"}  # wire types of numbers of one size


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
    except ValueError as error:
        raise ModelError(
            f"{path} is not a SentencePiece model, or a damaged one: {error}. Fetch it again."
        ) from error
    if not file.pieces:
        raise ModelError(f"{path} is not a SentencePiece model: it has no pieces.")
    _check_pieces(file, path)
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
            file.pieces.append(_piece(_whole(value, bytes, "a piece")))
        elif number == 2:
            settings = dict(_fields(_whole(value, bytes, "the settings of its training")))
            file.model_type = _whole(settings.get(3, _UNIGRAM), int, "its type")
            file.suffix_space = bool(_whole(settings.get(24, 0), int, "what it does with spaces"))
            file.byte_fallback = bool(_whole(settings.get(35, 0), int, "its use of bytes"))
        elif number == 3:
            settings = dict(_fields(_whole(value, bytes, "the settings of its normalizer")))
            file.charsmap = _whole(settings.get(2, b""), bytes, "its map of characters")
            file.dummy_prefix = bool(_whole(settings.get(3, 1), int, "its use of a first space"))
            file.remove_extra_spaces = bool(_whole(settings.get(4, 1), int, "its use of spaces"))
    return file


def _piece(data: bytes) -> tuple[str, float, int]:
    values = dict(_fields(data))
    text = _whole(values.get(1, b""), bytes, "the text of a piece").decode("utf-8")
    score = _whole(values.get(2, 0.0), float, f"the score of the piece {text!r}")
    return text, score, _whole(values.get(3, _NORMAL), int, f"the kind of the piece {text!r}")


def _whole(value: bytes | int | float, kind: type[T], what: str) -> T:
    """A field's value, which the file may give in another form than the format has.

    Raises:
        ValueError: It does.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{what} is of another form than the format has")
    return value


def _check_pieces(file: _File, path: Path) -> None:
    """Raises ModelError where pieces make no vocabulary; its own library refuses these too."""
    seen: set[str] = set()
    for token_id, (piece, score, _) in enumerate(file.pieces):
        if not piece:
            problem = "is empty"
        elif piece in seen:
            problem = f"is {piece!r}, which is there already"
        elif not math.isfinite(score):
            problem = f"is {piece!r} with the score {score}"
        else:
            seen.add(piece)
            continue
        raise ModelError(f"{path} is damaged: its piece {token_id} {problem}. Fetch it again.")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    """The fields of a Protocol Buffers message: their numbers and values."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire in _FIXED:
            size = struct.calcsize(_FIXED[wire])
            yield number, struct.unpack(_FIXED[wire], _bytes(data, at, size, number))[0]
            at += size
        elif wire == 2:
            size, at = _varint(data, at)
            yield number, _bytes(data, at, size, number)
            at += size
        else:
            raise ValueError(f"byte {at} starts no field")


def _bytes(data: bytes, at: int, size: int, number: int) -> bytes:
    if at + size > len(data):
        raise ValueError(f"it ends in the middle of field {number}")
    return data[at : at + size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        if at == len(data):
            raise ValueError("it ends in the middle of a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(f"byte {at} is in no number")
