"""Every kind of column both ways: `datasets` reads our types as its own, and we read its."""

import datetime
from decimal import Decimal

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given, settings
from hypothesis import strategies as st

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
    declared_features,
    feature_of,
    features_from_yaml,
    features_to_yaml,
    file_schema,
)
from graft.data.writing.shards import write_parquet

VALUES = {
    "string": st.text(max_size=5),
    "large_string": st.text(max_size=5),
    "binary": st.binary(max_size=4),
    "large_binary": st.binary(max_size=4),
    "fixed_size_binary[3]": st.binary(min_size=3, max_size=3),
    "bool": st.booleans(),
    **{f"int{bits}": st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32)},
    **{f"uint{bits}": st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64)},
    "int64": st.integers(-(2**63), 2**63 - 1),
    **{f"float{bits}": st.floats(width=bits, allow_nan=False) for bits in (16, 32, 64)},
    "date32": st.dates(),
    "time64[us]": st.times(),
    "timestamp[us]": st.datetimes(),
    "timestamp[ms, tz=UTC]": st.integers(0, 1 << 40).map(
        lambda ms: datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC)
    ),
    "duration[us]": st.timedeltas(datetime.timedelta(-10), datetime.timedelta(10)),
    "decimal128(7, 2)": st.integers(-99999, 99999).map(lambda cents: Decimal(cents) / 100),
    "decimal256(45, 1)": st.integers(-99999, 99999).map(lambda tenths: Decimal(tenths) / 10),
    "null": st.none(),
}
NAMES = st.text(st.characters(categories=["L", "Nd"], include_characters="_ :-'"), min_size=1)
LEAVES = st.one_of(
    st.sampled_from([*VALUES]).map(Value),
    st.lists(NAMES, min_size=1, max_size=4, unique=True).map(ClassLabel),
    st.just(Translation(["en", "de"])),
    st.just(Json()),
    st.just(Array((2, 3), "int32")),
    st.just(Array((None, 2, 1), "float32")),
    st.sampled_from([Kept("Image"), Kept("Image", {"decode": False}), Kept("Pdf")]),
    st.just(Kept("Audio", {"sampling_rate": 16000})),
    st.just(Kept("TranslationVariableLanguages", {"languages": ["de", "en"], "num_languages": 2})),
)
FEATURES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Sequence, inner),
        st.builds(Sequence, inner, length=st.integers(1, 3)),
        st.builds(Sequence, inner, large=st.just(True)),
        st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(Struct),
    ),
    max_leaves=5,
)


def theirs_of(feature: Feature) -> object:
    """The feature of `datasets` that should be the same, made by its own constructors."""
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
        case Translation(languages):
            return datasets.Translation(languages)
        case Json():
            return datasets.features.features.Json()
        case Array(shape, dtype):
            kind = getattr(datasets, f"Array{len(shape)}D")
            return kind(shape=shape, dtype=dtype)
        case Kept("TranslationVariableLanguages", settings):
            return datasets.TranslationVariableLanguages(languages=settings["languages"])
        case Kept(kind, settings):
            return getattr(datasets.features, kind)(**settings)


def values_of(feature: Feature) -> st.SearchStrategy:
    return st.none() | _values_of(feature)


def _values_of(feature: Feature) -> st.SearchStrategy:
    match feature:
        case Value(dtype):
            return VALUES[dtype]
        case ClassLabel(names):
            return st.integers(0, len(names) - 1)
        case Sequence(inner, None):
            return st.lists(values_of(inner), max_size=3)
        case Sequence(inner, length):
            return st.lists(values_of(inner), min_size=length, max_size=length)
        case Struct(fields):
            return st.fixed_dictionaries({name: values_of(one) for name, one in fields.items()})
        case Translation(languages):
            return st.fixed_dictionaries(dict.fromkeys(sorted(languages), st.text(max_size=3)))
        case Json():
            return st.sampled_from(['{"a":1}', '[1,"x"]', '"text"'])
        case Array((2, 3)):
            return st.just([[1, 2, 3], [4, 5, 6]])
        case Array():
            return st.just([[[0.5], [1.5]], [[2.5], [3.5]], [[4.5], [5.5]]])
        case Kept("TranslationVariableLanguages"):
            return st.just({"language": ["de", "en"], "translation": ["ja", "yes"]})
        case Kept():
            content, path = st.binary(max_size=3), st.text(max_size=3)
            return st.fixed_dictionaries({"bytes": st.none() | content, "path": st.none() | path})


@st.composite
def columns(draw: st.DrawFn) -> tuple[Feature, pa.ChunkedArray]:
    feature = draw(FEATURES)
    rows = draw(st.lists(values_of(feature), min_size=1, max_size=4))
    return feature, pa.chunked_array([pa.array(rows, arrow_type_of(feature))])


@settings(max_examples=200)
@given(st.dictionaries(NAMES, FEATURES, min_size=1, max_size=3))
def test_what_is_declared_means_the_same_in_both(features):
    theirs = datasets.Features({name: theirs_of(one) for name, one in features.items()})
    written = pa.ipc.read_schema(file_schema(features).serialize())
    assert datasets.Features.from_arrow_schema(written) == theirs
    assert datasets.Features._from_yaml_list(features_to_yaml(features)) == theirs
    assert features_from_yaml(features_to_yaml(features)) == features
    assert features_from_yaml(theirs._to_yaml_list()) == features
    assert declared_features(theirs.arrow_schema) == features
    for name, one in features.items():
        assert arrow_type_of(feature_of(theirs.arrow_schema.field(name).type)) == arrow_type_of(one)


@settings(max_examples=100)
@given(columns())
def test_datasets_reads_our_columns_from_a_file(tmp_path_factory, column):
    feature, values = column
    path = tmp_path_factory.mktemp("files") / "a.parquet"
    batches = pa.table({"x": values}).to_batches()
    write_parquet(batches, {"x": feature}, lambda number, count: path)
    table = pq.read_table(path)
    theirs = datasets.Features.from_arrow_schema(table.schema)
    assert theirs["x"] == theirs_of(feature)
    read = datasets.table.table_cast(table, theirs.arrow_schema)["x"]
    assert _stored(read) == values.to_pylist()


def _stored(column: pa.ChunkedArray) -> list:
    """The values as they are stored: their arrays would say nan for null."""
    return pa.chunked_array([_storage(chunk) for chunk in column.chunks]).to_pylist()


def _storage(array: pa.Array) -> pa.Array:
    return array.storage if isinstance(array, pa.ExtensionArray) else array
