"""Dropout drops the share it should, and scales up what it keeps."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graft
from graft.models.dropout import Dropout
from small import make_classifier, random_ids


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 0.9])
def test_the_share_dropped_and_the_scale_of_the_rest(share: float) -> None:
    torch.manual_seed(0)
    output = Dropout(share).train()(torch.ones(400, 500))
    kept = output[output != 0]
    assert 1 - len(kept) / output.numel() == pytest.approx(share, abs=0.005)
    assert kept.unique().tolist() == pytest.approx([1 / (1 - share)], rel=1e-6)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    dropped = (Dropout(0.3).train()(torch.ones(1_000_000)) == 0).float()
    for distance in (1, 2, 3, 4, 8):
        both = (dropped[distance:] * dropped[:-distance]).mean()
        assert float(both) == pytest.approx(0.09, abs=0.003)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=4))
def test_any_shape(shape: list[int]) -> None:
    assert Dropout(0.5).train()(torch.ones(shape)).shape == torch.Size(shape)


def test_the_same_seed_drops_the_same() -> None:
    layer, ones = Dropout(0.3).train(), torch.ones(999)
    torch.manual_seed(7)
    first, second = layer(ones), layer(ones)
    torch.manual_seed(7)
    assert torch.equal(layer(ones), first)
    assert not torch.equal(first, second)


def test_the_gradient_passes_where_the_value_did() -> None:
    ones = torch.ones(1000, requires_grad=True)
    output = Dropout(0.4).train()(ones)
    output.sum().backward()
    assert ones.grad is not None
    assert torch.equal(ones.grad, output.detach())


def test_nothing_is_dropped_outside_training() -> None:
    model = make_classifier(dropout=0.5, attention_dropout=0.5)
    batch = graft.Batch.from_sequences(random_ids([5, 9]))
    with torch.inference_mode():
        first = model(batch).logits
        assert torch.equal(model(batch).logits, first)
        model.train()
        assert not torch.equal(model(batch).logits, first)


def test_a_share_of_nothing_and_types_are_kept() -> None:
    layer, half = Dropout(0.0).train(), torch.ones(8, dtype=torch.bfloat16)
    assert layer(half) is half
    assert Dropout(0.5).train()(half).dtype == torch.bfloat16
