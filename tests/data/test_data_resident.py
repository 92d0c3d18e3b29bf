"""Reading a mapped file in order leaves little of it in the process, and what was read valid."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from graft.data.mapped import open_mapped
from graft.data.rows import Rows

SIZE = 200 << 20


def of_files() -> int:
    """Bytes of files' pages in this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


@pytest.mark.skipif(sys.platform != "linux", reason="what is resident is read as Linux tells it")
def test_reading_in_order_leaves_little_in_the_process(tmp_path: Path) -> None:
    path = tmp_path / "rows.arrow"
    batch = pa.RecordBatch.from_pydict({"n": np.arange(1 << 18)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        for _ in range(SIZE // batch.nbytes):
            writer.write_batch(batch)
    rows = Rows(open_mapped(path))
    before = of_files()
    held, most, total = [], 0, 0
    for part in rows.batches(10_000):
        total += int(part.column(0).to_numpy().sum())
        held.append(part)
        most = max(most, of_files() - before)
    assert most < SIZE // 2
    assert total == (SIZE // batch.nbytes) * int(np.arange(1 << 18).sum())
    # What was let go of is there again when it is looked at.
    assert sum(int(part.column(0).to_numpy().sum()) for part in held) == total
