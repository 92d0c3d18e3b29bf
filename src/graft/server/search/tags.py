"""The tags that a repository is filtered by: what its card says, and what its files show."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graft.server.search.lineage import Base
from graft.server.search.values import dict_of, text_of, texts_of

MAX_TAGS = 300
MAX_TAG_LENGTH = 200
MAX_ARXIV = 30

# Keys of a data set's card whose values become tags `key:value`.
_DATASET_FACETS = {
    "task_categories": "task",
    "task_ids": "other",
    "size_categories": "other",
    "multilinguality": "other",
    "annotations_creators": "other",
    "language_creators": "other",
    "source_datasets": "other",
}
# Libraries that can be told by a file's name; the longest are looked at as they are.
_LIBRARY_FILES = {
    "pytorch": re.compile(r"(^|/)(pytorch_model.*\.bin|[^/]+\.(pt|pth|ckpt))$"),
    "tf": re.compile(r"(^|/)tf_model.*\.h5$"),
    "jax": re.compile(r"(^|/)flax_model.*\.msgpack$"),
    "safetensors": re.compile(r"\.safetensors$"),
    "onnx": re.compile(r"\.onnx$"),
    "gguf": re.compile(r"\.gguf$"),
    "tensorboard": re.compile(r"(^|/)events\.out\.tfevents\.[^/]+$"),
}
_FORMATS = {"parquet": "parquet", "csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json"}
_ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})|\barxiv:\s?(\d{4}\.\d{4,5})", re.I)


class Tags:
    """Tags with what they say, in the order in which they were found; each once."""

    def __init__(self) -> None:
        self.facets: dict[str, str] = {}
        """Tag -> facet (task, library, language, license, dataset, base, format, other)."""

    def add(self, facet: str, names: Iterable[str], prefix: str = "") -> None:
        """Adds `prefix` and each of the names, those that are too long left out."""
        for name in names:
            tag = f"{prefix}{name}"
            if len(tag) <= MAX_TAG_LENGTH and len(self.facets) < MAX_TAGS:
                self.facets.setdefault(tag, facet)


def model_tags(
    metadata: Mapping[str, Any],
    body: str,
    files: Iterable[str],
    config: Mapping[str, Any],
    *,
    task: str | None,
    library: str | None,
    bases: Sequence[Base],
) -> dict[str, str]:
    """A model's tags, each with its facet."""
    tags = Tags()
    paths = list(files)
    tags.add("task", [task] if task else [])
    tags.add("library", [library] if library else [])
    found = [n for n, name in _LIBRARY_FILES.items() if any(name.search(p) for p in paths)]
    tags.add("library", found)
    tags.add("other", texts_of(config.get("model_type")))
    tags.add("dataset", texts_of(metadata.get("datasets")), "dataset:")
    tags.add("base", [base.name for base in bases], "base_model:")
    for base in bases:
        tags.add("base", [base.name], f"base_model:{base.relation}:")
    if metadata.get("model-index"):
        tags.add("other", ["model-index"])
    if dict_of(config.get("auto_map")):
        tags.add("other", ["custom_code"])
    if metadata.get("co2_eq_emissions"):
        tags.add("other", ["co2_eq_emissions"])
    _add_common(tags, metadata, body)
    return tags.facets


def dataset_tags(metadata: Mapping[str, Any], body: str, files: Iterable[str]) -> dict[str, str]:
    """A data set's tags, each with its facet."""
    tags = Tags()
    for key, facet in _DATASET_FACETS.items():
        tags.add(facet, texts_of(metadata.get(key)), f"{key}:")
    endings = {path.rpartition(".")[2].lower() for path in files}
    tags.add("format", sorted({_FORMATS[end] for end in endings if end in _FORMATS}), "format:")
    if benchmark := text_of(metadata.get("benchmark")):
        tags.add("other", [benchmark], "benchmark:")
    _add_common(tags, metadata, body)
    return tags.facets


def _add_common(tags: Tags, metadata: Mapping[str, Any], body: str) -> None:
    tags.add("language", texts_of(metadata.get("language")), "language:")
    tags.add("license", texts_of(metadata.get("license")), "license:")
    papers = [one or other for one, other in _ARXIV.findall(body[:200_000])]
    tags.add("other", list(dict.fromkeys(papers))[:MAX_ARXIV], "arxiv:")
    tags.add("other", texts_of(metadata.get("tags")))
