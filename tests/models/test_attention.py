"""Every way to attend gives what the formula gives, forward and backward."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import graft
from graft.errors import ModelError
from graft.models.attention import ATTENTION, Attention, Rules, attend
from graft.models.blocks import seen_at
from graft.models.layout import Layout, plan_islands
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
    [300, 301],
]
"""Lengths of sequences: alone, equal, mixed, from the shortest to the longest."""


RULES = {
    "plain": {},
    "causal": {"causal": True},
    "window": {"window": 3},
    "causal window": {"causal": True, "window": 5},
    "wide window, cap": {"window": 40, "cap": 0.5},
    "cap": {"cap": 0.5},
    "causal cap": {"causal": True, "cap": 0.5},
    "bias of distances": {"bias": lambda query, key, distances: distances[:, None] / 50},
    "bias of contents": {"bias": lambda query, key, distances: _contents(query, key)},
    "causal window, bias, cap": {
        "causal": True,
        "window": 40,
        "cap": 0.5,
        "bias": lambda query, key, distances: _contents(query, key),
    },
}
"""What may differ between models."""


def _contents(query: Tensor, key: Tensor) -> Tensor:
    """Something that depends on the head, the query and the key."""
    group = query.shape[2] // key.shape[2]
    sums = query.sum(-1).transpose(1, 2)[..., None]
    return (sums + key.repeat_interleave(group, 2).sum(-1).transpose(1, 2)[:, :, None]) / 4


def rules(kind: str = "plain", **changes: Any) -> Rules:
    return Rules(scale=8**-0.5, **{**RULES[kind], **changes})


def inputs(
    lengths: list[int], heads: int = 3, size: int = 8, key_heads: int | None = None
) -> tuple[graft.Batch, list[Tensor]]:
    batch = graft.Batch.from_sequences(random_ids(lengths))
    source = torch.Generator().manual_seed(sum(lengths))
    counts = [heads, key_heads or heads, key_heads or heads]
    parts = [torch.randn(batch.tokens, count, size, generator=source) for count in counts]
    return batch, parts


def with_gradients(
    attention: Attention, parts: list[Tensor], layout: Layout, how: Rules | None = None
) -> tuple[Tensor, list[Tensor]]:
    """The output, and the gradients of a weighted sum of it."""
    leaves = [part.clone().requires_grad_() for part in parts]
    output = attention(*leaves, layout, how or rules())
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    (output * weights).sum().backward()
    return output.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]


@pytest.mark.parametrize("lengths", MIXES, ids=str)
@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("name", ON_CPU)
class TestAgainstTheFormula:
    def test_forward(self, name: str, kind: str, lengths: list[int]) -> None:
        batch, parts = inputs(lengths)
        expected = ATTENTION["reference"](*parts, batch.layout, rules(kind))
        found = ATTENTION[name](*parts, batch.layout, rules(kind))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)

    def test_gradients(self, name: str, kind: str, lengths: list[int]) -> None:
        batch, parts = inputs(lengths)
        expected = with_gradients(ATTENTION["reference"], parts, batch.layout, rules(kind))
        found = with_gradients(ATTENTION[name], parts, batch.layout, rules(kind))
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)

    def test_shared_keys(self, name: str, kind: str, lengths: list[int]) -> None:
        batch, parts = inputs(lengths, heads=6, key_heads=2)
        expected = with_gradients(ATTENTION["reference"], parts, batch.layout, rules(kind))
        found = with_gradients(ATTENTION[name], parts, batch.layout, rules(kind))
        torch.testing.assert_close(found, expected, atol=4e-5, rtol=1e-4)


@pytest.mark.parametrize("lengths", MIXES, ids=str)
@pytest.mark.parametrize("name", ON_CPU)
class TestOtherQueries:
    def test_first_tokens_alone(self, name: str, lengths: list[int]) -> None:
        batch, (query, key, value) = inputs(lengths)
        firsts = query[batch.starts[:-1]]
        whole = ATTENTION[name](query, key, value, batch.layout, rules())
        found = ATTENTION[name](firsts, key, value, batch.first_layout, rules())
        torch.testing.assert_close(found, whole[batch.starts[:-1]], atol=1e-5, rtol=1e-5)

        parts = [firsts, key, value]
        expected = with_gradients(ATTENTION["reference"], parts, batch.first_layout)
        found_too = with_gradients(ATTENTION[name], parts, batch.first_layout)
        torch.testing.assert_close(found_too, expected, atol=2e-5, rtol=1e-4)

    def test_of_another_batch(self, name: str, lengths: list[int]) -> None:
        """As a decoder's tokens look at the encoder's."""
        _, (_, key, value) = inputs(lengths)
        others = [1 + (7 * length) % 23 for length in lengths]
        _, (query, _, _) = inputs(others)
        layout = Layout(torch.tensor(others), torch.tensor(lengths))
        expected = with_gradients(ATTENTION["reference"], [query, key, value], layout)
        found = with_gradients(ATTENTION[name], [query, key, value], layout)
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"causal": True}, {"window": 30}, {"cap": 0.5}], ids=str)
@pytest.mark.parametrize("kinds", ["heads", "all heads alike", "keys alone"])
@pytest.mark.parametrize("lengths", [[1], [3, 200, 1, 64, 64, 65, 7], [300, 301]], ids=str)
def test_a_learned_bias(lengths: list[int], kinds: str, changes: dict[str, Any]) -> None:
    """Its gradient is the sum over all that share a value, of whatever shape it is."""
    batch, parts = inputs(lengths, heads=6, key_heads=2)
    source = torch.Generator().manual_seed(1)
    heads = 1 if kinds == "all heads alike" else 6
    values = torch.randn(heads, 2 * max(lengths), generator=source)

    def found(attention: Attention) -> tuple[Tensor, list[Tensor], Tensor]:
        table = values.clone().requires_grad_()

        def bias(query: Tensor, key: Tensor, distances: Tensor) -> Tensor:
            if kinds == "keys alone":
                return table[None, :, None, : key.shape[1]]
            return table[:, distances + max(lengths)].transpose(0, 1)

        how = rules(bias=bias, **changes)
        output, gradients = with_gradients(attention, parts, batch.layout, how)
        assert table.grad is not None
        return output, gradients, table.grad

    torch.testing.assert_close(
        found(ATTENTION["islands"]), found(ATTENTION["reference"]), atol=2e-4, rtol=1e-4
    )


@pytest.mark.parametrize("length", [1, 63, 64, 95, 96, 1000])
@pytest.mark.parametrize(("causal", "window"), [(True, None), (True, 40), (False, 40)])
def test_blocks_hold_what_is_seen_and_little_else(
    length: int, causal: bool, window: int | None
) -> None:
    lengths = torch.tensor([length, max(1, length - 3)])
    (island,) = plan_islands(lengths) if length < 100 else plan_islands(lengths[:1])
    distances = island.distances[0]
    expected = seen_at(distances, causal, window)
    found = torch.zeros(length, length, dtype=torch.bool)
    made = 0
    for block in island.blocks(causal, window, torch.zeros(1)):
        mask = block.whole_mask
        found[block.queries, block.keys] = True if mask is None else mask[0, 0] == 0
        made += block.size[0] * block.size[1]
    assert expected is None or torch.equal(found, expected)
    if length == 1000:
        assert made < 1.15 * int(found.sum()) + 64 * length


@settings(max_examples=40)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(1, 5))
def test_any_mix_of_lengths(lengths: list[int], heads: int) -> None:
    batch, parts = inputs(lengths, heads, 4)
    expected = ATTENTION["reference"](*parts, batch.layout, rules())
    torch.testing.assert_close(
        attend(*parts, batch.layout, rules()), expected, atol=1e-5, rtol=1e-5
    )


def test_weights_can_be_asked_for() -> None:
    batch, parts = inputs([3, 5, 2])
    weights: list[Tensor] = []
    output = attend(*parts, batch.layout, rules("causal", weights=weights))
    assert [tuple(one.shape) for one in weights] == [(3, 3, 3), (3, 5, 5), (3, 2, 2)]
    values = parts[2].split([3, 5, 2])
    rebuilt = [torch.einsum("hqk,khd->qhd", w, v) for w, v in zip(weights, values, strict=True)]
    torch.testing.assert_close(torch.cat(rebuilt), output, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(one, one.tril()) for one in weights)


def test_an_implementation_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    batch, parts = inputs([3, 5])
    monkeypatch.setitem(ATTENTION, "values", lambda query, key, value, layout, rules: value)
    found = attend(*parts, batch.layout, rules(implementation="values"))
    assert found is parts[2]


def test_a_name_that_there_is_not() -> None:
    batch, parts = inputs([3, 5])
    with pytest.raises(ModelError, match="no attention named 'flash'; there is auto, islands"):
        attend(*parts, batch.layout, rules(implementation="flash"))


@pytest.mark.parametrize(("dtype", "error"), [(torch.bfloat16, 2e-1), (torch.float16, 3e-2)])
@pytest.mark.parametrize("lengths", [[3, 9, 9, 40], [300, 300]], ids=str)
def test_in_half_precision(dtype: torch.dtype, error: float, lengths: list[int]) -> None:
    """Scores may be larger than the logarithm of the format's largest number, 11 of float16."""
    batch, (query, key, value) = inputs(lengths)
    query, key, value = (part.to(dtype) for part in (query * 2, key * 2, value))
    precise = [part.float() for part in (query, key, value)]
    expected = ATTENTION["reference"](*precise, batch.layout, rules())
    found = attend(query, key, value, batch.layout, rules())
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, atol=error, rtol=0)


def test_where_sequences_start() -> None:
    """What variable-length flash attention reads."""
    batch, _ = inputs([3, 5, 2])
    queries, keys = batch.layout.starts(batch.ids.device)
    assert queries is keys
    assert queries.dtype == torch.int32
    assert queries.tolist() == [0, 3, 8, 10]
    queries, keys = batch.first_layout.starts(batch.ids.device)
    assert queries.tolist() == [0, 1, 2, 3]
    assert keys.tolist() == [0, 3, 8, 10]
    assert batch.first_layout.starts(batch.ids.device)[0] is queries


@pytest.mark.parametrize("attention", [ATTENTION[name] for name in [*ON_CPU, "reference"]])
def test_dropped_weights_average_out(attention: Attention) -> None:
    """With dropout an output is random, and on average the one without."""
    batch, parts = inputs([4, 6, 6])
    expected = attention(*parts, batch.layout, rules())
    torch.manual_seed(1)
    leaves = [part.clone().requires_grad_() for part in parts]
    drawn = torch.stack(
        [attention(*leaves, batch.layout, rules(dropout=0.3)).detach() for _ in range(600)]
    )
    assert drawn.std(0).min() > 0
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.2, rtol=0)


def test_dropout_has_a_gradient_of_what_was_kept() -> None:
    """Forward and backward drop the same weights: the output is linear in the values."""
    batch, (query, key, value) = inputs([5, 5, 8])
    value.requires_grad_()
    torch.manual_seed(3)
    output = attend(query, key, value, batch.layout, rules(dropout=0.5))
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    total = (output * weights).sum()
    total.backward()
    assert value.grad is not None
    torch.testing.assert_close((value.grad * value).sum(), total, atol=1e-4, rtol=1e-4)
