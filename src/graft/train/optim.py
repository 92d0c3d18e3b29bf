"""The optimizer and its parameter groups."""

from collections.abc import Sequence

import torch
from torch import nn

from graft.errors import TaskError
from graft.models.model import Model

Rate = float | slice
"""One peak rate for all layers, or `slice(lowest, highest)`: the first layers learn slowest."""


def layer_groups(model: Model) -> list[list[nn.Module]]:
    """The model from its input to its head, in parts that are frozen and unfrozen together."""
    groups: list[list[nn.Module]] = [[model.body.embeddings]]
    groups += [[block] for block in model.body.blocks]
    return groups if model.head is None else [*groups, [model.head]]


def layer_rates(rate: Rate, groups: int) -> list[float]:
    """The peak rate of each group of layers: equal, or growing by a constant factor.

    Raises:
        TaskError: A rate is not above zero.
    """
    if isinstance(rate, slice):
        highest = float(rate.stop)
        lowest = float(rate.start) if rate.start is not None else highest / 10
    else:
        lowest = highest = float(rate)
    if not 0 < lowest <= highest:
        raise TaskError(f"A learning rate must be above zero, and rise along a slice: got {rate}.")
    if groups == 1:
        return [highest]
    factor = (highest / lowest) ** (1 / (groups - 1))
    return [lowest * factor**index for index in range(groups)]


def adamw(
    groups: Sequence[Sequence[nn.Module]], rates: Sequence[float], *, weight_decay: float = 0.01
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter, 2019); biases, norms and embeddings are not decayed.

    Args:
        groups: The layers of each rate.
        rates: The peak rate of each group; kept in the group as `peak`.
        weight_decay: Of the matrices.
    """
    settings = []
    for modules, rate in zip(groups, rates, strict=True):
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for module in modules:
            for layer in module.modules():
                for name, parameter in layer.named_parameters(recurse=False):
                    matrix = isinstance(layer, nn.Linear) and name == "weight"
                    (decayed if matrix else plain).append(parameter)
        for parameters, decay in ((decayed, weight_decay), (plain, 0.0)):
            if parameters:
                settings.append(
                    {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay}
                )
    return torch.optim.AdamW(settings, betas=(0.9, 0.999), eps=1e-8, fused=True)
