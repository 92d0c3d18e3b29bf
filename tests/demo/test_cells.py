"""Scripts that are shown while they run."""

import traceback
from pathlib import Path

import pytest

from graft.demo.cells import Cell, read_cells, run_cells

SCRIPT = '''"""What the script is for."""

start = 2

# %% Double it
doubled = start * 2

# %%
hidden = doubled + 1

# %% Fail where it is told to
if fails:
    raise ValueError("as told")
'''


def ignore(cell: Cell) -> None:
    """Shows nothing."""


def write(folder: Path, script: str) -> Path:
    path = folder / "script.py"
    path.write_text(script, encoding="utf-8")
    return path


def test_cells_run_in_order_in_one_namespace(tmp_path: Path) -> None:
    shown: list[Cell] = []
    script = SCRIPT.replace("if fails", "if hidden < 5")
    timings, names = run_cells(read_cells(write(tmp_path, script)), shown.append)
    assert (names["doubled"], names["hidden"]) == (4, 5)
    assert [cell.title for cell in shown] == ["Double it", "Fail where it is told to"]
    assert shown[0].source == "doubled = start * 2"
    assert [timing.title for timing in timings] == [cell.title for cell in shown]
    assert all(timing.seconds >= 0 for timing in timings)


def test_errors_name_the_line_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, SCRIPT.replace("if fails", "if hidden == 5"))
    with pytest.raises(ValueError, match="as told") as caught:
        run_cells(read_cells(path), ignore)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(path), 13)


def test_a_script_without_marks_is_one_cell(tmp_path: Path) -> None:
    timings, names = run_cells(read_cells(write(tmp_path, "a = 1\n")), ignore)
    assert timings == []
    assert names["a"] == 1
