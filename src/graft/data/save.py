"""Writing a data set as a folder that Graft, a hub and `datasets` read: Parquet and a card."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from graft.data.card import CARD
from graft.data.features import features_to_yaml, with_metadata
from graft.data.roles import is_list
from graft.data.texts import join_tokens
from graft.errors import DataError
from graft.files import atomic_folder
from graft.hub.card import render_header

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

DATA = "data"
_SHARD_BYTES = 500 << 20
_SIZES = [
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
]
_Splits = Mapping[str, "Dataset"]


def write_folder(
    splits: _Splits, folder: Path, metadata: Mapping[str, Any], *, title: str | None = None
) -> None:
    """Writes `data/<split>-00000-of-0000N.parquet` per split and README.md, all or nothing.

    `metadata` is kept in the card's header; `title` is its heading. Raises `DataError` for a split
    whose name cannot be that of a file.
    """
    for name in splits:
        if not name.replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            raise DataError(
                f"{name!r} cannot be the name of a split. Use letters, digits, '_' and '.'."
            )
    with atomic_folder(folder) as temporary:
        written = {
            name: _write_split(dataset, name, temporary / DATA) for name, dataset in splits.items()
        }
        card = _header(splits, written, metadata) + "\n" + _body(splits, title or folder.name)
        (temporary / CARD).write_text(card, encoding="utf-8")


def _write_split(dataset: "Dataset", name: str, folder: Path) -> list[Path]:
    """The files written. Each holds about as many rows, in order."""
    folder.mkdir(exist_ok=True)
    table = with_metadata(dataset.table, dataset.features)
    count = max(math.ceil(table.nbytes / _SHARD_BYTES), 1)
    rows = max(math.ceil(table.num_rows / count), 1)
    paths = []
    for number in range(count):
        path = folder / f"{name}-{number:05d}-of-{count:05d}.parquet"
        pq.write_table(table.slice(number * rows, rows), path, compression="zstd")
        paths.append(path)
    return paths


def _header(splits: _Splits, written: Mapping[str, list[Path]], metadata: Mapping[str, Any]) -> str:
    first = next(iter(splits.values()))
    info = {
        "features": features_to_yaml(first.features),
        "splits": [
            {"name": name, "num_bytes": dataset.table.nbytes, "num_examples": len(dataset)}
            for name, dataset in splits.items()
        ],
        "download_size": sum(path.stat().st_size for paths in written.values() for path in paths),
        "dataset_size": sum(dataset.table.nbytes for dataset in splits.values()),
    }
    files = [{"split": name, "path": _pattern(name, len(paths))} for name, paths in written.items()]
    kept = {key: value for key, value in metadata.items() if key not in ("configs", "dataset_info")}
    if first.label_names:
        kept.setdefault("task_categories", ["text-classification"])
    total = sum(len(dataset) for dataset in splits.values())
    kept["size_categories"] = [next((size for most, size in _SIZES if total < most), "n>10M")]
    kept["roles"] = asdict(first.roles)
    configs = [{"config_name": "default", "data_files": files}]
    return render_header({**kept, "configs": configs, "dataset_info": info})


def _pattern(name: str, count: int) -> str:
    number = "00000" if count == 1 else "*"
    return f"{DATA}/{name}-{number}-of-{count:05d}.parquet"


def _body(splits: _Splits, title: str) -> str:
    first = next(iter(splits.values()))
    roles = [("text", first.roles.text), ("text pair", first.roles.text_pair)]
    named = [
        f"{role}: `{column}`" for role, column in [*roles, ("label", first.roles.label)] if column
    ]
    parts = [
        f"# {_plain(title)}",
        f"Columns: {', '.join(named)}.",
        "## Splits",
        _table(
            ["split", "rows", "characters per text (mean)", "longest"],
            [[name, f"{len(dataset):,}", *_lengths(dataset)] for name, dataset in splits.items()],
        ),
    ]
    if first.label_names:
        counts = [dataset.label_counts() for dataset in splits.values()]
        rows = [[label, *(f"{split[label]:,}" for split in counts)] for label in first.label_names]
        parts += ["## Labels", _table(["label", *splits], rows)]
    parts += ["## How to load it", _usage(title)]
    return "\n\n".join(parts) + "\n"


def _usage(title: str) -> str:
    return f"```python\nimport graft\n\ndata = graft.load_dataset({json.dumps(title)})\n```"


def _lengths(dataset: "Dataset") -> list[str]:
    texts = dataset.column(dataset.roles.text)
    lengths = pc.utf8_length(join_tokens(texts) if is_list(texts.type) else texts)
    mean, longest = pc.mean(lengths).as_py() or 0, pc.max(lengths).as_py() or 0
    return [f"{mean:,.0f}", f"{longest:,}"]


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    lines += [[_plain(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is, in one line."""
    escaped = "".join(f"\\{mark}" if mark in "\\`*_{}[]<>#|" else mark for mark in text)
    return " ".join(escaped.split())
