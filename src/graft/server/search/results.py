"""Evaluation results: those in `.eval_results/*.yaml`, and those in the card's `model-index`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graft.errors import CardError
from graft.hub.header import parse_yaml
from graft.server.errors import EntryNotFoundError
from graft.server.names import CARD_FILE
from graft.server.records import Entry
from graft.server.search.values import Read, dict_of, dicts_of, plain, text_of

FOLDER = ".eval_results/"
MAX_FILE_BYTES = 256 * 1024
MAX_FILES = 100
MAX_RESULTS = 500


@dataclass(frozen=True)
class Result:
    """One figure of a model on a data set."""

    dataset: str
    task_id: str
    value: float
    filename: str
    details: dict[str, Any]


def eval_results(files: Mapping[str, Entry], read: Read) -> list[dict[str, Any]]:
    """The entries of all files in `.eval_results`, as clients read them: each with its file's name,
    or for a file that cannot be read the reason as `error`."""
    found: list[dict[str, Any]] = []
    paths = [p for p in files if p.startswith(FOLDER) and p.endswith((".yaml", ".yml"))]
    for path in paths[:MAX_FILES]:
        try:
            entries = _entries(files[path], read)
        except (CardError, EntryNotFoundError, ValueError) as error:
            found.append({"filename": path, "error": str(error)})
            continue
        found += [{"filename": path, "verified": False, "data": entry} for entry in entries]
    return found[:MAX_RESULTS]


def figures(listed: list[dict[str, Any]], metadata: Mapping[str, Any]) -> list[Result]:
    """All results that are numbers, from the files and from the card."""
    found = []
    for item in listed:
        data = dict_of(item.get("data"))
        value = _number(data.get("value"))
        if value is not None:
            dataset = data["dataset"]
            result = Result(dataset["id"], dataset["task_id"], value, item["filename"], data)
            found.append(result)
    return [*found, *_of_card(metadata)][:MAX_RESULTS]


def _entries(entry: Entry, read: Read) -> list[dict[str, Any]]:
    if entry.size > MAX_FILE_BYTES:
        raise ValueError(f"{entry.path} has more than {MAX_FILE_BYTES} bytes.")
    values = plain(parse_yaml(read(entry, 0, entry.size), entry.path))
    items = values if isinstance(values, list) else [values]
    for number, item in enumerate(items, start=1):
        problem = _problem(item)
        if problem:
            raise ValueError(f"{entry.path}, entry {number}: {problem}")
    return items


def _problem(item: Any) -> str | None:
    if not isinstance(item, dict):
        return "must be lines of `key: value`."
    dataset = item.get("dataset")
    if not isinstance(dataset, dict) or not text_of(dataset.get("id")):
        return "`dataset.id` must name a data set."
    if not text_of(dataset.get("task_id")):
        return "`dataset.task_id` must name the task."
    if max(len(dataset["id"]), len(dataset["task_id"])) > 200:
        return "`dataset.id` and `dataset.task_id` may have 200 characters."
    if "value" not in item:
        return "`value` is missing."
    source = item.get("source")
    if source is not None and (not isinstance(source, dict) or not text_of(source.get("url"))):
        return "`source.url` must say where the result comes from."
    return None


def _of_card(metadata: Mapping[str, Any]) -> list[Result]:
    found = []
    for model in dicts_of(metadata.get("model-index")):
        for result in dicts_of(model.get("results")):
            dataset = text_of(dict_of(result.get("dataset")).get("type"))
            for metric in dicts_of(result.get("metrics")):
                value, name = _number(metric.get("value")), text_of(metric.get("type"))
                if dataset and name and value is not None and len(dataset + name) <= 200:
                    found.append(Result(dataset, name, value, CARD_FILE, result))
    return found


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
