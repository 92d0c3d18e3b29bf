"""Which tokens are drawn from, and drawing one."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from graft.models.generation.config import GenerationConfig

Filter = Callable[[Tensor], Tensor]
"""From scores, `float32[rows, vocabulary]`, to scores that are minus infinity where a token is not
drawn from."""

_COLDEST = 1e-30  # below it logits become infinite, and nothing changes any more


def make_filters(config: GenerationConfig) -> list[Filter]:
    """The filters of a configuration, in the order in which the ecosystem applies them.

    A search keeps more than the tokens that may end the text, so that something can go on.
    """
    keep = 1 if config.num_beams == 1 else 1 + max(1, len(config.eos_token_id))
    filters: list[Filter] = []
    if config.temperature != 1.0:
        temperature = max(config.temperature, _COLDEST)
        filters.append(lambda scores: scores / temperature)
    if config.top_k:
        filters.append(lambda scores: top_k(scores, config.top_k, keep))
    if config.top_p < 1.0:
        filters.append(lambda scores: top_p(scores, config.top_p, keep))
    if config.min_p:
        filters.append(lambda scores: min_p(scores, config.min_p, keep))
    if config.typical_p < 1.0:
        filters.append(lambda scores: typical_p(scores, config.typical_p, keep))
    if config.epsilon_cutoff:
        filters.append(lambda scores: epsilon(scores, config.epsilon_cutoff, keep))
    if config.eta_cutoff:
        filters.append(lambda scores: eta(scores, config.eta_cutoff, keep))
    return filters


def top_k(scores: Tensor, count: int, keep: int = 1) -> Tensor:
    """Keeps the `count` likeliest tokens (Fan et al., 2018), and those as likely as the last."""
    count = min(max(count, keep), scores.shape[1])
    least = scores.topk(count).values[:, -1:]
    return scores.masked_fill(scores < least, -math.inf)


def top_p(scores: Tensor, share: float, keep: int = 1) -> Tensor:
    """Keeps the fewest likeliest tokens that have a share of the probability together (Holtzman
    et al., 2020): all others have the rest of it at most."""
    rising, tokens = scores.sort(dim=-1)
    out = rising.softmax(-1).cumsum(-1) <= 1 - share
    out[:, -keep:] = False
    return scores.masked_fill(torch.zeros_like(out).scatter(1, tokens, out), -math.inf)


def min_p(scores: Tensor, share: float, keep: int = 1) -> Tensor:
    """Keeps tokens with at least this share of the likeliest one's probability (Nguyen et al.,
    2024)."""
    probabilities = scores.softmax(-1)
    return _without(scores, probabilities < share * probabilities.amax(-1, keepdim=True), keep)


def typical_p(scores: Tensor, share: float, keep: int = 1) -> Tensor:
    """Keeps tokens whose information is nearest to the expected one (Meister et al., 2022), as many
    as have a share of the probability together."""
    logs = scores.log_softmax(-1)
    probabilities = logs.exp()
    entropy = -(logs * probabilities).nansum(-1, keepdim=True)
    distance, tokens = (-logs - entropy).abs().sort(dim=-1)
    mass = probabilities.gather(1, tokens).cumsum(-1)
    last = (mass < share).sum(-1, keepdim=True).clamp(max=scores.shape[1] - 1)
    out = distance > distance.gather(1, last)
    out[:, :keep] = False
    return scores.masked_fill(torch.zeros_like(out).scatter(1, tokens, out), -math.inf)


def epsilon(scores: Tensor, least: float, keep: int = 1) -> Tensor:
    """Keeps tokens of at least this probability (Hewitt et al., 2022)."""
    return _without(scores, scores.softmax(-1) < least, keep)


def eta(scores: Tensor, least: float, keep: int = 1) -> Tensor:
    """The same, with less asked of tokens where the distribution is flat (Hewitt et al., 2022)."""
    logs = scores.log_softmax(-1)
    probabilities = logs.exp()
    entropy = -(logs * probabilities).nansum(-1, keepdim=True)
    flat = math.sqrt(least) * torch.exp(-entropy)
    return _without(scores, probabilities < flat.clamp(max=least), keep)


def _without(scores: Tensor, out: Tensor, keep: int) -> Tensor:
    """Scores without these tokens, but always with the `keep` likeliest."""
    likeliest = scores.topk(min(keep, scores.shape[1])).indices
    return scores.masked_fill(out.scatter(1, likeliest, False), -math.inf)


class Draws:
    """Random numbers, of each text its own, so that what is drawn for one does not depend on what
    is generated with it; the global generator is left alone.

    Args:
        seed: The n-th text draws with `seed + n`; None for another seed each time.
        texts: How many there are.
    """

    def __init__(self, seed: int | None, texts: int) -> None:
        if seed is None:
            seed = torch.Generator().seed() >> 1
        self._generators = [torch.Generator().manual_seed(seed + text) for text in range(texts)]

    def one(self, scores: Tensor, texts: Sequence[int]) -> Tensor:
        """Draws a token a row: where a uniform number falls in the cumulated probabilities.

        Args:
            scores: `float32[rows, vocabulary]`.
            texts: Which text each row is of.

        Returns:
            `int64[rows]`.
        """
        generators = [self._generators[text] for text in texts]
        points = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in generators])
        sums = scores.softmax(-1).cumsum(-1, dtype=torch.float64)
        # Of a number below the last sum the first sum above it is that of a token that may come.
        wanted = points.to(scores.device)[:, None] * sums[:, -1:]
        return torch.searchsorted(sums, wanted, right=True)[:, 0].clamp(max=scores.shape[1] - 1)

    def several(self, scores: Tensor, count: int, texts: Sequence[int]) -> Tensor:
        """Draws several without putting them back: the shortest of exponential waiting times.

        Args:
            scores: `float32[rows, choices]`.
            count: How many.
            texts: Which text each row is of.

        Returns:
            `int64[rows, count]`, in the order in which they were drawn.
        """
        size = scores.shape[1]
        generators = [self._generators[text] for text in texts]
        waits = torch.stack([torch.empty(size).exponential_(generator=g) for g in generators])
        return (scores - waits.to(scores.device).log()).topk(count).indices
