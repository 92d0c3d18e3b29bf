"""Folders as `save_to_disk` of `datasets` writes them: Arrow streams, and JSON about them.

A split is a folder with `state.json` (its files, in order), `dataset_info.json` and the files. Of
several splits, each is a folder in one with `dataset_dict.json`, which lists their names.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graft.data.feature_forms import features_to_json
from graft.data.writing.full_disk import told_when_full
from graft.data.writing.shards import write_arrow
from graft.errors import DataError
from graft.files import atomic_folder

if TYPE_CHECKING:
    from graft.data.dataset import Dataset

_DICT, _STATE, _INFO = "dataset_dict.json", "state.json", "dataset_info.json"


def files_on_disk(folder: Path, where: str) -> dict[str, list[Path]] | None:
    """The files of each split of a folder that `save_to_disk` wrote; None for any other folder.

    `where` names the folder in errors. Raises `DataError` for a folder that is not whole.
    """
    if (folder / _DICT).is_file():
        names = _read(folder / _DICT, where).get("splits")
        if not isinstance(names, list) or not names:
            raise DataError(f"{where}/{_DICT} lists no splits. Save the data set again.")
        for name in names:
            if not (folder / str(name) / _STATE).is_file():
                raise DataError(
                    f"{where}/{_DICT} names the split {name!r}, but {name}/{_STATE} is not there. "
                    "Copy the whole folder, or save the data set again."
                )
        return {str(name): _files(folder / str(name), f"{where}/{name}") for name in names}
    if (folder / _STATE).is_file() and (folder / _INFO).is_file():
        split = _read(folder / _STATE, where).get("_split")
        return {str(split or "train"): _files(folder, where)}
    return None


def write_to_disk(splits: Mapping[str, "Dataset"], folder: Path, most_bytes: int) -> None:
    """Writes such a folder, all at once; files hold about `most_bytes` of rows in memory."""
    with told_when_full(folder), atomic_folder(folder) as temporary:
        for name, dataset in splits.items():
            _write_split(name, dataset, temporary / name, most_bytes)
        _write(temporary / _DICT, {"splits": [*splits]})


def _write_split(name: str, dataset: "Dataset", folder: Path, most_bytes: int) -> None:
    shards = write_arrow(
        dataset.batches(),
        dataset.features,
        lambda number, count: folder / f"data-{number:05d}-of-{count:05d}.arrow",
        most_bytes,
    )
    state: dict[str, Any] = {
        "_data_files": [{"filename": path.name} for path in shards.paths],
        "_fingerprint": dataset.fingerprint[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": name,
    }
    info = {
        "citation": "",
        "description": "",
        "features": features_to_json(dataset.features),
        "homepage": "",
        "license": "",
    }
    _write(folder / _STATE, state)
    _write(folder / _INFO, info)


def _files(folder: Path, where: str) -> list[Path]:
    state = _read(folder / _STATE, where)
    if state.get("_indices_data_files"):
        raise DataError(
            f"{where}: the rows are kept in another order than they are read in, by an old version "
            "of datasets. Load it there, and save flatten_indices() of it."
        )
    entries = state.get("_data_files")
    names = [entry.get("filename") for entry in entries or [] if isinstance(entry, dict)]
    files = [folder / str(name) for name in names]
    missing = [path.name for path in files if path.parent != folder or not path.is_file()]
    if missing or not files:
        raise DataError(
            f"{where}/{_STATE} names the file {', '.join(missing) or 'of no rows'}, which is not "
            "there. Copy the whole folder, or save the data set again."
        )
    return files


def _read(path: Path, where: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DataError(
            f"{where}/{path.name} is not valid JSON ({error}). Save the data set again."
        ) from error
    if not isinstance(content, dict):
        raise DataError(f"{where}/{path.name} holds no JSON object. Save the data set again.")
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
