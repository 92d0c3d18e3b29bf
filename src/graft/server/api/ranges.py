"""Which part of a file a request asks for (RFC 9110, section 14)."""

import re

from fastapi import Request

from graft.server.errors import RefusedError

# No file has a byte with a number of more digits.
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class RangeError(RefusedError):
    """A range that the file does not have."""

    status = 416


def parse_range(request: Request, size: int, headers: dict[str, str]) -> tuple[int, int, int]:
    """(start, end, status) of what is asked for; sets `Content-Range` for a part.

    `headers` are those of the answer, with the `ETag` that `If-Range` is compared with.

    Raises:
        RangeError: the file ends before it.
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if match is None or match.groups() == ("", "") or condition not in (None, headers["ETag"]):
        return 0, size, 200  # HTTP lets a server answer a range it does not understand in full
    first, last = match.groups()
    if first:
        start, end = int(first), min(int(last) + 1, size) if last else size
    else:
        start, end = max(0, size - int(last)), size
    if start >= end:
        raise RangeError(
            f"The file has {size} bytes; the range {match[0]} is not in it.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return start, end, 206
