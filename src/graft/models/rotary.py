"""Positions as rotations of queries and keys (Su et al., 2021), and how longer texts stretch them.

A head's features turn in pairs, each pair at its own frequency. A model reads longer texts than it
was trained on where the frequencies are lowered: all of them, or the low ones more than the high.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from graft.models.config import Rotary

Rotation = tuple[Tensor, Tensor]
"""Cosines and sines of each token's angles, `float32[tokens, 1, head_size / 2]` each."""

Options = Mapping[str, Any]
"""What `config.json` says of a scaling, complete: see `graft.models.families.rotations`."""


def rotation(
    rotary: Rotary, head_size: int, positions: Tensor, counts: Tensor, lengths: Tensor
) -> Rotation:
    """The angles of some tokens.

    Args:
        rotary: The frequencies.
        head_size: Width of one attention head.
        positions: `int64[tokens]`, the position of each token in its sequence.
        counts: `int64[sequences]`, how many of the tokens are of each sequence, on the CPU.
        lengths: `int64[sequences]`, tokens of each sequence so far, these included, on the CPU.
    """
    turns = frequencies(rotary, head_size, lengths)
    if turns.dim() == 2:
        turns = turns.repeat_interleave(counts, dim=0)
    angles = positions[:, None].float() * turns.to(positions.device)
    factor = attention_factor(rotary)
    return (angles.cos() * factor)[:, None], (angles.sin() * factor)[:, None]


def rotate(heads: Tensor, rotation: Rotation) -> Tensor:
    """Turns `[tokens, heads, head_size]`: feature `i` is paired with the one half a head on."""
    cos, sin = (part.to(heads.dtype) for part in rotation)
    if not torch.is_grad_enabled():
        return _turn(heads, cos, sin)
    turned: Tensor = _Turn.apply(heads, cos, sin)  # type: ignore[no-untyped-call]
    return turned


class _Turn(torch.autograd.Function):
    """Backward turns the other way: nothing but the angles is kept for it."""

    @staticmethod
    def forward(ctx, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.save_for_backward(cos, sin)
        return _turn(heads, cos, sin)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Any, ...]:  # type: ignore[no-untyped-def]
        cos, sin = ctx.saved_tensors
        return _turn(gradient, cos, -sin), None, None


def _turn(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    output = torch.empty_like(heads, memory_format=torch.contiguous_format)
    first, second = heads.chunk(2, dim=-1)
    new_first, new_second = output.chunk(2, dim=-1)
    torch.mul(first, cos, out=new_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=new_second).addcmul_(first, sin)
    return output


def frequencies(rotary: Rotary, head_size: int, lengths: Tensor) -> Tensor:
    """How far each pair of features turns from token to token, in radians.

    Args:
        rotary: The frequencies.
        head_size: Width of one attention head.
        lengths: `int64[sequences]`, tokens of each sequence.

    Returns:
        `float32[head_size / 2]`, or `float32[sequences, head_size / 2]` where they depend on how
        long a sequence is: on its own length alone, so that a batch does not change its result.
    """
    options = dict(rotary.scaling)
    kind = options.get("rope_type", "default")
    return SCALINGS[kind](rotary.theta, head_size, options, lengths)


def attention_factor(rotary: Rotary) -> float:
    """The factor of queries and of keys that goes with stretched frequencies."""
    options = dict(rotary.scaling)
    kind = options.get("rope_type", "default")
    if kind not in _ATTENTION_FACTORS:
        return 1.0
    given = options.get("attention_factor")
    return _ATTENTION_FACTORS[kind](options) if given is None else float(given)


def _plain(theta: float | Tensor, size: int) -> Tensor:
    exponents = torch.arange(0, size, 2, dtype=torch.float32) / size
    turns: Tensor = 1.0 / theta**exponents
    return turns


def _default(theta: float, size: int, _: Options, __: Tensor) -> Tensor:
    return _plain(theta, size)


def _linear(theta: float, size: int, options: Options, _: Tensor) -> Tensor:
    """All positions closer together by one factor (Chen et al., 2023)."""
    turns: Tensor = _plain(theta, size) / options["factor"]
    return turns


def _dynamic(theta: float, size: int, options: Options, lengths: Tensor) -> Tensor:
    """A base that grows with the text, from the longest text of the training on."""
    factor, known = options["factor"], options["original_max_position_embeddings"]
    growth = factor * lengths.clamp(min=known) / known - (factor - 1)
    bases = theta * growth.float() ** (size / (size - 2))
    return _plain(bases[:, None], size)


def _yarn(theta: float, size: int, options: Options, _: Tensor) -> Tensor:
    """High frequencies as they are, low ones lowered, a ramp between (Peng et al., 2023)."""
    known = options["original_max_position_embeddings"]

    def place(rounds: float) -> float:
        """The pair, as a fraction, that makes so many rounds within a text of the training."""
        return size * math.log(known / (rounds * 2 * math.pi)) / (2 * math.log(theta))

    first, last = place(options.get("beta_fast") or 32), place(options.get("beta_slow") or 1)
    if options.get("truncate", True):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, size - 1)
    if first == last:
        last += 0.001  # a step is a steep ramp
    ramp = (torch.arange(size // 2, dtype=torch.float32) - first) / (last - first)
    lowered = ramp.clamp(0, 1)
    turns = _plain(theta, size)
    stretched: Tensor = turns / options["factor"] * lowered + turns * (1 - lowered)
    return stretched


def _llama3(theta: float, size: int, options: Options, _: Tensor) -> Tensor:
    """The same by wavelengths, with a ramp in the number of rounds (Llama 3.1, 2024)."""
    turns = _plain(theta, size)
    low, high = options["low_freq_factor"], options["high_freq_factor"]
    rounds = options["original_max_position_embeddings"] * turns / (2 * math.pi)
    kept = ((rounds - low) / (high - low)).clamp(0, 1)
    stretched: Tensor = turns / options["factor"] * (1 - kept) + turns * kept
    return stretched


def _longrope(theta: float, size: int, options: Options, lengths: Tensor) -> Tensor:
    """A factor found for each frequency, for short and for long texts (Ding et al., 2024)."""
    short, long = (
        _plain(theta, size) / torch.tensor(options[name], dtype=torch.float32)
        for name in ("short_factor", "long_factor")
    )
    far = lengths > options["original_max_position_embeddings"]
    return torch.where(far[:, None], long, short)


def _yarn_factor(options: Options) -> float:
    """Sharper attention for longer texts (Peng et al., 2023, section 3.4)."""

    def of(weight: float) -> float:
        factor = options["factor"]
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    weight, shared = options.get("mscale"), options.get("mscale_all_dim")
    return of(weight) / of(shared) if weight and shared else of(1.0)


def _longrope_factor(options: Options) -> float:
    factor, known = options["factor"], options["original_max_position_embeddings"]
    return 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(known))


SCALINGS: dict[str, Callable[[float, int, Options, Tensor], Tensor]] = {
    "default": _default,
    "linear": _linear,
    "dynamic": _dynamic,
    "yarn": _yarn,
    "llama3": _llama3,
    "longrope": _longrope,
}
"""From the base, the width of a head, options and `int64[sequences]` lengths to frequencies, by the
`rope_type` of `config.json`."""

_ATTENTION_FACTORS: dict[str, Callable[[Options], float]] = {
    "yarn": _yarn_factor,
    "longrope": _longrope_factor,
}
