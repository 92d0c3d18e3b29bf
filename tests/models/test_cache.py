"""The cache of keys and values: what is computed once is right, and is not copied."""

import resource
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import graft
from graft.models.cache import Cache
from graft.models.config import Config, Norm, RelativeBias, Rotary
from graft.models.context import Context
from graft.models.slots import Slots, plan_spans
from graft.models.transformer import Transformer
from small import VOCABULARY, random_ids

CONFIG = Config(
    family="llama",
    vocab_size=len(VOCABULARY),
    hidden_size=32,
    layers=3,
    heads=4,
    key_heads=2,
    intermediate_size=48,
    max_positions=600,
    causal=True,
    embedding_norm=False,
    positions="none",
    rotary=Rotary(),
    norm=Norm("rms", "before", 1e-6),
    init_std=0.4,
)
SHAPES = {
    "rotary": {},
    "windows": {"windows": (4, None, 9)},
    "caps": {"score_cap": 2.0},
    "relative": {"rotary": None, "relative": RelativeBias(8, 20, False), "key_heads": None},
    "learned": {"rotary": None, "positions": "learned"},
}


def make_stack(**changes: object) -> Transformer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Transformer(replace(CONFIG, **changes)).eval()  # type: ignore[arg-type]


def step(stack: Transformer, cache: Cache, tokens: list[int]) -> Tensor:
    batch = graft.Batch.from_sequences([[token] for token in tokens])
    hidden: Tensor = stack(Context(batch, cache=cache))
    return hidden


def whole(stack: Transformer, sequences: list[list[int]]) -> Tensor:
    """The last state of each sequence, read at once."""
    batch = graft.Batch.from_sequences(sequences)
    hidden: Tensor = stack(Context(batch))
    return hidden[batch.starts[1:] - 1]


def close(found: Tensor, expected: Tensor) -> None:
    scale = float(expected.abs().max())
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=0)


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES)
def test_token_by_token_equals_at_once(shape: str) -> None:
    """While rows of unequal lengths grow, and some leave."""
    stack = make_stack(**SHAPES[shape])
    rows = random_ids([230, 90, 40, 38, 7, 7, 5, 1])
    cache = Cache(stack_config(shape), 240)
    stack(Context(graft.Batch.from_sequences(rows), cache=cache))
    leave = {2: [3], 4: [0, 4], 5: [1, 2]}
    for number in range(8):
        tokens = [(7 * number + 3 * row) % 80 for row in range(len(rows))]
        rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
        close(step(stack, cache, tokens), whole(stack, rows))
        if number in leave:
            stays = torch.tensor([row not in leave[number] for row in range(len(rows))])
            order = cache.leave(stays).tolist()
            assert sorted(order) == [row for row in range(len(rows)) if stays[row]]
            rows = [rows[row] for row in order]


@torch.inference_mode()
@pytest.mark.parametrize("shape", SHAPES)
def test_branches_that_share_a_row(shape: str) -> None:
    """Branches are given up and doubled; each sees the tokens that it descends from alone."""
    stack = make_stack(**SHAPES[shape])
    prompts = random_ids([60, 21, 4])
    cache = Cache(stack_config(shape), 60 + 3 * 8, branches=3)
    stack(Context(graft.Batch.from_sequences(prompts), cache=cache))
    rows = [list(prompt) for prompt in prompts for _ in range(3)]
    generator = torch.Generator().manual_seed(0)
    for number in range(8):
        tokens = torch.randint(80, (len(rows),), generator=generator).tolist()
        rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
        close(step(stack, cache, tokens), whole(stack, rows))
        parents = torch.randint(3, (len(rows) // 3, 3), generator=generator)
        cache.descend(parents)
        firsts = 3 * torch.arange(len(parents))[:, None]
        rows = [list(rows[row]) for row in (firsts + parents).flatten().tolist()]
        if number == 4:
            order = cache.leave(torch.tensor([True, False, True])).tolist()
            rows = [rows[3 * row + branch] for row in order for branch in range(3)]


@torch.inference_mode()
def test_rows_that_are_repeated() -> None:
    stack = make_stack()
    prompts = random_ids([50, 12, 3])
    cache = Cache(CONFIG, 60)
    stack(Context(graft.Batch.from_sequences(prompts), cache=cache))
    cache.repeat(2)
    rows = [list(prompt) for prompt in prompts for _ in range(2)]
    for number in range(3):
        tokens = [(11 * number + row) % 80 for row in range(6)]
        rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
        close(step(stack, cache, tokens), whole(stack, rows))


@torch.inference_mode()
def test_nothing_is_copied_as_rows_grow() -> None:
    stack = make_stack()
    cache = Cache(CONFIG, 40)
    stack(Context(graft.Batch.from_sequences(random_ids([20, 9])), cache=cache))
    places = [slots.keys.data_ptr() for slots in cache._own if slots is not None]
    for token in range(19):
        step(stack, cache, [token, token])
    assert [slots.keys.data_ptr() for slots in cache._own if slots is not None] == places
    assert len(places) == 3


@torch.inference_mode()
def test_what_a_cache_has_no_room_for() -> None:
    stack = make_stack()
    cache = Cache(CONFIG, 21)
    stack(Context(graft.Batch.from_sequences(random_ids([20, 9])), cache=cache))
    step(stack, cache, [1, 2])
    with pytest.raises(ValueError, match="room for 21 tokens"):
        step(stack, cache, [1, 2])
    with pytest.raises(ValueError, match="one token at a time"):
        step(stack, cache, [1, 2, 3])


@pytest.mark.skipif(sys.platform != "linux", reason="measured as Linux does")
def test_room_that_is_not_used_costs_nothing() -> None:
    """Two gibibytes are set aside; a little is written to."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    token = torch.ones(4, 8, 64)
    slots = Slots(4, 1 << 17, token, token)
    slots.write(torch.arange(4), torch.tensor([0, 5, 9, 100]), token, token)
    assert slots.keys.nbytes + slots.values.nbytes == 2 << 30
    assert slots.keys[1, :, 5].eq(1).all()
    assert not slots.keys[1, :, :5].any()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 << 10


def test_rows_of_nearly_one_length_share_a_call() -> None:
    lengths = torch.tensor([[400, 398, 140, 138, 137, 9, 8, 3]])
    assert [span.rows for span in plan_spans(lengths)] == [2, 3, 3]
    assert [(span.start, span.stop) for span in plan_spans(lengths)] == [(0, 2), (2, 5), (5, 8)]
    of_both = torch.stack([torch.ones(3, dtype=torch.int64), torch.tensor([300, 299, 20])])
    assert [span.rows for span in plan_spans(of_both)] == [2, 1]


def stack_config(shape: str) -> Config:
    return replace(CONFIG, **SHAPES[shape])  # type: ignore[arg-type]
