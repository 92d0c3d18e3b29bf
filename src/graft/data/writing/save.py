"""Writing a data set as a folder that Graft, a hub and `datasets` read: Parquet and a card."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.data.features import class_label_in, features_to_yaml
from graft.data.writing.card import CARD, DEFAULT, configs_of, with_config
from graft.data.writing.card_text import body_with, section_of
from graft.data.writing.figures import Figures
from graft.data.writing.full_disk import told_when_full
from graft.data.writing.shards import SHARD_BYTES, Shards, write_parquet
from graft.errors import DataError
from graft.files import atomic_folder
from graft.hub.card import parse_card, render_header

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

_DATA = "data"
_OWN_FILE = re.compile(r".+-\d{5}-of-\d{5}\.parquet")
_NAME = re.compile(r"\w[\w.-]*")
# What a card says of each configuration.
_OF_CONFIGS = ("configs", "dataset_info", "roles")
_SIZES = [
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
]
_TASKS = {
    "label": "text-classification",
    "tags": "token-classification",
    "answers": "question-answering",
}


@dataclass(frozen=True)
class Layout:
    """How a data set is written.

    Attributes:
        title: the heading of a new card, and what it says to load.
        config: the configuration that the splits are of.
        most_bytes: bytes of rows in memory that a file may hold.
        card: the card that is there already; what it says beyond this configuration stays.
    """

    title: str
    config: str = DEFAULT
    most_bytes: int = SHARD_BYTES
    card: str = ""


def folder_of(config: str) -> str:
    """The folder that the files of a configuration are in. Raises `DataError` for a bad name."""
    if config == DEFAULT:
        return _DATA
    if config == _DATA or not _NAME.fullmatch(config):
        raise DataError(
            f"{config!r} cannot be the name of a configuration. Use letters, digits, '_', '-' and "
            f"'.', and not {_DATA!r}, where the files of the default configuration are."
        )
    return config


def replaced_by(config: str, card: str) -> list[str]:
    """Patterns of the files that a configuration had, by the card that there is."""
    metadata, _ = parse_card(card)
    entries = configs_of(metadata)
    listed = entries.pop(config, {}).get("data_files")
    others = {path for entry in entries.values() for path in _paths(entry.get("data_files"))}
    old = [path for path in _paths(listed) if path not in others]
    return [f"{folder_of(config)}/*.parquet", *old]


def save_folder(
    splits: Mapping[str, "Dataset"], folder: Path, metadata: Mapping[str, Any], layout: Layout
) -> None:
    """Writes a folder as `write_folder` does, into one that may hold other configurations.

    Files that this configuration had before and no longer has are removed at the end.
    """
    old = folder / CARD
    if old.is_file():
        layout = replace(layout, card=old.read_text("utf-8"))
    with told_when_full(folder), atomic_folder(folder) as temporary:
        write_folder(splits, temporary, metadata, layout)
        new = {path.relative_to(temporary) for path in temporary.rglob("*")}
    for path in sorted((folder / folder_of(layout.config)).glob("*.parquet")):
        if _OWN_FILE.fullmatch(path.name) and path.relative_to(folder) not in new:
            path.unlink()


def write_folder(
    splits: Mapping[str, "Dataset"], folder: Path, metadata: Mapping[str, Any], layout: Layout
) -> None:
    """Writes `data/<split>-00000-of-0000N.parquet` per split and README.md into an empty folder.

    A batch of rows is in memory at a time. `metadata` is kept in the card's header. Raises
    `DataError` for a split whose name cannot be that of a file, and for values that are not of
    their feature.
    """
    base = folder / folder_of(layout.config)
    for name in splits:
        if not name.replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            raise DataError(
                f"{name!r} cannot be the name of a split. Use letters, digits, '_' and '.'."
            )
    figures = {name: Figures(dataset) for name, dataset in splits.items()}
    written = {
        name: write_parquet(
            figures[name].counting(dataset.batches()),
            dataset.features,
            _file_name(base, name),
            layout.most_bytes,
        )
        for name, dataset in splits.items()
    }
    old, body = parse_card(layout.card)
    header = _header(splits, written, {**old, **metadata}, old, layout.config)
    first = next(iter(splits.values()))
    classes = {
        column: label.names
        for column in next(iter(figures.values())).balance
        if (label := class_label_in(first.features[column])) is not None
    }
    section = section_of(layout.title, layout.config, first.roles, classes, figures)
    text = body_with(body, layout.title, layout.config, section)
    card = render_header(header, exact=["dataset_info"]) + "\n" + text
    (folder / CARD).write_text(card, encoding="utf-8")


def _file_name(folder: Path, split: str) -> Callable[[int, int], Path]:
    return lambda number, count: folder / f"{split}-{number:05d}-of-{count:05d}.parquet"


def _header(
    splits: Mapping[str, "Dataset"],
    written: Mapping[str, Shards],
    metadata: Mapping[str, Any],
    old: Mapping[str, Any],
    config: str,
) -> dict[str, Any]:
    first = next(iter(splits.values()))
    info = {
        "features": features_to_yaml(first.features),
        "splits": [
            {"name": name, "num_bytes": written[name].num_bytes, "num_examples": len(dataset)}
            for name, dataset in splits.items()
        ],
        "download_size": sum(
            path.stat().st_size for shards in written.values() for path in shards.paths
        ),
        "dataset_size": sum(shards.num_bytes for shards in written.values()),
    }
    files = [
        {"split": name, "path": _pattern(config, name, len(shards.paths))}
        for name, shards in written.items()
    ]
    told = {key: old[key] for key in _OF_CONFIGS if key in old}
    kept = {key: value for key, value in metadata.items() if key not in _OF_CONFIGS}
    header = with_config({**kept, **told}, config, files, info, first.roles.given())
    tasks = [task for role, task in _TASKS.items() if _is_trained(first, role)]
    header.setdefault("task_categories", tasks)
    rows = _all_rows(header["dataset_info"])
    header["size_categories"] = [next((size for most, size in _SIZES if rows < most), "n>1B")]
    return dict(sorted(header.items(), key=lambda item: item[0] in _OF_CONFIGS))


def _is_trained(dataset: "Dataset", role: str) -> bool:
    """Whether a role makes a task of the data set; a label that is a measure does not."""
    column = dataset.roles.given().get(role)
    if column is None:
        return False
    return role != "label" or class_label_in(dataset.features[column]) is not None


def _all_rows(infos: Any) -> int:
    """Rows of all splits of all configurations."""
    entries = infos if isinstance(infos, list) else [infos]
    splits = [split for entry in entries for split in entry.get("splits") or []]
    return sum(int(split.get("num_examples") or 0) for split in splits)


def _pattern(config: str, name: str, count: int) -> str:
    number = "00000" if count == 1 else "*"
    return f"{folder_of(config)}/{name}-{number}-of-{count:05d}.parquet"


def _paths(data_files: Any) -> list[str]:
    """The patterns in `data_files`, in whichever form it is written."""
    if isinstance(data_files, str):
        return [data_files]
    if isinstance(data_files, Mapping):
        listed = [data_files["path"]] if "path" in data_files else [*data_files.values()]
        return [path for entry in listed for path in _paths(entry)]
    return [path for entry in data_files or [] for path in _paths(entry)]
