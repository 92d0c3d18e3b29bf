"""Text files as blocks of whole lines, in Arrow: what readers of plain text and CoNLL share."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from graft.data.bad_rows import BadRows
from graft.data.data_file import DataFile
from graft.errors import DataError

BLOCK = 4 << 20
"""Characters that are read at a time."""
UTF_8 = "utf-8-sig"
"""The encoding where none is given: UTF-8, with or without a mark at its start."""
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


def text_blocks(file: DataFile, encoding: str, size: int = BLOCK) -> Iterator[str]:
    r"""Whole lines of a file, about `size` characters at a time, each ended by "\n" but the last.

    Line ends of every system become "\n". Bytes that are not of `encoding` stand as lone
    surrogates, so that their line can be named. Raises `DataError` for a line too long for Arrow,
    and for a file that cannot be decoded from some place on.
    """
    try:
        with io.TextIOWrapper(file.open(), encoding, errors="surrogateescape") as text:
            while block := text.read(size):
                if not block.endswith("\n"):
                    block += text.readline(LONGEST + 1 - len(block))
                if len(block) > LONGEST:
                    raise DataError(
                        f"{file.name}: a line is longer than {LONGEST:,} characters, the most that "
                        "one text can have. Cut it, or check that the file is text."
                    )
                yield block
    except UnicodeError as error:
        raise DataError(
            f"{file.name}: the file is not {_plain_name(encoding)} ({error}). "
            "Give the encoding that it is in: encoding='...'."
        ) from error
    except LookupError as error:
        raise DataError(f"encoding={encoding!r} is not an encoding that Python knows.") from error


def line_blocks(file: DataFile, encoding: str, bad: BadRows, size: int = BLOCK) -> Iterator[Lines]:
    """The lines of a file, as many at a time as `text_blocks` gives.

    A line whose bytes are not of `encoding` goes to `bad`; its text is "" then.
    """
    first = 1
    for block in text_blocks(file, encoding, size):
        wrong: list[int] = []
        if not is_decoded(block):
            block, wrong = _decodable(block, file, first, encoding, bad)
        whole = pa.array([block.removesuffix("\n")], pa.string())
        texts = pc.split_pattern(whole, "\n").flatten()
        trimmed = pc.utf8_trim(texts, _WHITE)
        blank = pc.equal(pc.binary_length(trimmed), 0).to_numpy(zero_copy_only=False)
        refused = np.zeros(len(texts), np.bool_)
        refused[wrong] = True
        yield Lines(first, texts, blank & ~refused, refused)
        first += len(texts)


def separated_blocks(
    file: DataFile, encoding: str, bad: BadRows, size: int = BLOCK
) -> Iterator[Lines]:
    """The lines of a file, cut at blank lines only: no paragraph or sentence is in two blocks."""
    pending: list[Lines] = []
    for lines in line_blocks(file, encoding, bad, size):
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


def is_decoded(text: str) -> bool:
    """Whether no byte was left that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def undecodable(file: DataFile, line: int, text: str, encoding: str) -> DataError:
    """The error for a line with bytes that are not of `encoding`: `text` has them as surrogates."""
    byte = next((ord(mark) - 0xDC00 for mark in text if "\udc80" <= mark <= "\udcff"), 0)
    return DataError(
        f"{file.name}, line {line}: byte 0x{byte:02x} is not {_plain_name(encoding)}. If the file "
        "is in another encoding, give it, such as encoding='windows-1252'."
    )


def _decodable(
    block: str, file: DataFile, first: int, encoding: str, bad: BadRows
) -> tuple[str, list[int]]:
    """`block` with the lines emptied that hold bytes that are not of the encoding, and which."""
    lines, wrong = block.split("\n"), []
    for number, line in enumerate(lines):
        if not is_decoded(line):
            error = undecodable(file, first + number, line, encoding)
            raw = line.encode("utf-8", "surrogateescape")
            bad.refuse(file.name, first + number, f"not {_plain_name(encoding)}", raw, error)
            lines[number] = ""
            wrong.append(number)
    return "\n".join(lines), wrong


def _plain_name(encoding: str) -> str:
    return "UTF-8" if encoding == UTF_8 else encoding


def _joined(parts: list[Lines]) -> Lines:
    if len(parts) == 1:
        return parts[0]
    return replace(
        parts[0],
        texts=pa.concat_arrays([part.texts for part in parts]),
        blank=np.concatenate([part.blank for part in parts]),
        refused=np.concatenate([part.refused for part in parts]),
    )
