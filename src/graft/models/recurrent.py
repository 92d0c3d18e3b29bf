"""Recurrent stacks: LSTM layers on packed sequences, with the dropouts of AWD-LSTM."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.models.context import Context
from graft.models.dropout import keep_factors
from graft.models.lstm import Result, unroll
from graft.models.recurrent_cache import State
from graft.models.recurrent_config import RecurrentConfig
from graft.models.time_order import TimeOrder


@dataclass
class Run:
    """One pass through the layers, and the states that sequences are read with.

    Attributes:
        order: Of the tokens.
        before: The state of each layer before the first tokens; empty for zeros.
        after: The state of each layer behind the last tokens, sequences in the batch's order.
    """

    order: TimeOrder
    before: list[State] = field(default_factory=list)
    after: list[State] = field(default_factory=list)


class LockedDropout(nn.Module):
    """Drops the same activations of all tokens of a sequence (Gal and Ghahramani, 2016).

    Args:
        share: Between 0 and 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, hidden: Tensor, rows: Tensor, sequences: int) -> Tensor:
        """Drops activations in training.

        Args:
            hidden: `[tokens, width]`.
            rows: `int64[tokens]`, the sequence of each.
            sequences: How many there are.
        """
        if not self.training or not self.share:
            return hidden
        shape = torch.Size((sequences, hidden.shape[1]))
        return hidden * keep_factors(shape, self.share, hidden.dtype).to(hidden.device)[rows]


class WordEmbeddings(nn.Module):
    """Token embeddings; training may leave out whole words, wherever they occur.

    Attributes:
        positions: There is no table of them: the layers read in order.
    """

    positions: None = None

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.embedding_size or config.hidden_size)
        self.word_dropout = config.word_dropout
        share = config.embedding_dropout
        self.dropout = LockedDropout(config.dropout if share is None else share)

    def forward(self, ids: Tensor, order: TimeOrder) -> Tensor:
        """Args: ids `int64[tokens]`, in order of time. Returns: `[tokens, embedding]`."""
        hidden: Tensor = self.tokens(ids)
        if self.training and self.word_dropout:
            words = torch.Size((self.tokens.num_embeddings, 1))
            keep = keep_factors(words, self.word_dropout, hidden.dtype)
            hidden = hidden * keep.to(hidden.device)[ids]
        dropped: Tensor = self.dropout(hidden, order.rows, len(order.ranks))
        return dropped


class Direction(nn.Module):
    """The weights of an LSTM that reads one way (Hochreiter and Schmidhuber, 1997).

    Both layers give the input gate, the forget gate, the cell and the output gate, one behind the
    other: `[4 * units]`.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.from_input = nn.Linear(inputs, 4 * units)
        self.from_state = nn.Linear(units, 4 * units)

    def initialize(self, std: float) -> None:
        """Draws weights by the number of units, not by `std`; cells forget little at first.

        A forget gate that starts open lets gradients reach far (Jozefowicz et al., 2015).
        """
        bound = self.units**-0.5
        for layer in (self.from_input, self.from_state):
            nn.init.uniform_(layer.weight, -bound, bound)
            nn.init.zeros_(layer.bias)
        nn.init.ones_(self.from_input.bias[self.units : 2 * self.units])

    def weights(self, dropout: float) -> list[Tensor]:
        """Its four tensors, in PyTorch's order; those from state to state with some dropped."""
        dropped = self.from_state.weight
        if self.training and dropout:
            keep = keep_factors(dropped.shape, dropout, dropped.dtype)
            dropped = dropped * keep.to(dropped.device)
        return [self.from_input.weight, dropped, self.from_input.bias, self.from_state.bias]


class LSTMLayer(nn.Module):
    """One layer of a stack, and the dropout behind it where another one follows."""

    def __init__(self, config: RecurrentConfig, layer: int) -> None:
        super().__init__()
        inputs, outputs = config.layer_sizes[layer]
        ways = 2 if config.both_ways else 1
        self.ways = nn.ModuleList(Direction(inputs, outputs // ways) for _ in range(ways))
        self.weight_dropout = config.weight_dropout
        last = layer + 1 == config.layers
        self.dropout = LockedDropout(0.0 if last else config.dropout)

    def forward(self, hidden: Tensor, run: Run) -> Tensor:
        """Reads the sequences, all at once, token by token.

        Args:
            hidden: `[tokens, inputs]`, in order of time.
            run: The pass; the layer takes its state of it, and leaves the one behind the last
                tokens.

        Returns:
            `[tokens, outputs]`, in the same order.
        """
        order, (state, cell) = run.order, self._before(hidden, run)
        read = self._unroll if _trains_slowly(hidden) else self._fused
        output, state, cell = read(hidden, order, state, cell)
        run.after.append((state[:, order.ranks], cell[:, order.ranks]))
        dropped: Tensor = self.dropout(output, order.rows, len(order.ranks))
        return dropped

    def _fused(self, hidden: Tensor, order: TimeOrder, state: Tensor, cell: Tensor) -> Result:
        """By PyTorch's own operator."""
        weights: list[Tensor] = []
        for way in self._directions:
            weights += way.weights(self.weight_dropout)
        both = len(self.ways) == 2
        states = [state, cell]
        learns = torch.is_grad_enabled()  # what a GPU needs to keep, in training mode or not
        return torch.lstm(hidden, order.sizes, states, weights, True, 1, 0.0, learns, both)

    def _unroll(self, hidden: Tensor, order: TimeOrder, state: Tensor, cell: Tensor) -> Result:
        """By the one with a gradient for long texts; sums stay exact in half precision."""
        exact = torch.promote_types(hidden.dtype, torch.float32)
        parts = []
        for number, way in enumerate(self._directions):
            source, weight, *biases = way.weights(self.weight_dropout)
            gates = F.linear(hidden, source, biases[0] + biases[1]).to(exact)
            before = state[number].to(exact), cell[number].to(exact)
            sizes = order.sizes.tolist()
            parts.append(unroll(gates, weight.to(exact), sizes, *before, number == 1))
        outputs, states, cells = zip(*parts, strict=True)
        kind = hidden.dtype
        return torch.cat(outputs, 1).to(kind), torch.stack(states), torch.stack(cells)

    @property
    def _directions(self) -> list[Direction]:
        return [way for way in self.ways if isinstance(way, Direction)]

    def _before(self, hidden: Tensor, run: Run) -> State:
        """The state before the first tokens, the longest sequence first."""
        if run.before:
            by_rank = torch.argsort(run.order.ranks)
            state, cell = run.before[len(run.after)]
            return state[:, by_rank], cell[:, by_rank]
        units = self._directions[0].units
        zeros = hidden.new_zeros(len(self.ways), len(run.order.ranks), units)
        return zeros, zeros


class Recurrent(nn.Module):
    """Embeddings and a stack of LSTM layers."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.embeddings = WordEmbeddings(config)
        self.blocks = nn.ModuleList(LSTMLayer(config, layer) for layer in range(config.layers))

    @property
    def parts(self) -> list[list[nn.Module]]:
        """All its modules from the input to the output, in groups."""
        return [[self.embeddings], *([block] for block in self.blocks)]

    @property
    def vocabulary(self) -> Tensor:
        """`[vocabulary, embedding]`, what a tied head shares: the token embedding."""
        weight: Tensor = self.embeddings.tokens.weight
        return weight

    def forward(self, context: Context) -> Tensor:
        """Args: context. Returns: the last hidden states, `[tokens, hidden]`."""
        batch, kept = context.batch, context.states
        order = TimeOrder.of(batch.lengths, batch.ids.device)
        run = Run(order, before=[] if kept is None else kept.layers)
        hidden = self.run(context, run)
        if kept is not None:
            kept.keep(run.after)
        return hidden

    def run(self, context: Context, run: Run) -> Tensor:
        """The same, from and to states of the layers.

        Args:
            context: The sequences, and the record of what was asked for.
            run: The states before the first tokens; those behind the last ones are put there.
        """
        order = run.order
        try:
            hidden: Tensor = self.embeddings(context.batch.ids[order.tokens], order)
        except IndexError:
            context.batch.check_known(self.embeddings.tokens.num_embeddings, 0)
            raise
        asked = context.record.hidden_states is not None
        for block in self.blocks:
            if asked:
                context.keep(hidden[order.slots])
            hidden = block(hidden, run)
        hidden = hidden[order.slots]
        context.keep(hidden)
        return hidden


def _trains_slowly(hidden: Tensor) -> bool:
    """Whether PyTorch's operator has a gradient here whose cost grows faster than the tokens."""
    return torch.is_grad_enabled() and hidden.device.type == "cpu"
