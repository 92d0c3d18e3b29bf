"""Folders of plain text whose names are labels: a sub-folder, or a file, per class.

`pos/0001.txt` is a document of the class `pos`, and each line of `pos.txt` a text of it. Both may
stand within a folder per split, or have one within (`train/pos/0001.txt`, `pos/train/0001.txt`).
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO

import pyarrow as pa

from graft.data.features import ClassLabel
from graft.data.fingerprint import digest
from graft.data.fingerprint.files import file_digest
from graft.data.formats.bad_rows import BadRows
from graft.data.formats.data_file import Content, DataFile, Options
from graft.data.formats.text_file import read_text
from graft.data.reading.folder_files import SPLIT_WORDS, Files, natural, stem
from graft.data.reading.raw import Stream
from graft.data.reading.splits import unsharded

_log = logging.getLogger("graft.data")

LABEL = "label"
_UNLABELLED = {"unsup", "unsupervised", "unlabeled", "unlabelled"}
_UNSUPERVISED = "unsupervised"
_ROWS = 1000
_SMALL = 1 << 20
_SHOWN = 3

_Classes = dict[str, dict[str | None, list[DataFile]]]


def class_streams(files: Files, where: str, options: Options) -> dict[str, Stream] | None:
    """The splits of texts with their labels, where folders or files are named by classes.

    Args:
        files: files of plain text by their paths within the data set.
        where: how errors name the data set.
        options: those of `read_text`; a folder per class is read by="document" where `by` is not
            given.

    Returns:
        A stream of `text` and `label` per split; None where the names are not those of classes.
        Texts in a folder "unsup" (or "unlabeled") are the split "unsupervised", without labels.
    """
    files = {at: files[at] for at in sorted(files, key=natural)}
    by_folder = _by_folder(files, where)
    if by_folder:
        return _streams(by_folder, where, {"by": "document", **options})
    by_file = _by_file(files)
    return _streams(by_file, where, options) if by_file else None


def _by_folder(files: Files, where: str) -> _Classes:
    found: _Classes = {}
    loose = []
    for path, file in files.items():
        split, folders = _split_of(path.parts[:-1])
        if not folders:
            loose.append(path)
        elif folders[-1].lower() in _UNLABELLED:
            found.setdefault(_UNSUPERVISED, {}).setdefault(None, []).append(file)
        else:
            found.setdefault(split, {}).setdefault("/".join(folders), []).append(file)
    if len(_names(found)) < 2 or any(_means_split(stem(path)) for path in loose):
        return {}
    if loose:
        shown = ", ".join(map(str, loose[:_SHOWN])) + (", ..." if len(loose) > _SHOWN else "")
        _log.warning("%s: left out, as they are in no folder of a class: %s", where, shown)
    return found


def _by_file(files: Files) -> _Classes:
    found: _Classes = {}
    for path, file in files.items():
        split, folders = _split_of(path.parts[:-1])
        if folders or _means_split(stem(path)):
            return {}
        found.setdefault(split, {}).setdefault(unsharded(stem(path)), []).append(file)
    return found if len(_names(found)) > 1 else {}


def _split_of(folders: tuple[str, ...]) -> tuple[str, list[str]]:
    """The split that a folder means ("train" where none does), and the other folders."""
    split, others = "train", []
    for folder in folders:
        if folder.lower() in SPLIT_WORDS:
            split = SPLIT_WORDS[folder.lower()]
        elif folder.lower() != "data":
            others.append(folder)
    return split, others


def _means_split(name: str) -> bool:
    words = "".join(mark if mark.isalpha() else " " for mark in name.lower()).split()
    return not words or words[0] in SPLIT_WORDS or words[-1] in SPLIT_WORDS


def _names(found: _Classes) -> list[str]:
    return sorted({name for classes in found.values() for name in classes if name is not None})


def _streams(found: _Classes, where: str, options: Options) -> dict[str, Stream]:
    label = ClassLabel(_names(found))
    return {
        split: _stream(classes, f"{where}/{split}", label, options)
        for split, classes in found.items()
    }


def _stream(
    classes: dict[str | None, list[DataFile]], name: str, label: ClassLabel, options: Options
) -> Stream:
    def content(bad: BadRows) -> Content:
        return Content(_joined(_labelled(classes, options, bad)), {LABEL: label})

    def parts() -> dict[str, str]:
        listed = [
            (str(kind), file.member, file_digest(file.path))
            for kind, files in classes.items()
            for file in files
        ]
        return {"files": digest(listed), "by": digest(options.get("by"))}

    return Stream(name, content, parts)


def _labelled(
    classes: dict[str | None, list[DataFile]], options: Options, bad: BadRows
) -> Iterator[pa.RecordBatch]:
    for name, files in classes.items():
        for file in files:
            for batch in read_text(_at_hand(file), options, bad).batches:
                labels = pa.repeat(pa.scalar(name, pa.string()), batch.num_rows)
                yield pa.record_batch([batch.column(0), labels], names=["text", LABEL])


def _at_hand(file: DataFile) -> DataFile:
    """The same file; a small one is read once, however often it is opened."""
    with file.open() as stream:
        content = stream.read(_SMALL + 1)
    return file if len(content) > _SMALL else replace(file, opener=partial(BytesIO, content))


def _joined(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches of a single document each, put together to such of many."""
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= _ROWS:
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting, rows = [], 0
    if waiting:
        yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
