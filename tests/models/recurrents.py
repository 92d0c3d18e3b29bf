"""Small recurrent models, and what plain PyTorch is compared with."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

import graft
from graft.models.families import FAMILIES
from graft.models.recurrent_config import RecurrentConfig

LENGTHS = [5, 1, 9, 5, 2]
WORDS = 41
LABELS = ("O", "B-place", "I-place")
SIZES = {"vocab_size": WORDS, "embedding_size": 12, "hidden_size": 10}
TASKS = [
    ("bilstm", "text-classification"),
    ("bilstm", "token-classification"),
    ("bilstm", None),
    ("awd_lstm", "text-classification"),
    ("awd_lstm", "text-generation"),
    ("awd_lstm", None),
]


def make_config(family: str, **settings: Any) -> RecurrentConfig:
    config = FAMILIES[family].read_config({**SIZES, **settings})
    assert isinstance(config, RecurrentConfig)
    return config


def make(family: str, task: str | None = None, seed: int = 0, **settings: Any) -> graft.Model:
    """A random model in evaluation mode; nothing about it is zero or one."""
    config = make_config(family, **settings)
    if task is not None and "classification" in task:
        config = replace(config, labels=LABELS)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = graft.Model(config, task)
        with torch.no_grad():
            for tensor in (*model.parameters(), *model.buffers()):
                tensor += 0.2 * torch.rand(tensor.shape)
    return model.eval()


def make_batch(lengths: list[int] = LENGTHS, seed: int = 0) -> graft.Batch:
    source = torch.Generator().manual_seed(seed)
    ids = [torch.randint(WORDS, (length,), generator=source).tolist() for length in lengths]
    return graft.Batch.from_sequences(ids)


def texts_of(batch: graft.Batch) -> list[graft.Batch]:
    """Each text as a batch of its own."""
    return [graft.Batch.from_sequences([ids.tolist()]) for ids in batch.ids.split(LENGTHS)]


def logits_of(model: graft.Model, batch: graft.Batch) -> Tensor:
    logits = model(batch).logits
    assert logits is not None
    return logits


def hidden_of(model: graft.Model, batch: graft.Batch) -> Tensor:
    hidden = model(batch, hidden=True).hidden
    assert hidden is not None
    return hidden


def saved(model: graft.Model, folder: Path) -> dict[str, Tensor]:
    """The tensors of a model's file."""
    model.save_pretrained(folder)
    return safetensors.torch.load_file(folder / "model.safetensors")


def assert_close(found: Tensor, wanted: Tensor) -> None:
    """Equal within 1e-5 of the largest value."""
    torch.testing.assert_close(
        found, wanted, rtol=0, atol=1e-5 * max(1.0, float(wanted.detach().abs().max()))
    )
