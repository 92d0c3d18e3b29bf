"""Splits, folds, samples and balance: no row is lost or twice, proportions and groups hold."""

from collections import Counter

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.data.dataset import Dataset
from graft.data.features import ClassLabel, Value
from graft.data.folds import dealt, grouped
from graft.data.load import load_dataset
from graft.data.roles import Roles
from graft.errors import DataError

FEATURES = {"n": Value("int64"), "kind": ClassLabel(list("abcd")), "group": Value("string")}


def made(kinds: list[int | None], groups: list[str | None] | None = None) -> Dataset:
    columns = {
        "n": range(len(kinds)),
        "kind": pa.array(kinds, pa.int64()),
        "group": pa.array(groups or [None] * len(kinds), pa.string()),
    }
    return Dataset(pa.table(columns), features=FEATURES, roles=Roles(label="kind"))


kinds = st.lists(st.sampled_from([0, 1, 2, 3, None]), min_size=2, max_size=80)
rows = st.lists(
    st.tuples(st.sampled_from([0, 1, 2]), st.sampled_from(list("uvwxyz"))), min_size=8, max_size=80
)
seeds = st.integers(0, 9)


@settings(max_examples=50)
@given(kinds, st.floats(0.01, 0.99), seeds)
def test_a_split_has_every_row_once(values, share, seed):
    data = made(values)
    if not 0 < round(share * len(data)) < len(data):
        with pytest.raises(DataError, match="leaves a part empty"):
            data.train_test_split(share, seed)
        return
    parts = data.train_test_split(share, seed)
    assert sorted(parts["train"]["n"] + parts["test"]["n"]) == data["n"]
    assert len(parts["test"]) == round(share * len(data))
    assert parts["train"]["n"] == sorted(parts["train"]["n"])


@settings(max_examples=50)
@given(kinds, st.floats(0.1, 0.9), seeds)
def test_a_stratified_split_keeps_proportions_to_one_row(values, share, seed):
    data = made(values)
    counts = Counter(values)
    if not 0 < round(share * len(data)) < len(data) or max(counts.values()) == 1:
        return
    try:
        parts = data.train_test_split(share, seed, "kind")
    except DataError as error:
        assert "one row only" in str(error)  # noqa: PT017
        return
    test = Counter(parts["test"]["kind"])
    assert sorted(parts["train"]["n"] + parts["test"]["n"]) == data["n"]
    for kind, count in counts.items():
        assert abs(test[kind] - share * count) <= 1.5  # the share itself is rounded to a row
        assert test[kind] < count


@settings(max_examples=50)
@given(rows, st.floats(0.1, 0.9), seeds, st.booleans())
def test_no_group_is_on_both_sides_of_a_split(values, share, seed, stratified):
    data = made([kind for kind, _ in values], [group for _, group in values])
    sizes = Counter(data["group"])
    if not 0 < round(share * len(data)) < len(data) or len(sizes) < 2:
        return
    stratify_by = "kind" if stratified else None
    parts = data.train_test_split(share, seed, stratify_by, group_by="group")
    assert not set(parts["train"]["group"]) & set(parts["test"]["group"])
    assert sorted(parts["train"]["n"] + parts["test"]["n"]) == data["n"]
    if not stratified:
        assert abs(len(parts["test"]) - share * len(data)) <= max(sizes.values())


@settings(max_examples=50)
@given(rows, st.integers(2, 6), seeds, st.booleans(), st.booleans())
def test_each_row_is_tested_in_one_fold(values, k, seed, stratified, by_group):
    data = made([kind for kind, _ in values], [group for _, group in values])
    options = {
        "stratify_by": "kind" if stratified else None,
        "group_by": "group" if by_group else None,
    }
    if by_group and len(set(data["group"])) < k:
        with pytest.raises(DataError, match=rf"values of 'group' cannot make {k} folds"):
            data.k_fold(k, seed, **options)
        return
    folds = data.k_fold(k, seed, **options)
    assert len(folds) == k
    assert sorted(n for fold in folds for n in fold["test"]["n"]) == data["n"]
    for fold in folds:
        assert sorted(fold["train"]["n"] + fold["test"]["n"]) == data["n"]
        assert len(fold["test"]) > 0
        if by_group:
            assert not set(fold["train"]["group"]) & set(fold["test"]["group"])
    if not by_group:
        sizes = [len(fold["test"]) for fold in folds]
        assert max(sizes) - min(sizes) <= 1
        for kind in {0, 1, 2} if stratified else set():
            counts = [fold["test"]["kind"].count(kind) for fold in folds]
            assert max(counts) - min(counts) <= 1


@settings(max_examples=50)
@given(kinds, seeds)
def test_balance_makes_classes_as_frequent(values, seed):
    data = made(values)
    counts = Counter(kind for kind in values if kind is not None)
    under, over = data.balance(seed=seed), data.balance(how="over", seed=seed)
    assert under["n"] == sorted(set(under["n"]))
    assert Counter(under["kind"]) == dict.fromkeys(counts, min(counts.values(), default=0))
    assert Counter(over["kind"]) == dict.fromkeys(counts, max(counts.values(), default=0))
    assert set(over["n"]) == {n for n, kind in enumerate(values) if kind is not None}
    times = Counter(over["n"])
    for kind in counts:
        of_kind = [times[n] for n, value in enumerate(values) if value == kind]
        assert max(of_kind) - min(of_kind) <= 1


def test_sizes_as_datasets_gives_them():
    data = made([0, 1] * 50)
    peer = datasets.Dataset.from_dict({"n": range(100)})
    for sizes in (
        {"test_size": 0.3},
        {"test_size": 30},
        {"train_size": 0.6},
        {"train_size": 60},
        {"train_size": 0.5, "test_size": 0.25},
        {"train_size": 10, "test_size": 20},
    ):
        for shuffle in (True, False):
            ours = data.train_test_split(**sizes, shuffle=shuffle)
            theirs = peer.train_test_split(**sizes, shuffle=shuffle, seed=0)
            assert {name: len(part) for name, part in ours.items()} == theirs.num_rows
            if not shuffle:
                assert ours["train"]["n"] == list(theirs["train"]["n"])
                assert ours["test"]["n"] == list(theirs["test"]["n"])


def test_both_parts_of_a_stratified_split_may_be_smaller():
    data = made([0] * 80 + [1] * 20)
    parts = data.train_test_split(0.1, 3, "kind", train_size=0.5)
    assert Counter(parts["train"]["kind"]) == {0: 40, 1: 10}
    assert Counter(parts["test"]["kind"]) == {0: 8, 1: 2}
    assert not set(parts["train"]["n"]) & set(parts["test"]["n"])
    groups = made([0] * 100, [str(n // 5) for n in range(100)])
    three = groups.train_test_split(0.1, train_size=0.5, group_by="group")
    assert (len(three["train"]), len(three["test"])) == (50, 10)


def test_groups_keep_the_classes_alike_where_they_can():
    generator = np.random.default_rng(0)
    groups = generator.integers(0, 200, 4000)
    classes = (generator.random(4000) < 0.02 + 0.3 * (groups % 7 == 0)).astype(np.int64)
    part = grouped(groups, classes, np.full(5, 0.2), 0)
    sizes = np.bincount(part)
    shares = np.bincount(part, weights=classes) / sizes
    assert sizes.max() - sizes.min() < 0.02 * 4000
    assert shares.max() - shares.min() < 0.01


def test_seeds_give_other_parts_and_the_same_again():
    data = made([0, 1, 2, 3] * 20, [str(n // 3) for n in range(80)])
    for options in ({}, {"stratify_by": "kind"}, {"group_by": "group"}):
        ways = {
            tuple(data.train_test_split(seed=seed, **options)["test"]["n"]) for seed in range(5)
        }
        assert len(ways) == 5
        again = {tuple(data.k_fold(4, seed=1, **options)[0]["test"]["n"]) for _ in range(3)}
        assert len(again) == 1
    assert data.sample(9, seed=4)["n"] == sorted(set(data.sample(9, seed=4)["n"]))
    assert data.sample(9, seed=4).fingerprint == data.sample(9, seed=4).fingerprint


def test_several_labels_a_row_are_stratified_by_the_rarest():
    labels = [["x"]] * 60 + [["x", "y"]] * 38 + [["x", "z"]] * 2
    data = load_dataset(pa.table({"text": ["t"] * 100, "labels": labels}), split="train")
    folds = data.k_fold(2, stratify_by="labels")
    for fold in folds:
        assert Counter(map(tuple, fold["test"]["labels"])) == {(0,): 30, (0, 1): 19, (0, 2): 1}
    names = Dataset(pa.table({"tags": [["u"], ["v", "u"], ["v"], []]}), roles=Roles())
    assert len(names.k_fold(2, stratify_by="tags")) == 2


def test_dealing_goes_on_where_it_ended():
    assert np.bincount(dealt(np.arange(10), 5, 0)).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("do", "said"),
    [
        (lambda d: d.train_test_split(0), "test_size=0 of 4 rows leaves a part empty"),
        (lambda d: d.train_test_split(float("nan")), "leaves a part empty"),
        (lambda d: d.train_test_split(-1), "leaves a part empty"),
        (lambda d: d.train_test_split(train_size=4), "train_size=4 of 4 rows leaves"),
        (lambda d: d.train_test_split(3, train_size=2), "are more than the 4 rows"),
        (lambda d: d.train_test_split(2, shuffle=False, stratify_by="kind"), "shuffle=False"),
        (lambda d: d.train_test_split(2, group_by="same"), "no column 'same'"),
        (lambda d: d.train_test_split(2, group_by="group"), "'group' has 1 different values"),
        (lambda d: d.train_test_split(1, stratify_by="n"), "is in one row only"),
        (lambda d: d.k_fold(1), "cannot make 1 folds"),
        (lambda d: d.k_fold(5), "4 rows cannot make 5 folds"),
        (lambda d: d.sample(5), "5 rows cannot be drawn from 4"),
        (lambda d: d.sample(0.5), "a share of them, subset"),
        (lambda d: d.balance(how="both"), "how='both' is not known"),
        (lambda d: d.balance("gone"), "no column 'gone'"),
        (lambda d: d.with_roles_of(Roles()).balance(), "has no label"),
    ],
)
def test_what_cannot_be_split_says_why(do, said):
    with pytest.raises(DataError, match=said):
        do(made([0, 1, 2, 3]))


def test_real_classes_in_folds(real_data):
    data = load_dataset(real_data / "banking77", split="train")
    counts = data.label_counts()
    for fold in data.k_fold(5, seed=2, stratify_by="category"):
        for name, count in fold["test"].label_counts().items():
            assert abs(count - counts[name] / 5) < 1
    over = data.balance(how="over")
    assert set(over.label_counts().values()) == {max(counts.values())}
    assert set(over["text"]) == set(data["text"])
