"""Layers with a backward of their own give what PyTorch's plain operators give."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from weakref import ref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.linear import Linear
from graft.models.norm import RMSNorm
from graft.models.rotary import rotate


def gradients(output: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
    weights = torch.linspace(-1, 1, output.numel()).view_as(output)
    return torch.autograd.grad((output * weights).sum(), leaves)


@pytest.mark.parametrize("rows", [1, 15, 16, 100])
@pytest.mark.parametrize("bias", [True, False])
def test_linear(rows: int, bias: bool) -> None:
    layer = Linear(24, 40, bias=bias)
    hidden = torch.randn(rows, 24, requires_grad=True)
    leaves = [hidden, *layer.parameters()]
    found, expected = layer(hidden), F.linear(hidden, layer.weight, layer.bias)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        gradients(found, *leaves), gradients(expected, *leaves), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("frozen", ["hidden", "weight", "bias"])
def test_frozen_parts_of_a_linear_layer_get_no_gradient(frozen: str) -> None:
    layer = Linear(24, 40)
    parts = {"hidden": torch.randn(20, 24), "weight": layer.weight, "bias": layer.bias}
    for name, part in parts.items():
        part.requires_grad_(name != frozen)
    layer(parts["hidden"]).sum().backward()
    assert [name for name, part in parts.items() if part.grad is None] == [frozen]


def _replaced(layer: Linear) -> None:
    layer.weight = nn.Parameter(layer.weight * 1.1)


def _replaced_below(layer: Linear) -> None:
    layer.weight.data = layer.weight.data * 1.1


def _changed(layer: Linear) -> None:
    layer.weight.mul_(1.1)


def _trained_unseen(layer: Linear) -> None:
    layer.train()
    layer.weight.data.mul_(1.1)
    layer.eval()


@pytest.mark.parametrize("change", [_replaced, _replaced_below, _changed, _trained_unseen])
@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize("rows", [1, 8])
@torch.no_grad()
def test_a_linear_layer_knows_its_weight(
    change: Callable[[Linear], None], by_token: bool, rows: int
) -> None:
    layer = Linear(256, 512, by_token=by_token).eval()
    hidden = torch.randn(rows, 256)
    for _ in range(5):
        torch.testing.assert_close(layer(hidden), F.linear(hidden, layer.weight, layer.bias))
        for _ in range(2):  # the memory of the first is that of the third
            change(layer)


@torch.no_grad()
def test_what_is_kept_of_a_weight_goes_with_it() -> None:
    layer = Linear(8, 8)
    layer(torch.randn(2, 8))
    layout = ref(layer._packed._kept.tensor)  # type: ignore[union-attr]
    layer.to(torch.float64)
    assert layout() is None


@torch.no_grad()
def test_threads_share_a_linear_layer() -> None:
    layer = Linear(64, 256, by_token=True)
    texts = [torch.randn(rows, 64) for rows in (1, 2, 1, 3)]
    expected = [F.linear(hidden, layer.weight, layer.bias) for hidden in texts]

    @torch.no_grad()
    def ask(number: int) -> None:
        for _ in range(300):
            torch.testing.assert_close(layer(texts[number]), expected[number])

    with ThreadPoolExecutor(len(texts)) as pool:
        list(pool.map(ask, range(len(texts))))


@pytest.mark.parametrize("shape", [(1, 16), (30, 16), (30, 4, 16)], ids=str)
@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_rms_norm(shape: tuple[int, ...], offset: float) -> None:
    norm = RMSNorm(16, 1e-6, offset)
    with torch.no_grad():
        norm.weight += torch.randn(16)
    hidden = torch.randn(shape, requires_grad=True)
    found = norm(hidden)
    expected = F.rms_norm(hidden, (16,), norm.weight + offset, 1e-6)
    torch.testing.assert_close(found, expected)
    leaves = hidden, norm.weight
    torch.testing.assert_close(
        gradients(found, *leaves), gradients(expected, *leaves), atol=1e-5, rtol=1e-4
    )
    with torch.no_grad():
        torch.testing.assert_close(norm(hidden), found)


def test_rotations() -> None:
    heads = torch.randn(10, 3, 8, requires_grad=True)
    angles = torch.randn(10, 1, 4)
    turned = torch.view_as_complex(torch.stack(heads.chunk(2, dim=-1), -1))
    turned = turned * torch.polar(torch.ones_like(angles), angles)
    expected = torch.cat((turned.real, turned.imag), -1)
    found = rotate(heads, (angles.cos(), angles.sin()))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradients(found, heads), gradients(expected, heads))
    with torch.no_grad():
        torch.testing.assert_close(rotate(heads, (angles.cos(), angles.sin())), found)
