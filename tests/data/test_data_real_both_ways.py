"""Real data sets: `datasets` reads what went in from what we save; their tags are in order."""

from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOBES, Entities

from graft.data.dataset import DatasetDict
from graft.data.features import class_label_in
from graft.data.load import load_dataset
from graft.data.tags.spans import spans_to_tags, tags_to_spans

FOLDERS = [
    *("banking77", "clinc150", "imdb", "scitldr", "snips", "snli", "sst2", "trec", "ud-ewt"),
    *("wikitext2", "wnut17", "xquad"),
]


@pytest.fixture(autouse=True)
def their_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "theirs"))
    datasets.disable_progress_bars()


def loaded(real_data: Path, name: str) -> DatasetDict:
    if not (real_data / name).is_dir():
        pytest.skip(f"{name} is not there")
    return load_dataset(real_data / name)


@pytest.mark.parametrize("name", FOLDERS)
def test_datasets_reads_what_went_in(real_data, tmp_path, name):
    data = loaded(real_data, name)
    data.save(tmp_path / "out", max_shard_size="4MB")
    theirs = datasets.load_dataset(str(tmp_path / "out"))
    assert list(theirs) == list(data)
    for split, rows in data.items():
        # What Arrow has of it, as the types are the same: neither is turned into Python's objects.
        table = theirs[split].data.table
        assert same(table, rows.table)
        for column, feature in data.features.items():
            label = class_label_in(feature)
            if label is not None:
                kind = theirs[split].features[column]
                assert getattr(kind, "feature", kind).names == label.names
    again = load_dataset(tmp_path / "out")
    assert (again.features, again.roles) == (data.features, data.roles)
    for split, rows in data.items():
        assert same(again[split].table, rows.table)


@pytest.mark.parametrize("name", ["snips", "xquad"])
def test_we_read_what_datasets_made_of_it(real_data, tmp_path, name):
    data = loaded(real_data, name)
    data.save_to_disk(tmp_path / "ours")
    theirs = datasets.load_from_disk(str(tmp_path / "ours"))
    theirs.save_to_disk(str(tmp_path / "theirs"), max_shard_size="1MB")
    again = load_dataset(tmp_path / "theirs")
    assert again.features == data.features
    for split, rows in data.items():
        assert same(again[split].table, rows.table)


@pytest.mark.parametrize(("name", "column"), [("wnut17", "ner_tags"), ("snips", "tags")])
def test_tags_in_every_scheme_mark_the_same_spans(real_data, name, column):
    for rows in loaded(real_data, name).values():
        names = rows.features[column].feature.names
        assert names[0] == "O"
        assert rows.tag_scheme(column) == "IOB2"
        assert rows.check_tags(column) == []
        words = [[names[number] for number in row] for row in rows[column]]
        spans = tags_to_spans(rows.column(column), names)
        marked = [
            [(s["label"], s["start"], s["end"] - 1) for s in row] for row in spans.to_pylist()
        ]
        assert marked == [get_entities(row) for row in words]
        assert spans_to_tags(spans, [len(row) for row in words]).to_pylist() == words

        longer = rows.convert_tags("BIOES", column)
        names = longer.features[column].feature.names
        tags = [[names[number] for number in row] for row in longer[column]]
        strict = Entities(tags, IOBES).entities
        assert [[(e.tag, e.start, e.end - 1) for e in row] for row in strict] == marked
        assert longer.tag_scheme(column) == "BIOES"


def test_parts_of_speech_are_no_scheme(real_data):
    rows = loaded(real_data, "ud-ewt")["test"]
    assert rows.roles.tags is not None
    assert rows.tag_scheme() is None


def same(one: pa.Table, other: pa.Table) -> bool:
    return bool(one.replace_schema_metadata().combine_chunks() == other.combine_chunks())
