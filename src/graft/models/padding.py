"""Batches with padding, as `transformers` reads them, and its answers without."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.batch import Batch
from graft.models.model import Output


def mask_of(batch: Batch) -> Tensor:
    """`bool[sequences, longest]`, where there are tokens."""
    places = torch.arange(batch.max_length)
    return (places < batch.lengths[:, None]).to(batch.ids.device)


def padded(values: Tensor, mask: Tensor, pad: int) -> Tensor:
    """`[tokens]` to `[sequences, longest]`."""
    rows = torch.full(mask.shape, pad, dtype=values.dtype, device=values.device)
    rows[mask] = values
    return rows


def unpadded(states: Tensor, mask: Tensor) -> Tensor:
    """`[sequences, longest, hidden]` to `[tokens, hidden]`.

    Raises:
        ModelError: The model gives other states than one for each token.
    """
    if states.shape[:2] != mask.shape:
        raise ModelError(
            f"This model gives {list(states.shape[:2])} states for {list(mask.shape)} tokens."
        )
    return states[mask]


def logits_of(output: Any, mask: Tensor) -> Tensor | None:
    """Those of an answer, of its tokens or of its sequences; None of a body alone."""
    if "start_logits" in output:
        return unpadded(torch.stack((output.start_logits, output.end_logits), -1), mask)
    logits: Tensor | None = output.get("logits")
    return unpadded(logits, mask) if logits is not None and logits.dim() == 3 else logits


def states_of(layers: Sequence[Tensor], mask: Tensor) -> tuple[Tensor, ...]:
    """`[tokens, hidden]` of each layer."""
    return tuple(unpadded(states, mask) for states in layers)


def weights_of(
    layers: Sequence[Tensor], queries: Tensor, keys: Tensor
) -> tuple[tuple[Tensor, ...], ...]:
    """`[heads, queries, keys]` of each sequence in each layer; where there are tokens, by masks."""
    sizes = list(zip(queries.sum(1).tolist(), keys.sum(1).tolist(), strict=True))
    return tuple(
        tuple(row[:, :wide, :deep] for row, (wide, deep) in zip(layer, sizes, strict=True))
        for layer in layers
    )


def alone(batch: Batch) -> Iterator[Batch]:
    """Each sequence as a batch of its own."""
    lengths = batch.lengths.tolist()
    types = [None] * len(lengths) if batch.type_ids is None else batch.type_ids.split(lengths)
    for ids, kinds in zip(batch.ids.split(lengths), types, strict=True):
        yield Batch(ids, torch.tensor([len(ids)]), kinds)


def joined(outputs: list[Output]) -> Output:
    """What was answered to each sequence, as of one batch."""
    states = [each.hidden_states for each in outputs if each.hidden_states is not None]
    weights = [each.attentions for each in outputs if each.attentions is not None]
    return Output(
        _end_to_end([each.logits for each in outputs]),
        _end_to_end([each.hidden for each in outputs]),
        tuple(map(torch.cat, zip(*states, strict=True))) or None,
        tuple(tuple(one for (one,) in layer) for layer in zip(*weights, strict=True)) or None,
    )


def _end_to_end(parts: list[Tensor | None]) -> Tensor | None:
    there = [part for part in parts if part is not None]
    return torch.cat(there) if there else None
