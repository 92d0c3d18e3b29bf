"""Computing in bfloat16: as near to float32 as the oracle stays."""

from pathlib import Path
from typing import Any

import torch
from oracle import build
from texts import make_texts
from torch import Tensor

import graft
from graft.models.precision import autocast

LENGTHS = [9, 1, 2, 9, 30, 23]


def assert_same_in_bf16(kind: Any, config: Any, folder: Path) -> None:
    """Hidden states, with matrix products in bfloat16 and with all in it, and gradients.

    Args:
        kind: The class of a body of the oracle.
        config: Its configuration.
        folder: An empty folder.
    """
    oracle = build(kind, config)
    oracle.save_pretrained(folder)
    model = graft.Model.from_pretrained(folder)
    texts = make_texts(LENGTHS)
    inputs = texts.inputs(0)
    mask = inputs["attention_mask"].bool()

    def errors(exact: Tensor) -> tuple[float, float]:
        ours = model(texts.batch).hidden
        assert ours is not None
        theirs = oracle(**inputs).last_hidden_state[mask]
        return _error(ours, exact), _error(theirs, exact)

    exact, gradients = _hidden_and_gradients(model, texts)
    with torch.inference_mode(), autocast(torch.bfloat16, model.device):
        assert_near(*errors(exact))
    with autocast(torch.bfloat16, model.device):
        _, found = _hidden_and_gradients(model, texts)
    assert _error(found, gradients) < 0.05
    model.bfloat16()
    oracle.bfloat16()
    with torch.inference_mode():
        assert_near(*errors(exact))


def assert_near(ours: float, theirs: float) -> None:
    """No worse than the oracle, but for luck, and good at all."""
    assert ours < min(1.5 * theirs, 0.03), f"off by {ours:.4f}, the oracle by {theirs:.4f}"


def _hidden_and_gradients(model: graft.Model, texts: Any) -> tuple[Tensor, Tensor]:
    model.zero_grad()
    hidden = model(texts.batch).hidden
    assert hidden is not None
    (hidden.float() * torch.linspace(-1, 1, hidden.shape[1])).sum().backward()
    flat = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
    return hidden.detach().float(), torch.cat(flat)


def _error(found: Tensor, exact: Tensor) -> float:
    """The length of the difference, as a share of the whole; not a number where one is not."""
    return float((found.float() - exact).norm() / exact.norm())
