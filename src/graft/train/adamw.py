"""AdamW whose step costs only the embedding rows that training has touched."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw


class AdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter, 2019), exact for sparse gradients too.

    A row of an embedding that no batch has looked up has no gradient and no momentum, so that,
    without weight decay, AdamW leaves it alone. Those rows are most of a vocabulary. This optimizer
    takes the sparse gradients of `nn.Embedding(sparse=True)`, keeps moments for the rows seen so
    far, and gives the weights that AdamW gives with dense gradients.

    Args:
        groups: Parameter groups; each may set `lr` and `weight_decay`.
        lr: The learning rate of groups that set none.
        betas: The decay of the mean of gradients and of their squares.
        eps: Added to the root of the mean of squares.
        weight_decay: Of groups that set none; parameters with sparse gradients must have 0.
    """

    def __init__(
        self,
        groups: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(groups, defaults)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes what `state_dict` gave; row numbers stay whole, which PyTorch would make floats."""
        super().load_state_dict(state_dict)
        for state in self.state.values():
            state.update({name: state[name].long() for name in ("place", "seen") if name in state})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Updates every parameter that has a gradient.

        Raises:
            ValueError: A parameter had a sparse gradient before and has a dense one now, or the
                other way round: the moments are kept in another order.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            dense = [p for p in group["params"] if p.grad is not None and not p.grad.is_sparse]
            sparse = [p for p in group["params"] if p.grad is not None and p.grad.is_sparse]
            self._check_order(dense, sparse)
            self._update(group, dense, [p.grad for p in dense], [self._moments(p) for p in dense])
            for parameter in sparse:
                self._update_rows(group, parameter)
        return loss

    def _check_order(self, dense: list[Tensor], sparse: list[Tensor]) -> None:
        known = [(self.state.get(p), False) for p in dense]
        known += [(self.state.get(p), True) for p in sparse]
        if any(state and ("place" in state) is not by_rows for state, by_rows in known):
            raise ValueError(
                "a parameter's gradients must stay sparse, or dense: make a new optimizer to change"
            )

    def _moments(self, parameter: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        return state

    def _update_rows(self, group: dict[str, Any], parameter: Tensor) -> None:
        """One step of the rows seen so far, as a small dense parameter."""
        if group["weight_decay"]:
            raise ValueError("weight decay would change the rows that a sparse gradient leaves out")
        assert parameter.grad is not None
        gradient = parameter.grad.coalesce()
        state = self._moments(parameter)
        if "place" not in state:  # of each row among those seen, in the order of first sight
            state["place"] = torch.full((len(parameter),), -1, device=parameter.device)
            state["seen"] = torch.empty(0, dtype=torch.int64, device=parameter.device)
        rows = gradient.indices()[0]
        new = rows[state["place"][rows] < 0]
        known = len(state["seen"])
        state["place"][new] = torch.arange(known, known + len(new), device=rows.device)
        state["seen"] = seen = torch.cat([state["seen"], new])
        values = parameter.index_select(0, seen)
        compact = torch.zeros_like(values)
        compact.index_copy_(0, state["place"][rows], gradient.values())
        moments = {name: state[name][: len(seen)] for name in ("exp_avg", "exp_avg_sq")}
        self._update(group, [values], [compact], [{**moments, "step": state["step"]}])
        parameter.index_copy_(0, seen, values)

    def _update(
        self,
        group: dict[str, Any],
        parameters: list[Tensor],
        gradients: list[Tensor],
        states: list[dict[str, Tensor]],
    ) -> None:
        if not parameters:
            return
        beta1, beta2 = group["betas"]
        adamw(
            parameters,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=beta1,
            beta2=beta2,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=group["eps"],
            maximize=False,
        )
