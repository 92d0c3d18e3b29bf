"""AdamW over sparse gradients, parameter groups, clipping and schedules."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from graft.errors import TaskError
from graft.models.config import RelativeBias
from graft.models.model import Model
from graft.train.adamw import AdamW
from graft.train.optim import adamw, clip_gradients, layer_groups, layer_rates
from graft.train.schedule import SCHEDULES, find_schedule
from small import CONFIG, make_classifier


class Net(nn.Module):
    """A table that is looked up, and a layer after it."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.table = nn.Embedding(12, 3, sparse=sparse)
        self.layer = nn.Linear(3, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.layer(self.table(ids)).square().sum()


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=5), min_size=1, max_size=8),
    st.sampled_from([0.0, 0.1]),
)
def test_sparse_gradients_train_as_dense_ones_do(steps: list[list[int]], decay: float) -> None:
    """Rows seen once keep moving by their momentum, as PyTorch's AdamW has it."""
    torch.manual_seed(0)
    ours = Net(sparse=True)
    theirs = Net(sparse=False)
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    mine = adamw([[ours.table], [ours.layer]], [1e-2, 3e-2], weight_decay=decay)
    bias_and_table = [theirs.table.weight, theirs.layer.bias]
    peer = torch.optim.AdamW(
        [
            {"params": bias_and_table[:1], "lr": 1e-2, "weight_decay": 0.0},
            {"params": bias_and_table[1:], "lr": 3e-2, "weight_decay": 0.0},
            {"params": [theirs.layer.weight], "lr": 3e-2, "weight_decay": decay},
        ]
    )
    for ids in steps:
        for net, optimizer in ((ours, mine), (theirs, peer)):
            optimizer.zero_grad(set_to_none=True)
            net(torch.tensor(ids)).backward()
            optimizer.step()
    for name, tensor in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, atol=1e-6, rtol=1e-5)


def sparse_step(optimizer: AdamW, table: nn.Embedding, ids: list[int]) -> None:
    optimizer.zero_grad()
    table(torch.tensor(ids)).square().sum().backward()
    optimizer.step()


def test_a_saved_state_goes_on() -> None:
    tables = [nn.Embedding(6, 2, sparse=True) for _ in range(2)]
    tables[1].load_state_dict(tables[0].state_dict())
    first, second = (AdamW([{"params": table.parameters()}], lr=0.1) for table in tables)
    for ids in ([4, 1], [1, 5], [0, 4]):
        sparse_step(first, tables[0], ids)
        sparse_step(second, tables[1], ids)
        fresh = AdamW([{"params": tables[1].parameters()}], lr=0.1)
        fresh.load_state_dict(second.state_dict())
        second = fresh
    assert torch.equal(tables[0].weight, tables[1].weight)


@pytest.mark.parametrize("sparse_first", [True, False])
def test_gradients_of_another_kind_are_refused(sparse_first: bool) -> None:
    table = nn.Embedding(6, 2, sparse=sparse_first)
    optimizer = AdamW([{"params": table.parameters()}], lr=0.1)
    sparse_step(optimizer, table, [4, 1])
    table.sparse = not sparse_first
    with pytest.raises(ValueError, match="must stay sparse, or dense"):
        sparse_step(optimizer, table, [4, 1])


def test_matrices_alone_are_decayed() -> None:
    model = make_classifier()
    optimizer = adamw(layer_groups(model), layer_rates(1e-3, 4), weight_decay=0.1)
    decayed = {
        id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]
    }
    every = {id(p) for group in optimizer.param_groups for p in group["params"]}
    names = {name for name, p in model.named_parameters() if id(p) in decayed}
    assert every == {id(p) for p in model.parameters()}
    assert "body.blocks.0.attention.qkv.weight" in names
    assert "head.classify.weight" in names
    assert not [name for name in names if "norm" in name or "bias" in name or "embed" in name]


class TestRates:
    def test_one_for_all(self) -> None:
        assert layer_rates(1e-3, 3) == [1e-3] * 3

    def test_a_slice_grows_by_a_constant_factor(self) -> None:
        assert layer_rates(slice(1e-5, 1e-3), 3) == pytest.approx([1e-5, 1e-4, 1e-3])

    def test_a_slice_without_a_start_begins_at_a_tenth(self) -> None:
        assert layer_rates(slice(1e-3), 2) == pytest.approx([1e-4, 1e-3])

    def test_one_group_has_the_highest(self) -> None:
        assert layer_rates(slice(1e-5, 1e-3), 1) == [1e-3]

    @pytest.mark.parametrize("rate", [0, -1e-3, slice(1e-3, 1e-5), slice(0, 1e-3), math.nan])
    def test_rates_that_cannot_be(self, rate: float | slice) -> None:
        with pytest.raises(TaskError, match="learning rate must be above zero"):
            layer_rates(rate, 3)

    def test_the_head_learns_fastest(self) -> None:
        groups = layer_groups(make_classifier())
        assert [len(group) for group in groups] == [1, 1, 1, 1]
        assert "SequenceHead" in type(groups[-1][0]).__name__


class TestClipping:
    def gradients(self) -> list[nn.Parameter]:
        net = Net(sparse=True)
        (net(torch.tensor([1, 1, 2])) * 100).backward()
        return list(net.parameters())

    def dense(self, parameters: list[nn.Parameter]) -> torch.Tensor:
        grads = [p.grad for p in parameters if p.grad is not None]
        return torch.cat([g.to_dense().flatten() for g in grads])

    def test_a_large_gradient_is_scaled_down(self) -> None:
        parameters = self.gradients()
        before = self.dense(parameters)
        norm = clip_gradients(parameters, 0.5)
        assert norm == pytest.approx(float(before.norm()), rel=1e-5)
        torch.testing.assert_close(self.dense(parameters), before * 0.5 / norm)

    def test_a_small_one_and_no_limit_change_nothing(self) -> None:
        for limit in (1e9, 0):
            parameters = self.gradients()
            before = self.dense(parameters)
            clip_gradients(parameters, limit)
            torch.testing.assert_close(self.dense(parameters), before)


class TestSchedules:
    @pytest.mark.parametrize("name", SCHEDULES)
    def test_between_nothing_and_the_peak(self, name: str) -> None:
        factors = [find_schedule(name)(step / 1000) for step in range(1001)]
        assert max(factors) == pytest.approx(1, abs=1e-3)
        assert min(factors) >= 0

    def test_linear_goes_up_and_down_in_straight_lines(self) -> None:
        schedule = SCHEDULES["linear"]()
        assert [schedule(x) for x in (0.0, 0.05, 0.1, 0.55, 1.0)] == pytest.approx(
            [0, 0.5, 1, 0.5, 0]
        )

    def test_one_cycle(self) -> None:
        schedule = SCHEDULES["one-cycle"]()
        assert schedule(0) == pytest.approx(1 / 25)
        assert schedule(0.25) == pytest.approx(1)
        assert schedule(1) == pytest.approx(1e-5)
        rising = [schedule(x / 100) for x in range(26)]
        falling = [schedule(x / 100) for x in range(25, 101)]
        assert rising == sorted(rising)
        assert falling == sorted(falling, reverse=True)

    def test_ones_own(self) -> None:
        def half(done: float) -> float:
            return 0.5

        assert find_schedule(half) is half
        with pytest.raises(TaskError, match="no schedule 'cosine'; there is one-cycle, linear"):
            find_schedule("cosine")


WRITER = replace(CONFIG, causal=True, cross=True, final_norm=True, relative=RelativeBias())
SHAPES = {
    "an encoder": replace(CONFIG, final_norm=True, relative=RelativeBias()),
    "a pair": replace(WRITER, causal=False, cross=False, decoder=WRITER),
    "a pair that shares nothing": replace(
        WRITER, causal=False, cross=False, decoder=WRITER, shared_embedding=False
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_parameter_is_trained_once(shape: str) -> None:
    """Also those that stand between the blocks, and those that two stacks share."""
    model = Model(SHAPES[shape], "text2text-generation")
    groups = layer_groups(model)
    optimizer = adamw(groups, layer_rates(1e-3, len(groups)))
    trained = [each for group in optimizer.param_groups for each in group["params"]]
    assert len(trained) == len(set(trained))
    assert set(trained) == set(model.parameters())
