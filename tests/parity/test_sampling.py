"""What may be drawn, and how likely, is what the oracle's filters leave."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.generation import logits_process as theirs

from graft.models.generation import sampling
from graft.models.generation.config import GenerationConfig
from graft.models.generation.sampling import Draws, make_filters

CASES: list[tuple[Callable[..., Tensor], Any, str, list[float]]] = [
    (sampling.top_k, theirs.TopKLogitsWarper, "top_k", [1, 3, 17, 500]),
    (sampling.top_p, theirs.TopPLogitsWarper, "top_p", [0.05, 0.5, 0.9, 0.999]),
    (sampling.min_p, theirs.MinPLogitsWarper, "min_p", [0.001, 0.1, 0.7]),
    (sampling.typical_p, theirs.TypicalLogitsWarper, "mass", [0.05, 0.5, 0.95]),
    (sampling.epsilon, theirs.EpsilonLogitsWarper, "epsilon", [0.001, 0.02, 0.6]),
    (sampling.eta, theirs.EtaLogitsWarper, "epsilon", [0.0003, 0.02, 0.6]),
]


def scores_of(spread: float, vocabulary: int = 300) -> Tensor:
    """Some rows are flat, some have one likely token, some hold tokens ruled out before."""
    generator = torch.Generator().manual_seed(round(spread * 10))
    scores = spread * torch.randn(40, vocabulary, generator=generator)
    scores[5:10] *= 3
    scores[10:20, ::7] = -math.inf
    return scores


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0].__name__)
@pytest.mark.parametrize("keep", [1, 4])
def test_each_filter(case: Any, keep: int) -> None:
    ours, kind, name, values = case
    for value in values:
        for spread in (0.1, 1.0, 4.0):
            scores = scores_of(spread)
            wanted = kind(**{name: value}, min_tokens_to_keep=keep)(None, scores.clone())
            torch.testing.assert_close(ours(scores, value, keep), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("beams", [1, 3])
def test_all_filters_in_their_order(beams: int) -> None:
    config = GenerationConfig(
        do_sample=True,
        num_beams=beams,
        eos_token_id=(7,),
        temperature=0.7,
        top_k=40,
        top_p=0.9,
        min_p=0.02,
        typical_p=0.95,
        epsilon_cutoff=0.01,
        eta_cutoff=0.02,
    )
    keep = 1 if beams == 1 else 2
    wanted = scores = scores_of(1.0)
    for warper in (
        theirs.TemperatureLogitsWarper(0.7),
        theirs.TopKLogitsWarper(40, min_tokens_to_keep=keep),
        theirs.TopPLogitsWarper(0.9, min_tokens_to_keep=keep),
        theirs.MinPLogitsWarper(0.02, min_tokens_to_keep=keep),
        theirs.TypicalLogitsWarper(0.95, min_tokens_to_keep=keep),
        theirs.EpsilonLogitsWarper(0.01, min_tokens_to_keep=keep),
        theirs.EtaLogitsWarper(0.02, min_tokens_to_keep=keep),
    ):
        wanted = warper(None, wanted)
    found = scores
    for keep_some in make_filters(config):
        found = keep_some(found)
    torch.testing.assert_close(found.softmax(-1), wanted.softmax(-1), rtol=1e-5, atol=1e-7)


def test_tokens_are_drawn_as_likely_as_they_are() -> None:
    """Pearson's test of fit, and nothing that was ruled out."""
    scores = torch.tensor([2.0, 0.0, -math.inf, 1.0, -1.0, 0.5, -math.inf])
    probabilities = scores.softmax(-1)
    draws, count = Draws(0, 50), 20_000
    tokens = torch.cat([draws.one(scores.expand(50, -1), range(50)) for _ in range(count // 50)])
    found = torch.bincount(tokens, minlength=len(scores))
    assert found[probabilities == 0].sum() == 0
    there = probabilities > 0
    wanted = probabilities[there] * count
    statistic = ((found[there] - wanted) ** 2 / wanted).sum()
    assert statistic < 18.5  # 99.9% of chi squared with four degrees of freedom


def test_several_are_drawn_without_putting_them_back() -> None:
    """The second of two, given the first, is as likely as among what is left."""
    scores = torch.tensor([[1.5, 0.0, 0.7, -math.inf]])
    p = scores[0].softmax(-1)
    draws = Draws(1, 1)
    pairs = torch.cat([draws.several(scores, 2, [0]) for _ in range(8_000)])
    assert (pairs[:, 0] != pairs[:, 1]).all()
    for first in range(3):
        for second in range(3):
            if first != second:
                wanted = float(p[first] * p[second] / (1 - p[first]))
                share = ((pairs[:, 0] == first) & (pairs[:, 1] == second)).double().mean()
                assert float(share) == pytest.approx(wanted, abs=4 * math.sqrt(wanted / 8_000))
