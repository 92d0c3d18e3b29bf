"""Text files as blocks of whole lines, in Arrow: what readers of plain text and CoNLL share."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.formats.bad_rows import BadRows
from graft.data.formats.encoding import UNDECODABLE, Text
from graft.errors import DataError

BLOCK = 1 << 20
"""Characters that are read at a time."""
# Arrow's strings hold 2 GiB, and a character is at most four bytes.
LONGEST = (1 << 29) - 1
"""Characters that one text can have."""
# What counts as white space where lines are blank: that of ASCII, as in Markdown.
_WHITE = " \t\r\n\v\f"

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Lines:
    """Lines that follow each other in a file.

    Attributes:
        first: the number of the first one in the file, from 1.
        texts: string [lines], without their ends.
        blank: bool [lines], whether a line is empty or white space alone.
        refused: bool [lines], whether a line could not be decoded and was set aside.
    """

    first: int
    texts: pa.StringArray
    blank: Mask
    refused: Mask

    def __len__(self) -> int:
        return len(self.texts)

    def slice(self, start: int, stop: int | None = None) -> "Lines":
        """The lines from `start` up to `stop`, counted from 0 within these."""
        stop = len(self) if stop is None else stop
        return Lines(
            self.first + start,
            self.texts.slice(start, stop - start),
            self.blank[start:stop],
            self.refused[start:stop],
        )

    @property
    def groups(self) -> npt.NDArray[np.intp]:
        """Which group each line is of, [lines]: the lines between two blank ones are one."""
        return np.cumsum(self.blank)


def text_blocks(text: Text, size: int = BLOCK) -> Iterator[str]:
    r"""Whole lines of a file, about `size` characters at a time, each ended by "\n" but the last.

    Line ends of every system become "\n". Raises `DataError` for a line too long for Arrow, and
    where bytes are not of the encoding.
    """
    with io.TextIOWrapper(text.open(), "utf-8") as stream:
        while block := stream.read(size):
            if not block.endswith("\n"):
                block += stream.readline(LONGEST + 1 - len(block))
            if len(block) > LONGEST:
                raise DataError(
                    f"{text.file.name}: a line is longer than {LONGEST:,} characters, the most "
                    "that one text can have. Cut it, or check that the file is text."
                )
            yield block


def line_blocks(text: Text, bad: BadRows, size: int = BLOCK) -> Iterator[Lines]:
    """The lines of a file, as many at a time as `text_blocks` gives.

    A line with bytes that are not of the encoding goes to `bad`, and is told by `Lines.refused`.
    """
    first = 1
    for block in text_blocks(text, size):
        whole = pa.array([block.removesuffix("\n")], pa.string())
        texts = pc.split_pattern(whole, "\n").flatten()
        trimmed = pc.utf8_trim(texts, _WHITE)
        blank = pc.equal(pc.binary_length(trimmed), 0).to_numpy(zero_copy_only=False)
        refused = np.zeros(len(texts), np.bool_)
        if text.keep_undecodable:
            refused = pc.match_substring(texts, UNDECODABLE).to_numpy(zero_copy_only=False)
            for place in np.flatnonzero(refused):
                refuse_undecodable(text, first + int(place), str(texts[int(place)]), bad)
        yield Lines(first, texts, blank, refused)
        first += len(texts)


def refuse_undecodable(text: Text, line: int, raw: str, bad: BadRows) -> None:
    """Sets aside what has bytes that are not of the encoding; `raw` starts at that line."""
    name = text.file.name
    error = DataError(f"{name}, line {line}: bytes that are not {text.encoding}.")
    raw = raw.replace(UNDECODABLE, "\ufffd")
    bad.refuse(name, line, f"bytes that are not {text.encoding}", raw, error)


def separated_blocks(text: Text, bad: BadRows, size: int = BLOCK) -> Iterator[Lines]:
    """The lines of a file, cut at blank lines only: no paragraph or sentence is in two blocks."""
    pending: list[Lines] = []
    for lines in line_blocks(text, bad, size):
        blanks = np.flatnonzero(lines.blank)
        if not len(blanks):
            pending.append(lines)
            continue
        cut = int(blanks[-1]) + 1
        yield _joined([*pending, lines.slice(0, cut)])
        pending = [lines.slice(cut)] if cut < len(lines) else []
    if pending:
        yield _joined(pending)


def without_groups(lines: Lines, wrong: Mask) -> Mask:
    """Which lines are in groups of which no line is `wrong`: bool [lines], both."""
    if not wrong.any():
        return np.ones(len(lines), np.bool_)
    groups = lines.groups
    return ~np.isin(groups, groups[wrong])


def starts_of_groups(
    lines: Lines, places: npt.NDArray[np.intp]
) -> tuple[pa.Array, npt.NDArray[np.intp]]:
    """Where groups start among the lines at `places` (int32 [groups + 1]), and which they are."""
    groups = lines.groups[places]
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    return pa.array(np.append(starts, len(places)), pa.int32()), groups[starts]


def _joined(parts: list[Lines]) -> Lines:
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        texts=pa.concat_arrays([part.texts for part in parts]),
        blank=np.concatenate([part.blank for part in parts]),
        refused=np.concatenate([part.refused for part in parts]),
    )
