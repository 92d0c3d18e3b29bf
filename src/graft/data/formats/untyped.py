"""What the texts of a file without types stand for: whole numbers, fractions, true or false."""

from collections.abc import Iterable
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

# What programs write in place of a number that is not there; in columns of texts, a text.
_MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
# Whole numbers of so many characters are of 64 bits; of so many, no digit is lost as a fraction.
_SURELY_WHOLE, _SURELY_FRACTION = 18, 15
_WHOLE = r"^-?(0|[1-9]\d*)$"
# The whole numbers among fractions are so short that none of their digits is lost.
_FRACTION = r"^-?(0|[1-9]\d{0,14}|(0|[1-9]\d*)(\.\d+([eE][-+]?\d+)?|[eE][-+]?\d+))$"
_TRUTH = r"^(True|False|true|false|TRUE|FALSE)$"
_PATTERNS = {_WHOLE: pa.int64(), _FRACTION: pa.float64(), _TRUTH: pa.bool_()}


@cache
def _missing() -> pa.Array:
    """Made when it is needed: to make one, Arrow imports pandas where it is installed."""
    return pa.array(_MISSING, pa.string())


def type_of_texts(chunks: Iterable[pa.Array]) -> pa.DataType | None:
    """The type that holds all of these texts as they are, missing ones left out: string [rows].

    It is int64, float64 or bool; None where they are to stay texts: `01`, a whole number of more
    digits than the type has, and where all are missing.
    """
    patterns = dict(_PATTERNS)
    filled = False
    for chunk in chunks:
        missing = pc.is_in(chunk, value_set=_missing())
        values = chunk.filter(pc.invert(missing)) if pc.any(missing).as_py() else chunk
        if len(values) == 0:
            continue
        filled = True
        longest = pc.max(pc.binary_length(values)).as_py()
        for pattern, kind in list(patterns.items()):
            if not _all_match(values, pattern) or (
                pattern == _WHOLE and longest > _SURELY_WHOLE and not _fits(values, kind)
            ):
                del patterns[pattern]
            elif pattern == _WHOLE and longest <= _SURELY_FRACTION:
                patterns.pop(_TRUTH, None)
                break  # they are fractions as well
        if not patterns:
            return None
    return next(iter(patterns.values())) if filled else None


def typed(texts: pa.Array, kind: pa.DataType, *, strays: bool = False) -> pa.Array:
    """Texts as what they stand for; missing ones become null, and with `strays` misfits too.

    Raises `pa.ArrowInvalid` for a text that is none of `kind`.
    """
    values = _present(texts)
    if strays and (rows := misfits(texts, kind)):
        wrong = pc.is_in(pa.array(range(len(texts))), value_set=pa.array(rows))
        values = pc.if_else(wrong, pa.scalar(None, pa.string()), values)
    return values.cast(kind)


def misfits(texts: pa.Array, kind: pa.DataType) -> list[int]:
    """The rows, from 0, whose text is none of `kind`, missing ones left out."""
    values = _present(texts)
    found = []
    pending = [(0, len(values))]
    while pending:
        start, stop = pending.pop()
        if start == stop or _fits(values.slice(start, stop - start), kind):
            continue
        if stop - start == 1:
            found.append(start)
            continue
        middle = (start + stop) // 2
        pending += [(middle, stop), (start, middle)]
    return found


def _present(texts: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_in(texts, value_set=_missing()), pa.scalar(None, pa.string()), texts)


def _all_match(values: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(values, pattern)).as_py() is not False


def _fits(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True
