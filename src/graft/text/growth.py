"""How long a text can become in a normalizer: some write a page in place of a letter."""

import base64
import re
from collections.abc import Mapping
from typing import Any

# The most that Unicode's forms make of one character: compatibility forms write out ligatures,
# canonical ones take letters and accents apart. All else replaces a character by a few bytes.
_BY_KIND = {"NFKC": 11, "NFKD": 11, "Strip": 1, "StripAccents": 1}
_BY_OTHERS = 3
_TEXT = re.compile(rb"[^\0]+")


def longest(normalizer: Mapping[str, Any] | None, size: int) -> int:
    """How many bytes a text of `size` bytes can have at most, once it is normalized.

    `normalizer` is the description of one that `assemble.normalizer` takes.
    """
    if normalizer is None:
        return size
    kind = normalizer["type"]
    if kind == "Sequence":
        for part in normalizer["normalizers"]:
            size = longest(part, size)
        return size
    if kind == "Prepend":
        return size + len(normalizer["prepend"].encode())
    if kind == "Replace":
        found, content = normalizer["pattern"].get("String"), len(normalizer["content"].encode())
        if found is None:  # a regular expression, which may find places between the bytes
            return size + (size + 1) * content
        return max(size, -(-size * content // max(1, len(found.encode()))))
    if kind == "Precompiled":
        blob = base64.b64decode(normalizer["precompiled_charsmap"])
        texts = _TEXT.finditer(blob, 4 + int.from_bytes(blob[:4], "little"))
        return size * max((text.end() - text.start() for text in texts), default=1)
    return size * _BY_KIND.get(kind, _BY_OTHERS)
