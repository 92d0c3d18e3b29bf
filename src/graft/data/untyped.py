"""What the texts of a file without types stand for: whole numbers, fractions, true or false."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

# What programs write in place of a number that is not there; in columns of texts, a text.
_MISSING = pa.array(["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None"], pa.string())
_WHOLE = r"^-?(0|[1-9]\d*)$"
# The whole numbers among fractions are so short that none of their digits is lost.
_FRACTION = r"^-?(0|[1-9]\d{0,14}|(0|[1-9]\d*)(\.\d+([eE][-+]?\d+)?|[eE][-+]?\d+))$"
_TRUTH = r"^(True|False|true|false|TRUE|FALSE)$"
_PATTERNS = {_WHOLE: pa.int64(), _FRACTION: pa.float64(), _TRUTH: pa.bool_()}


def type_of_texts(chunks: Iterable[pa.Array]) -> pa.DataType | None:
    """The type that holds all of these texts as they are, missing ones left out: string [rows].

    It is int64, float64 or bool; None where they are to stay texts: `01`, a whole number of more
    digits than the type has, and where all are missing.
    """
    patterns = dict(_PATTERNS)
    filled = False
    for chunk in chunks:
        values = chunk.filter(pc.invert(pc.is_in(chunk, value_set=_MISSING)))
        filled = filled or len(values) > 0
        for pattern, kind in list(patterns.items()):
            if not _all_match(values, pattern) or (pattern == _WHOLE and not _fits(values, kind)):
                del patterns[pattern]
        if not patterns:
            return None
    return next(iter(patterns.values())) if filled else None


def typed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Texts as what they stand for; missing ones become null.

    Raises `pa.ArrowInvalid` for a text that is none of `kind`.
    """
    missing = pc.is_in(texts, value_set=_MISSING)
    return pc.if_else(missing, pa.scalar(None, pa.string()), texts).cast(kind)


def _all_match(values: pa.Array, pattern: str) -> bool:
    return pc.all(pc.match_substring_regex(values, pattern)).as_py() is not False


def _fits(values: pa.Array, kind: pa.DataType) -> bool:
    try:
        values.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True
