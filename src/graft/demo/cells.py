"""Scripts that are shown while they run: plain Python files, divided by lines of `# %% Title`."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

MARK = "# %%"


@dataclass(frozen=True)
class Cell:
    """A part of a script.

    Attributes:
        title: What it does, in plain words; "" for a part that is not worth showing.
        source: Its lines.
        code: The same, compiled; its line numbers are those of the file.
    """

    title: str
    source: str
    code: CodeType


@dataclass(frozen=True)
class Timing:
    """How long a step took, in seconds."""

    title: str
    seconds: float


def read_cells(path: Path) -> list[Cell]:
    """The cells of a script, in order; what stands before the first mark is a cell without title.

    Raises:
        SyntaxError: The script is not Python.
    """
    cells = []
    title, first, lines = "", 1, list[str]()
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), MARK], start=1):
        if not line.startswith(MARK):
            lines.append(line)
            continue
        source = "\n".join(lines)
        # Empty lines in front put the code where it stands in the file, for tracebacks.
        code = compile("\n" * (first - 1) + source, str(path), "exec")
        cells.append(Cell(title, source.strip(), code))
        title, first, lines = line.removeprefix(MARK).strip(), number + 1, []
    return cells


def run_cells(
    cells: list[Cell], announce: Callable[[Cell], None]
) -> tuple[list[Timing], dict[str, Any]]:
    """Runs cells one after the other, in a namespace that they share.

    Args:
        cells: What to run.
        announce: Called with each cell that has a title, before it runs.

    Returns:
        The time of each cell that has a title, and the names that the script has defined.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    timings = []
    for cell in cells:
        if cell.title:
            announce(cell)
        started = time.perf_counter()
        exec(cell.code, names)
        if cell.title:
            timings.append(Timing(cell.title, time.perf_counter() - started))
    return timings, names
