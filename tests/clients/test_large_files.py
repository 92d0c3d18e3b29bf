"""Files of 50 MB through a Hub of its own by every client; `make prove-large` takes 2 GB."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts/hub_large.py"


def test_what_goes_in_one_way_comes_out_by_all(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--megabytes", "50", "--folder", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("down by") == 9
