"""Our BERT computes what the oracle's does: in every shape, with segments, and for a task."""

from pathlib import Path
from typing import Any

import pytest
import torch
from texts import LENGTHS, padded
from tiny_bert import SHAPES, make_oracle
from torch import Tensor
from torch.nn import functional as F
from transformers import AutoModel

import graft
from graft.tasks.text_classification import TextClassification
from small import random_ids


def unpadded(states: Tensor, mask: Tensor) -> Tensor:
    return states[mask.bool()]


def segments_of(sequences: list[list[int]]) -> list[list[int]]:
    """The first half of each sequence in segment 0, the rest in 1."""
    return [[int(2 * i >= len(ids)) for i in range(len(ids))] for ids in sequences]


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES)
def test_hidden_states(tmp_path: Path, shape: str) -> None:
    oracle = make_oracle(**SHAPES[shape])
    oracle.save_pretrained(tmp_path)
    sequences = random_ids([*LENGTHS, 512] if shape == "long" else LENGTHS)
    ids, mask = padded(sequences)
    expected = unpadded(oracle(ids, attention_mask=mask).last_hidden_state, mask)
    model = graft.Model.from_pretrained(tmp_path)
    assert (model.task, model.labels) == (None, ())
    found = model(graft.Batch.from_sequences(sequences)).hidden
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES)
def test_logits(tmp_path: Path, shape: str) -> None:
    oracle = make_oracle(**SHAPES[shape], num_labels=5)
    oracle.save_pretrained(tmp_path)
    sequences = random_ids(LENGTHS)
    ids, mask = padded(sequences)
    expected = oracle(ids, attention_mask=mask).logits
    model = graft.Model.from_pretrained(tmp_path)
    assert model.task == "text-classification"
    found = model(graft.Batch.from_sequences(sequences)).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_pairs_with_their_segments(tmp_path: Path) -> None:
    oracle = make_oracle(num_labels=3)
    oracle.save_pretrained(tmp_path)
    sequences = random_ids(LENGTHS)
    segments = segments_of(sequences)
    ids, mask = padded(sequences)
    types, _ = padded(segments)
    expected = oracle(ids, attention_mask=mask, token_type_ids=types).logits
    batch = graft.Batch.from_sequences(sequences, type_ids=segments)
    found = graft.Model.from_pretrained(tmp_path)(batch).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def single(logits: Tensor) -> tuple[dict[str, Any], Tensor]:
    targets = torch.arange(len(logits)) % logits.shape[1]
    return {"labels": targets}, targets


def several(logits: Tensor) -> tuple[dict[str, Any], Tensor]:
    targets = (torch.arange(logits.numel()).view_as(logits) % 3 == 0).float()
    return {"labels": targets}, targets


@pytest.mark.parametrize(
    ("problem", "make"),
    [("single_label_classification", single), ("multi_label_classification", several)],
)
def test_the_loss_of_the_task(tmp_path: Path, problem: str, make: Any) -> None:
    oracle = make_oracle(num_labels=4, problem_type=problem)
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    task = TextClassification.from_model(model)
    assert task.several is (problem == "multi_label_classification")

    sequences = random_ids(LENGTHS)
    ids, mask = padded(sequences)
    logits = model(graft.Batch.from_sequences(sequences)).logits
    wanted, targets = make(logits)
    expected = oracle(ids, attention_mask=mask, **wanted).loss
    loss = task.loss(logits, targets).mean()
    torch.testing.assert_close(loss, expected, atol=1e-5, rtol=0)


def test_class_weights_weigh_rows_as_the_formula_says() -> None:
    """Each row's loss is multiplied; nothing is divided by the sum of the weights."""
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    targets, weights = torch.tensor([0, 1, 2, 2, 1, 0]), torch.tensor([0.5, 1.0, 3.0])
    rows = TextClassification(["a", "b", "c"]).loss(logits, targets, weights)
    expected = F.cross_entropy(logits, targets, reduction="none") * weights[targets]
    torch.testing.assert_close(rows, expected)


@pytest.mark.minilm
@torch.inference_mode()
def test_a_real_model(minilm: Path) -> None:
    sequences = [[101, *ids, 102] for ids in random_ids([1, 60, 7, 300])]
    ids, mask = padded(sequences)
    oracle = AutoModel.from_pretrained(minilm).eval()
    expected = unpadded(oracle(ids, attention_mask=mask).last_hidden_state, mask)
    found = graft.Model.from_pretrained(minilm)(graft.Batch.from_sequences(sequences)).hidden
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
