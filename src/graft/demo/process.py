"""Runs one script of the demo in a process of its own: `python -m graft.demo.process`.

The process has an environment of its own, so that the demo uses neither the user's hub nor their
cache and token. It leaves a report for the process that started it.
"""

import json
import sys
import traceback
from dataclasses import asdict
from itertools import count
from pathlib import Path

from rich.console import Console

from graft.demo.announce import announce
from graft.demo.cells import Cell, read_cells, run_cells
from graft.errors import GraftError
from graft.files import atomic_file


def main(arguments: list[str]) -> int:
    """Runs a script and writes its report.

    Args:
        arguments: The script; the report's path; the number of its first step; and what the script
            finds as its own arguments.

    Returns:
        The exit code: 0, or that of the command line for the error, which the report tells.
    """
    script, report, first, *rest = arguments
    sys.argv = [script, *rest]
    console = Console(highlight=False)
    numbers = count(int(first))
    shown = ""

    def show(cell: Cell) -> None:
        nonlocal shown
        shown = cell.title
        announce(console, next(numbers), cell.title, cell.source, "python")

    try:
        timings, names = run_cells(read_cells(Path(script)), show)
    except GraftError as error:
        _write(Path(report), {"step": shown, "error": str(error)})
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        traceback.print_exc()
        _write(Path(report), {"step": shown, "bug": f"{type(error).__name__}: {error}"})
        return 1
    steps = [asdict(timing) for timing in timings]
    _write(Path(report), {"steps": steps, "figures": names["figures"]})
    return 0


def _write(path: Path, report: dict[str, object]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
