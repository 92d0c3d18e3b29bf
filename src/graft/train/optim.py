"""The optimizer and its parameter groups."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from graft.errors import TaskError
from graft.models.model import Model
from graft.train.adamw import AdamW

Rate = float | slice
"""One peak rate for all layers, or `slice(lowest, highest)`: the first layers learn slowest."""


def layer_groups(model: Model) -> list[list[nn.Module]]:
    """The model from its input to its head, in parts that are frozen and unfrozen together."""
    groups = model.body.parts
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
    known: set[nn.Parameter] = set()  # stacks may share their token embedding
    for modules, rate in zip(groups, rates, strict=True):
        decayed: list[nn.Parameter] = []
        plain: list[nn.Parameter] = []
        for module in modules:
            for layer in module.modules():
                for name, parameter in layer.named_parameters(recurse=False):
                    if parameter in known:
                        continue
                    known.add(parameter)
                    matrix = isinstance(layer, nn.Linear) and name == "weight"
                    (decayed if matrix else plain).append(parameter)
        for parameters, decay in ((decayed, weight_decay), (plain, 0.0)):
            if parameters:
                settings.append(
                    {"params": parameters, "lr": rate, "peak": rate, "weight_decay": decay}
                )
    return AdamW(settings)


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float) -> float:
    """Scales all gradients down where their norm is above a limit (Pascanu et al., 2013).

    Args:
        parameters: Dense and sparse gradients count alike.
        limit: The largest norm; 0 for none.

    Returns:
        The norm before.
    """
    gradients = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        else:
            gradients.append(parameter.grad)
    norm = float(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))))
    if limit and norm > limit:
        torch._foreach_mul_(gradients, limit / norm)
    return norm


@contextmanager
def sparse_embeddings(model: Model) -> Iterator[None]:
    """Lets the token embedding give sparse gradients, on the CPU, as long as the block runs.

    A dense gradient has a row for every token there is, nearly all of them zero.
    """
    tokens = model.body.embeddings.tokens
    tokens.sparse = tokens.weight.device.type == "cpu"
    try:
        yield
    finally:
        tokens.sparse = False
