"""Every way to attend gives what the formula gives, forward and backward."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import graft
from graft.models.attention import ATTENTION, Attention, attend
from small import random_ids

ON_CPU = sorted(set(ATTENTION) - {"reference", "varlen"})
MIXES = [
    [1],
    [2, 1],
    [512],
    [7, 7, 7],
    [5, 9, 5, 9, 5],
    [3, 200, 1, 64, 64, 2, 65, 130, 7],
    [512, 1, 2, 33],
    [512, 512, 511],
]
"""Lengths of sequences: alone, equal, mixed, from the shortest to the longest."""


def inputs(lengths: list[int], heads: int = 3, size: int = 8) -> tuple[graft.Batch, list[Tensor]]:
    batch = graft.Batch.from_sequences(random_ids(lengths))
    source = torch.Generator().manual_seed(sum(lengths))
    parts = [torch.randn(batch.tokens, heads, size, generator=source) for _ in range(3)]
    return batch, parts


def with_gradients(
    attention: Callable[..., Tensor], parts: list[Tensor], batch: graft.Batch
) -> tuple[Tensor, list[Tensor]]:
    """The output, and the gradients of a weighted sum of it."""
    leaves = [part.clone().requires_grad_() for part in parts]
    output = attention(*leaves, batch, 0.0)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    (output * weights).sum().backward()
    return output.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize("lengths", MIXES, ids=str)
@pytest.mark.parametrize("name", ON_CPU)
class TestAgainstTheFormula:
    def test_forward(self, name: str, lengths: list[int]) -> None:
        batch, parts = inputs(lengths)
        expected = ATTENTION["reference"](*parts, batch, 0.0)
        torch.testing.assert_close(
            ATTENTION[name](*parts, batch, 0.0), expected, atol=1e-5, rtol=1e-5
        )

    def test_gradients(self, name: str, lengths: list[int]) -> None:
        batch, parts = inputs(lengths)
        expected = with_gradients(ATTENTION["reference"], parts, batch)
        found = with_gradients(ATTENTION[name], parts, batch)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)

    def test_first_tokens_alone(self, name: str, lengths: list[int]) -> None:
        batch, (query, key, value) = inputs(lengths)
        firsts = query[batch.starts[:-1]]
        whole = ATTENTION[name](query, key, value, batch, 0.0)
        found = ATTENTION[name](firsts, key, value, batch, 0.0)
        torch.testing.assert_close(found, whole[batch.starts[:-1]], atol=1e-5, rtol=1e-5)

        expected = with_gradients(ATTENTION["reference"], [firsts, key, value], batch)
        found_too = with_gradients(ATTENTION[name], [firsts, key, value], batch)
        torch.testing.assert_close(found_too, expected, atol=2e-5, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 5))
def test_any_mix_of_lengths(lengths: list[int], heads: int) -> None:
    batch, parts = inputs(lengths, heads, 4)
    expected = ATTENTION["reference"](*parts, batch, 0.0)
    torch.testing.assert_close(attend(*parts, batch), expected, atol=1e-5, rtol=1e-5)


def test_in_half_precision() -> None:
    batch, parts = inputs([3, 9, 9, 40])
    expected = ATTENTION["reference"](*parts, batch, 0.0)
    found = attend(*(part.bfloat16() for part in parts), batch)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, atol=3e-2, rtol=3e-2)


@pytest.mark.parametrize("attention", [ATTENTION[name] for name in [*ON_CPU, "reference"]])
def test_dropped_weights_average_out(attention: Attention) -> None:
    """With dropout an output is random, and on average the one without."""
    batch, parts = inputs([4, 6, 6])
    expected = attention(*parts, batch, 0.0)
    torch.manual_seed(1)
    leaves = [part.clone().requires_grad_() for part in parts]
    drawn = torch.stack([attention(*leaves, batch, 0.3).detach() for _ in range(600)])
    assert drawn.std(0).min() > 0
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.2, rtol=0)


def test_dropout_has_a_gradient_of_what_was_kept() -> None:
    """Forward and backward drop the same weights: the output is linear in the values."""
    batch, (query, key, value) = inputs([5, 5, 8])
    value.requires_grad_()
    torch.manual_seed(3)
    output = attend(query, key, value, batch, 0.5)
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    total = (output * weights).sum()
    total.backward()
    assert value.grad is not None
    torch.testing.assert_close((value.grad * value).sum(), total, atol=1e-4, rtol=1e-4)
