"""Whole data sets both ways: what `datasets` wrote we load equal, what we write it loads equal."""

import datetime
from decimal import Decimal

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.features import (
    Array,
    ClassLabel,
    Feature,
    Json,
    Kept,
    Sequence,
    Struct,
    Translation,
    Value,
    arrow_type_of,
    spans_of,
)
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

LEAVES = st.one_of(
    st.sampled_from(["string", "large_string", "int32", "uint8", "float32", "bool"]).map(Value),
    st.lists(st.sampled_from("abcde"), min_size=1, unique=True).map(ClassLabel),
)
FEATURES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Sequence, inner),
        st.builds(Sequence, inner, length=st.integers(1, 2)),
        st.builds(Sequence, inner, large=st.just(True)),
        st.dictionaries(st.sampled_from("xyz"), inner, min_size=1).map(Struct),
    ),
    max_leaves=4,
)
VALUES = {
    "string": st.text(max_size=4),
    "large_string": st.text(max_size=4),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "uint8": st.integers(0, 255),
    "float32": st.floats(width=32, allow_nan=False),
    "bool": st.booleans(),
}
SLOW = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate],
)


@pytest.fixture(autouse=True)
def their_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "theirs"))
    datasets.disable_progress_bars()


def theirs_of(feature: Feature) -> object:
    match feature:
        case Value(dtype):
            return datasets.Value(dtype)
        case ClassLabel(names):
            return datasets.ClassLabel(names=names)
        case Sequence(inner, large=True):
            return datasets.LargeList(theirs_of(inner))
        case Sequence(inner, length):
            return datasets.List(theirs_of(inner), length=-1 if length is None else length)
        case Struct(fields):
            return {name: theirs_of(inner) for name, inner in fields.items()}


def values_of(feature: Feature) -> st.SearchStrategy:
    match feature:
        case Value(dtype):
            return VALUES[dtype] | st.none()
        case ClassLabel(names):
            return st.integers(0, len(names) - 1) | st.none()
        case Sequence(inner, None):
            return st.lists(values_of(inner), max_size=3) | st.none()
        case Sequence(inner, length):
            return st.lists(values_of(inner), min_size=length, max_size=length) | st.none()
        case Struct(fields):
            rows = st.fixed_dictionaries({name: values_of(one) for name, one in fields.items()})
            return rows | st.none()


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, Feature], pa.Table]:
    """A text, a label, and two columns of anything; a declared label is one."""
    features: dict[str, Feature] = {
        "text": Value("string"),
        "label": ClassLabel(["no", "yes", "1"]),
        "one": draw(FEATURES),
        "other": draw(FEATURES),
    }
    count = draw(st.integers(1, 4))
    rows = {
        name: draw(st.lists(values_of(feature), min_size=count, max_size=count))
        for name, feature in features.items()
    }
    rows["text"] = [f"text {number}" for number in range(count)]
    arrays = [pa.array(rows[name], arrow_type_of(feature)) for name, feature in features.items()]
    return features, pa.table(arrays, names=list(features))


@SLOW
@given(tables(), st.sampled_from([30, "1MB"]))
def test_what_we_save_datasets_loads_equal(tmp_path_factory, written, size):
    features, table = written
    folder = tmp_path_factory.mktemp("ours")
    data = DatasetDict(
        {
            "train": Dataset(table, features=features, roles=Roles("text", label="label")),
            "test": Dataset(table, features=features, roles=Roles("text", label="label"))[::-1],
        }
    )
    data.save(folder / "saved", max_shard_size=size)
    data.save_to_disk(folder / "disk", max_shard_size=size)
    expected = datasets.Features({name: theirs_of(one) for name, one in features.items()})
    cache = str(folder / "cache")
    for theirs in (
        datasets.load_dataset(str(folder / "saved"), cache_dir=cache),
        datasets.load_from_disk(str(folder / "disk")),
    ):
        assert theirs["train"].features == expected
        assert theirs["train"].to_list() == list(data["train"])
        assert theirs["test"].to_list() == list(data["test"])
    for folder_of_ours in (folder / "saved", folder / "disk"):
        again = load_dataset(folder_of_ours)
        assert again.features == features
        assert list(again["train"]) == list(data["train"])
        assert list(again["test"]) == list(data["test"])


@SLOW
@given(tables())
def test_what_datasets_wrote_we_load_equal(tmp_path_factory, written):
    features, table = written
    folder = tmp_path_factory.mktemp("theirs")
    kinds = datasets.Features({name: theirs_of(one) for name, one in features.items()})
    theirs = datasets.Dataset.from_list(table.to_pylist(), features=kinds)
    theirs.save_to_disk(str(folder / "disk"), num_shards=min(2, len(theirs)))
    datasets.DatasetDict({"a.b": theirs, "test": theirs}).save_to_disk(str(folder / "several"))
    (folder / "files").mkdir()
    theirs.to_parquet(str(folder / "files" / "train.parquet"))
    for name, splits in (("disk", ["train"]), ("several", ["a.b", "test"]), ("files", ["train"])):
        ours = load_dataset(folder / name)
        assert list(ours) == splits
        assert ours.features == features
        for split in splits:
            assert list(ours[split]) == theirs.to_list()


SPECIAL: dict[str, Feature] = {
    "text": Value("string"),
    "pair": Translation(["en", "de"]),
    "many": Kept("TranslationVariableLanguages", {"languages": ["de", "en"], "num_languages": 2}),
    "json": Json(),
    "grid": Array((None, 2), "int16"),
    "image": Kept("Image", {"decode": False}),
    "sound": Kept("Audio", {"sampling_rate": 8000, "decode": False}),
    "when": Value("timestamp[us, tz=UTC]"),
    "price": Value("decimal128(8, 2)"),
}


def special() -> pa.Table:
    when = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)
    row = {
        "text": "a",
        "pair": {"de": "ja", "en": "yes"},
        "many": {"language": ["de", "en"], "translation": ["ja", "yes"]},
        "json": '{"a":[1,null]}',
        "grid": [[1, 2], [3, 4], [5, 6]],
        "image": {"bytes": b"png", "path": None},
        "sound": {"bytes": b"wav", "path": "a.wav"},
        "when": when,
        "price": Decimal("12.50"),
    }
    rows = [row, {**dict.fromkeys(row), "text": "b"}]
    schema = pa.schema([(name, arrow_type_of(feature)) for name, feature in SPECIAL.items()])
    return pa.Table.from_pylist(rows, schema)


def test_kinds_that_are_only_kept_go_both_ways(tmp_path):
    data = Dataset(special(), features=SPECIAL, roles=Roles("text"))
    data.save(tmp_path / "ours")
    theirs = datasets.load_dataset(str(tmp_path / "ours"), split="train")
    kinds = datasets.features.features
    assert theirs.features == datasets.Features(
        {
            "text": datasets.Value("string"),
            "pair": datasets.Translation(["en", "de"]),
            "many": datasets.TranslationVariableLanguages(["de", "en"]),
            "json": kinds.Json(),
            "grid": datasets.Array2D((None, 2), "int16"),
            "image": datasets.Image(decode=False),
            "sound": datasets.Audio(sampling_rate=8000, decode=False),
            "when": datasets.Value("timestamp[us, tz=UTC]"),
            "price": datasets.Value("decimal128(8, 2)"),
        }
    )
    assert theirs[0]["json"] == {"a": [1, None]}
    assert theirs[0]["pair"] == {"de": "ja", "en": "yes"}
    # By its own methods it cannot write translations.
    pq.write_table(theirs.data.table, tmp_path / "theirs.parquet")
    rest = {name: one for name, one in SPECIAL.items() if name not in ("pair", "many")}
    theirs.select_columns([*rest]).save_to_disk(str(tmp_path / "disk"))
    for name, features in (("ours", SPECIAL), ("theirs.parquet", SPECIAL), ("disk", rest)):
        again = load_dataset(tmp_path / name, split="train", text="text")
        assert again.features == features
        assert again[0] == {column: data[0][column] for column in features}
        assert again[1]["text"] == "b"
        assert again[1]["json"] is None


def test_spans_go_both_ways(tmp_path):
    spans = [[{"start": 0, "end": 2, "label": 1}], [], None]
    table = pa.table({"text": ["a", "b", "c"], "spans": spans})
    features = {"text": Value("string"), "spans": spans_of(["x", "y"])}
    Dataset(table, features=features, roles=Roles("text")).save(tmp_path / "out")
    theirs = datasets.load_dataset(str(tmp_path / "out"), split="train")
    assert theirs.features["spans"].feature["label"].names == ["x", "y"]
    assert theirs["spans"][:] == spans
    again = load_dataset(tmp_path / "out", split="train")
    assert (again.features, again["spans"]) == (features, spans)


def test_a_folder_that_lost_a_file_says_so(tmp_path):
    table = pa.table({"text": ["a", "b"]})
    data = DatasetDict({"train": Dataset(table), "test": Dataset(table)})
    data.save_to_disk(tmp_path / "out")
    (tmp_path / "out" / "test" / "data-00000-of-00001.arrow").unlink()
    with pytest.raises(DataError, match=r"out/test/state\.json names the file data-00000-of-00001"):
        load_dataset(tmp_path / "out")
    (tmp_path / "out" / "test" / "state.json").write_text("{")
    with pytest.raises(DataError, match=r"out/test/state\.json is not valid JSON"):
        load_dataset(tmp_path / "out")
    (tmp_path / "out" / "test" / "state.json").unlink()
    with pytest.raises(DataError, match=r"names the split 'test', but test/state\.json is not"):
        load_dataset(tmp_path / "out")


def test_rows_in_another_order_than_stored_are_refused(tmp_path):
    DatasetDict({"train": Dataset(pa.table({"text": ["a"]}))}).save_to_disk(tmp_path / "out")
    state = tmp_path / "out" / "train" / "state.json"
    state.write_text(state.read_text().replace("{", '{"_indices_data_files": ["i.arrow"],', 1))
    with pytest.raises(DataError, match="flatten_indices"):
        load_dataset(tmp_path / "out" / "train")
