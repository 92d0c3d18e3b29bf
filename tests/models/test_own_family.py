"""Architectures that users register."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import graft
from graft.errors import ModelError
from graft.models.families import FAMILIES
from graft.models.families.bert import BERT
from small import make_model, random_ids

MINE = replace(BERT, name="my-bert", prefix="mine.")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Takes away what a test registered."""
    before = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(before)


def test_models_of_a_registered_family_save_and_load(tmp_path: Path) -> None:
    assert graft.register_family(MINE) is MINE
    model = make_model(task="text-classification", family="my-bert", labels=("a", "b"))
    model.save_pretrained(tmp_path)
    FAMILIES.pop("my-bert")
    with pytest.raises(ModelError, match="my-bert"):
        graft.Model.from_pretrained(tmp_path)
    graft.register_family(MINE)
    again = graft.Model.from_pretrained(tmp_path)
    assert again.config.labels == ("a", "b")
    batch = graft.Batch.from_sequences(random_ids([5, 9]))
    assert torch.equal(again(batch).logits, model(batch).logits)


def test_one_of_ones_own_may_be_registered_again() -> None:
    graft.register_family(MINE)
    other = replace(MINE, prefix="ours.")
    graft.register_family(other)
    assert FAMILIES["my-bert"] is other


@pytest.mark.parametrize("name", ["bert", ""])
def test_names_are_ones_own(name: str) -> None:
    with pytest.raises(ModelError, match=f"cannot have the name {name!r}"):
        graft.register_family(replace(MINE, name=name))
    assert FAMILIES["bert"] is BERT


def test_heads_are_of_tasks_that_there_are() -> None:
    with pytest.raises(ModelError, match="has a head for rhyming; there is text-classification"):
        graft.register_family(replace(MINE, architectures={None: "My", "rhyming": "MyRhymes"}))
    assert "my-bert" not in FAMILIES
