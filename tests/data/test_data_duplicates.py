"""Duplicates: exact ones whatever the columns hold, near ones held to the definition itself."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset, DatasetDict
from graft.data.duplicates.minhash import Bands
from graft.data.duplicates.shingles import shingles_of
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError


def texts(values: list[str | None]) -> Dataset:
    return Dataset(pa.table({"text": pa.array(values, pa.string())}), roles=Roles("text"))


def runs_of(text: str, words: int = 3) -> set[tuple[str, ...]]:
    """The definition, for ASCII."""
    found = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    if not found:
        return {(text.lower(),)}
    if len(found) <= words:
        return {tuple(found)}
    return {tuple(found[at : at + words]) for at in range(len(found) - words + 1)}


def brute(values: list[str], near: float, words: int = 3) -> list[tuple[int, int]]:
    """The rows that are left out and why, by comparing every text with all that stay."""
    runs = [runs_of(text, words) for text in values]
    stay: list[int] = []
    found = []
    for row, mine in enumerate(runs):
        like = (
            other for other in stay if len(mine & runs[other]) >= near * len(mine | runs[other])
        )
        first = next(like, None)
        if first is None:
            stay.append(row)
        else:
            found.append((row, first))
    return found


def pairs(found: pa.Table) -> list[tuple[int, int]]:
    return list(zip(found["row"].to_pylist(), found["of"].to_pylist(), strict=True))


values = st.one_of(
    st.lists(st.sampled_from(["a", "b", "", "a:", "1:a", "-", "é", None]), min_size=1),
    st.lists(st.sampled_from([1, 0, -1, None]), min_size=1),
    st.lists(st.sampled_from([0.5, 1e300, None]), min_size=1),
    st.lists(st.sampled_from([b"", b"\x00", b"\\x00", b"\xff", None]), min_size=1),
    st.lists(st.sampled_from([["a"], ["a", None], [None], [], None, ["null"]]), min_size=1),
    st.lists(st.sampled_from([{"x": 1}, {"x": None}, None]), min_size=1),
)


@settings(max_examples=30)
@given(values, st.data())
def test_exact_duplicates_are_equal_rows(first, data):
    second = data.draw(st.lists(st.sampled_from(["a", "", "1:a", None]), min_size=len(first)))
    table = pa.table({"x": first, "y": pa.array(second[: len(first)], pa.string())})
    rows = Dataset(table, roles=Roles())
    keys = [repr((row["x"], row["y"])) for row in rows.to_list()]
    expected = [(row, keys.index(key)) for row, key in enumerate(keys) if keys.index(key) < row]
    assert pairs(rows.duplicates()) == expected
    assert rows.deduplicate().to_list() == [
        row for number, row in enumerate(rows.to_list()) if keys.index(keys[number]) == number
    ]
    assert len(rows.deduplicate(["x"])) == len({repr(value) for value in first})


def test_the_text_is_compared_where_no_columns_are_named():
    table = pa.table({"text": ["a", "a", "b"], "id": [1, 2, 3], "label": [0, 1, 0]})
    data = Dataset(table, roles=Roles("text", label="label"))
    assert data.deduplicate()["id"] == [1, 3]
    assert len(data.deduplicate(["text", "id"])) == 3
    pair = Dataset(pa.table({"a": ["x", "x"], "b": ["y", "z"]}), roles=Roles("a", "b"))
    assert len(pair.deduplicate()) == 2
    assert len(pair.deduplicate(["a"])) == 1


def test_shuffled_and_sliced_rows_are_counted_as_they_stand():
    data = texts([f"text {n % 500}" for n in range(20_000)]).shuffle(2)[100:]
    kept = data.deduplicate()
    assert len(kept) == 500
    firsts = {text: row for row, text in reversed(list(enumerate(data["text"])))}
    found = data.duplicates()
    assert found.num_rows == len(data) - 500
    assert [firsts[data["text"][row]] for row in found["row"].to_pylist()[:50]] == (
        found["of"].to_pylist()[:50]
    )
    assert kept.fingerprint == data.deduplicate().fingerprint
    assert data[:0].deduplicate().to_list() == []
    assert data[:0].deduplicate(near=0.5).to_list() == []


words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=8).map(" ".join)


@settings(max_examples=30)
@given(st.lists(words, max_size=30), st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.integers(1, 4))
def test_near_duplicates_are_like_an_earlier_row_that_stays(values, near, run):
    data = texts(values)
    found = data.duplicates(near=near, words=run)
    stays = set(range(len(values))) - set(found["row"].to_pylist())
    for row, of, similarity in zip(*found.to_pydict().values(), strict=True):
        mine, theirs = runs_of(values[row], run), runs_of(values[of], run)
        assert of in stays
        assert of < row
        assert similarity == pytest.approx(len(mine & theirs) / len(mine | theirs))
        assert similarity >= near - 1e-6
    assert data.deduplicate(near=near, words=run).duplicates(near=near, words=run).num_rows == 0


def test_what_does_not_count():
    same = ["Hello, big World!", "hello big world", "HELLO -- big\n\tworld", "  hello big world"]
    assert len(texts(same).deduplicate(near=1.0)) == 1
    wide = ["Été à Paris… Élan", "été À paris élan", "e\u0301te\u0301 à paris élan"]
    assert len(texts(wide).deduplicate(near=1.0)) == 1
    assert len(texts(["你好世界今天", "你好世界今天。", "你好世界明天"]).deduplicate(near=1.0)) == 2
    assert len(texts(["你好世界今天很好", "你好世界今天很"]).deduplicate(near=0.8)) == 1
    assert len(texts([":)", ":(", "", None, "🙂", "🙃", "?"]).deduplicate(near=1.0)) == 6
    tokens = Dataset(pa.table({"t": [["A", "b"], ["a", "B", "."], ["c"]]}), roles=Roles())
    assert len(tokens.deduplicate(["t"], near=1.0)) == 2


@settings(max_examples=40)
@given(st.lists(st.text("ab É世.🙂 \n", max_size=12), max_size=12), st.integers(1, 3))
def test_a_texts_runs_do_not_depend_on_its_neighbours(values, run):
    whole = shingles_of(pa.array(values, pa.string()), run)
    padded = pa.array(["x y", *values, "z"], pa.string())[1:-1]
    sliced = shingles_of(padded, run)
    assert (whole.hashes == sliced.hashes).all()
    assert (whole.offsets == sliced.offsets).all()
    for number, value in enumerate(values):
        alone = shingles_of(pa.array([value]), run)
        own = whole.hashes[whole.offsets[number] : whole.offsets[number + 1]]
        assert own.tolist() == alone.hashes.tolist()


@pytest.mark.parametrize("near", [0.3, 0.5, 0.7, 0.8, 0.9, 0.99])
def test_bands_miss_few_pairs(near):
    bands = Bands.for_similarity(near)
    assert (1 - near**bands.depth) ** bands.count <= 0.001
    assert bands.count * bands.depth <= 128
    generator = np.random.default_rng(0)
    universe = np.array([f"w{number}" for number in range(10_000)])
    missed, common, rest = 0, round(200 * near), (200 - round(200 * near)) // 2
    for _ in range(300):
        drawn = generator.choice(universe, common + 2 * rest, replace=False).tolist()
        one, two = drawn[: common + rest], drawn[:common] + drawn[common + rest :]
        digests = bands.digests(shingles_of(pa.array([" ".join(one), " ".join(two)]), 1))
        missed += not (digests[:, 0] == digests[:, 1]).any()
    assert missed <= 2


@pytest.mark.parametrize("near", [0.5, 0.8])
def test_real_near_duplicates_are_found(real_data, near):
    data = load_dataset(real_data / "banking77", split="train")[:1500]
    plain = data.filter(lambda row: row["text"].isascii())  # what `runs_of` knows of
    expected, found = brute(plain["text"], near), pairs(plain.duplicates(near=near))
    assert len(set(expected) & set(found)) >= 0.99 * len(expected)
    assert len(found) <= 1.01 * len(expected)
    assert len(expected) > 5


def test_rows_of_other_splits_are_left_out_of_train():
    data = DatasetDict(
        {
            "train": texts(["a", "b", "b", "c", "d"]),
            "validation": texts(["c", "e", "f"]),
            "test": texts(["e", "a", "A!"]),
        }
    )
    alone = data.deduplicate()
    assert {name: split["text"] for name, split in alone.items()} == {
        "train": ["a", "b", "c", "d"],
        "validation": ["c", "e", "f"],
        "test": ["e", "a", "A!"],
    }
    across = data.deduplicate(across=True)
    assert {name: split["text"] for name, split in across.items()} == {
        "train": ["b", "d"],
        "validation": ["c", "f"],
        "test": ["e", "a", "A!"],
    }
    near = data.deduplicate(near=1.0, across=True)
    assert near["test"]["text"] == ["e", "a"]
    assert len(data.subset(0.5)["train"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": ["gone"]}, "no column 'gone'"),
        ({"columns": "text"}, r"columns='text': give a list of columns, \['text'\]"),
        ({"columns": []}, "no columns to compare"),
        ({"near": 0}, "near=0 is no similarity"),
        ({"near": 1.5}, "near=1.5 is no similarity"),
        ({"near": float("nan")}, "near=nan is no similarity"),
        ({"near": 0.5, "words": 0}, "runs of 0 words are none"),
        ({"near": 0.5, "columns": ["n"]}, "column 'n' holds int64. Texts are near"),
    ],
)
def test_what_cannot_be_compared_says_why(options, said):
    data = Dataset(pa.table({"text": ["a"], "n": [1]}), roles=Roles("text"))
    with pytest.raises(DataError, match=said):
        data.deduplicate(**options)
