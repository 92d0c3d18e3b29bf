"""How many numbers of which types a model's safetensors files hold, from their headers alone."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from graft.server.errors import EntryNotFoundError
from graft.server.records import Entry
from graft.server.search.values import MAX_COUNT, Read, dict_of, plain, read_json

MAX_HEADER_BYTES = 16 * 1024**2
MAX_INDEX_BYTES = 16 * 1024**2
MAX_FILES = 400
INDEX = ".safetensors.index.json"
SUFFIX = ".safetensors"


def weight_files(files: Mapping[str, Entry], read: Read) -> list[Entry]:
    """The safetensors files that make up the model.

    Those at the top, or where there are none those in folders. Where a file is there both whole and
    in shards, the whole one counts; of shards, those that their index names.
    """
    paths = [path for path in files if path.endswith((SUFFIX, INDEX))]
    top = [path for path in paths if "/" not in path]
    chosen = top or paths
    by_folder: dict[str, list[str]] = {}
    for path in chosen:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    found: list[Entry] = []
    for folder, members in by_folder.items():
        found += _of_folder(folder, members, files, read)
    return found[:MAX_FILES]


def count_weights(entry: Entry, read: Read) -> dict[str, int]:
    """Numbers by type; empty for what is no safetensors file, whatever its name."""
    counts: Counter[str] = Counter()
    if entry.size < 8:
        return {}
    try:
        length = int.from_bytes(read(entry, 0, 8), "little")
        if length > min(entry.size - 8, MAX_HEADER_BYTES):
            return {}
        tensors = json.loads(read(entry, 8, length))
        for name, tensor in tensors.items():
            if name != "__metadata__":
                counts[plain(str(tensor["dtype"]))] += _count_numbers(tensor["shape"])
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return {}
    except EntryNotFoundError:
        return {}
    return {dtype: min(count, MAX_COUNT) for dtype, count in counts.items()}


def add_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The sums of several files' counts."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return {dtype: min(count, MAX_COUNT) for dtype, count in total.items()}


def _of_folder(
    folder: str, members: list[str], files: Mapping[str, Entry], read: Read
) -> list[Entry]:
    whole = f"{folder}/model{SUFFIX}".lstrip("/")
    if whole in members:
        return [files[whole]]
    sharded: list[str] = []
    for path in members:
        if path.endswith(INDEX):
            named = dict_of(read_json(files[path], read, MAX_INDEX_BYTES).get("weight_map"))
            beside = path.rpartition("/")[0]
            shards = {f"{beside}/{name}".lstrip("/") for name in named.values()}
            sharded += sorted(shards & files.keys())
    if sharded:
        return [files[path] for path in dict.fromkeys(sharded)]
    return [files[path] for path in members if path.endswith(SUFFIX)]


def _count_numbers(shape: Any) -> int:
    """How many numbers a tensor holds. What is more than anybody has is not worth multiplying."""
    count = 1
    for length in shape:
        count = min(count * int(length), MAX_COUNT)
    return max(count, 0)
