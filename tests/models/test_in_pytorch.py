"""What works on any module of PyTorch works on a model."""

import copy
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint

import graft
from graft.models.config import Config, Norm, Rotary, Vocabulary
from graft.models.transformer import Block
from small import make_model, random_ids

LENGTHS = [5, 90, 1, 5, 33]
WRITER = Config(
    family="llama",
    vocab_size=50,
    hidden_size=32,
    layers=2,
    heads=4,
    key_heads=2,
    intermediate_size=96,
    max_positions=128,
    causal=True,
    embedding_norm=False,
    positions="none",
    rotary=Rotary(),
    norm=Norm("rms", "before", 1e-6),
    final_norm=True,
    dropout=0.0,
    attention_dropout=0.0,
    init_std=0.3,
    vocabulary=Vocabulary(tied=False),
)
KINDS: dict[str, Callable[[], graft.Model]] = {
    "encoder": lambda: make_model(max_positions=128),
    "decoder": lambda: graft.Model(WRITER, "text-generation"),
    "pair": lambda: graft.Model(pair(), "text2text-generation"),
}


def pair() -> Config:
    shape = replace(WRITER, positions="learned", rotary=None, key_heads=None, family="bart")
    special = {"decoder_start_token_id": 2}
    reader = replace(shape, causal=False, special=special)
    return replace(reader, decoder=replace(shape, cross=True))


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest) -> graft.Model:
    torch.manual_seed(0)
    return KINDS[request.param]().eval()


def batch_of(model: graft.Model) -> graft.Batch:
    count = model.config.vocab_size
    return graft.Batch.from_sequences([[i % count for i in ids] for ids in random_ids(LENGTHS)])


def answer(model: Any, batch: graft.Batch) -> Tensor:
    output = model(batch)
    found: Tensor = output.hidden if output.logits is None else output.logits
    return found


def gradients(model: graft.Model, found: Tensor) -> list[Tensor]:
    weights = list(model.parameters())
    loss = (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum()
    given = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
    return list(given)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@torch.inference_mode()
def test_copies(model: graft.Model, copied: Callable[[graft.Model], graft.Model]) -> None:
    batch = batch_of(model)
    expected = answer(model, batch)  # weights are laid out by now
    twin = copied(model)
    assert torch.equal(answer(twin, batch), expected)
    with torch.no_grad():
        for weight in twin.parameters():
            weight.zero_()
    assert not answer(twin, batch).any()
    assert torch.equal(answer(model, batch), expected)


@torch.no_grad()
def test_states_of_another(model: graft.Model) -> None:
    batch = batch_of(model)
    other = copy.deepcopy(model)
    for weight in other.parameters():
        weight.add_(0.1)
    expected = answer(other, batch)
    assert not torch.allclose(answer(model, batch), expected)
    for assign in (False, True):
        target = copy.deepcopy(model)
        answer(target, batch)
        target.load_state_dict(other.state_dict(), assign=assign)
        assert torch.equal(answer(target, batch), expected)
    given = functional_call(model, dict(other.named_parameters()), (batch,))
    assert torch.equal(given.hidden if given.logits is None else given.logits, expected)


def test_compiled() -> None:
    """In parts: what depends on lengths stays Python."""
    model = make_model(layers=1)
    batch = graft.Batch.from_sequences(random_ids([5, 9, 5]))
    found, expected = answer(torch.compile(model, backend="eager"), batch), answer(model, batch)
    torch.testing.assert_close(found, expected)
    for ours, theirs in zip(gradients(model, found), gradients(model, expected), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_activations_that_are_made_again(
    model: graft.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batch_of(model)
    expected = gradients(model, answer(model, batch))
    forward, runs = Block.forward, []

    def again(block: Block, *inputs: Any) -> Tensor:
        runs.append(block)
        found: Tensor = forward(block, *inputs)
        return found

    monkeypatch.setattr(
        Block, "forward", lambda *inputs: checkpoint(again, *inputs, use_reentrant=False)
    )
    found = gradients(model, answer(model, batch))
    assert len(runs) == 2 * len(set(runs))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_without_numbers() -> None:
    """On the device that has shapes alone."""
    model = KINDS["decoder"]().eval().to("meta")
    batch = batch_of(model).to("meta")
    assert answer(model, batch).shape == (sum(LENGTHS), 50)


def test_threads_that_write_with_one_model() -> None:
    torch.manual_seed(0)
    model = KINDS["decoder"]().eval()
    prompts = [[[3, 4]], [[3, 4], [7], [8]], [[5]], [[6, 6], [1]]]
    options = {"max_new_tokens": 12, "eos_token_id": None}
    expected = [[text.ids for text in model.generate(one, **options)] for one in prompts]

    def write(number: int) -> list[tuple[int, ...]]:
        return [text.ids for text in model.generate(prompts[number % 4], **options)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(write, range(16)))
    assert found == expected * 4
