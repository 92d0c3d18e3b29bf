"""Rows that cannot be read: an error for the first, or set aside and counted."""

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

from graft.errors import DataError

OnBadRows = Literal["raise", "collect"]

SCHEMA = pa.schema(
    [("file", pa.string()), ("line", pa.int64()), ("reason", pa.string()), ("raw", pa.string())]
)
NONE = pa.Table.from_batches([], SCHEMA)
"""What a data set has of them where all its rows could be read."""
_MOST_KEPT = 10_000
_SHOWN = 200


@dataclass
class BadRows:
    """What becomes of the rows that cannot be read.

    Attributes:
        collect: whether they are set aside; otherwise the first raises its error.
        count: how many were set aside. Of these the first 10,000 are kept in `table()`.
    """

    collect: bool = False
    count: int = 0
    _rows: list[dict[str, object]] = field(default_factory=list)

    def refuse(
        self, file: str, line: int | None, reason: str, raw: str | bytes, error: DataError
    ) -> None:
        """Sets a row aside, or raises `error`.

        Args:
            file: the file's name, as errors say it.
            line: the line it starts on, from 1; None where the format has no lines.
            reason: what is wrong with it, in a few words.
            raw: the row as the file has it; its first 200 characters are kept.
            error: what to raise where rows are not set aside.
        """
        if not self.collect:
            raise error
        self.count += 1
        if len(self._rows) < _MOST_KEPT:
            text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            self._rows.append({"file": file, "line": line, "reason": reason, "raw": shown})

    def none_left(self, file: str) -> DataError | None:
        """The error where a file has no other rows than bad ones; None where it has no bad ones."""
        rows = [row for row in self._rows if row["file"] == file]
        if not rows:
            return None
        line = f" (line {rows[0]['line']})" if rows[0]["line"] else ""
        return DataError(
            f"{file}: no row could be read, and all were set aside; the first{line}, for instance: "
            f"{rows[0]['reason']}. Check that the file is what its name says."
        )

    def table(self) -> pa.Table:
        """The rows set aside: file: string, line: int64 (from 1), reason: string, raw: string."""
        return pa.Table.from_pylist(self._rows, SCHEMA)
