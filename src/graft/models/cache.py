"""Keys and values of the tokens so far, so that generation computes each token once."""

import torch
from torch import Tensor

from graft.models.attention import Rules, attend
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.slots import Slots, Span, plan_spans
from graft.models.step import MemoryStep, OwnStep


class Cache:
    """What a stack of blocks keeps of sequences that grow, one row a sequence.

    The memory of all tokens there will be is set aside at the start, so that nothing is copied as
    the sequences grow. Rows of nearly one length are attended to in one call, so give them in
    order of length. A row that is finished leaves, and the last one of its call takes its place.

    A row may have several branches that share what came before (the beams of a search). Their
    tokens lie side by side in the row, and a table says which of these each branch descends from:
    branches are given up and doubled by changing the table alone.

    Args:
        config: The shape of the stack.
        capacity: The most tokens there will be in a row, those of all its branches.
        branches: How many branches each row has after the first pass.

    Attributes:
        branches: How many branches each row has in the passes after the first.
    """

    def __init__(self, config: Config, capacity: int, branches: int = 1) -> None:
        self.capacity, self.branches = capacity, branches
        self._lengths = self._prompts = torch.zeros(1, dtype=torch.int64)
        self._own: list[Slots | None] = [None] * config.layers
        self._memory: dict[int, Slots] = {}
        self._memory_lengths: Tensor | None = None
        self._spans: list[Span] = []
        self._descent: Tensor | None = None  # bool[rows, branches, capacity]
        self._step: OwnStep | None = None
        self._memory_step: MemoryStep | None = None

    def begin(self, batch: Batch) -> None:
        """Starts a pass: the first brings whole prompts, each later one a token a branch."""
        if not self._spans:
            return
        if batch.tokens != len(batch) or len(batch) != len(self._lengths) * self.branches:
            raise ValueError("after the prompts, each branch grows by one token at a time")
        if int(self._taken.max()) + self.branches > self.capacity:
            raise ValueError(f"the cache is full: it has room for {self.capacity} tokens a row")
        self._step = self._next_step(batch.ids.device)
        if self._memory_lengths is not None:
            self._memory_step = MemoryStep(self._spans, self.branches, self._memory_lengths)

    def end(self, batch: Batch) -> None:
        """Ends the pass: its tokens are part of what came before."""
        if self._step is not None:
            self._lengths = self._lengths + 1
            self._step = self._memory_step = None
            return
        self._lengths = self._prompts = batch.lengths.clone()
        kinds = [self._lengths] + ([] if self._memory_lengths is None else [self._memory_lengths])
        self._spans = plan_spans(torch.stack(kinds))
        if self.branches > 1:
            shape = (len(batch), self.branches, self.capacity)
            self._descent = torch.zeros(shape, dtype=torch.bool)

    @property
    def lengths(self) -> Tensor:
        """`int64[rows * branches]`, on the CPU: how long the sequences are, in tokens."""
        return self._lengths.repeat_interleave(self.branches if self._spans else 1)

    @property
    def stepping(self) -> bool:
        """Whether the pass is one of those after the first."""
        return self._step is not None

    def positions(self, batch: Batch) -> Tensor:
        """`int64[tokens]`, where the tokens of a pass stand in their sequences."""
        if self._step is None:
            return batch.positions
        return self.lengths.to(batch.ids.device)

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, batch: Batch, rules: Rules
    ) -> Tensor:
        """Keeps a pass's keys and values, and attends to all that were kept."""
        slots = self._own[layer]
        if self._step is None or slots is None:
            self._own[layer] = self._first(self.capacity, key, value, batch)
            return attend(query, key, value, batch.layout, rules)
        slots.write(self._step.slots, self._step.places, key, value)
        return self._step.attend(query, slots, rules)

    def keep_memory(self, layer: int, key: Tensor, value: Tensor, batch: Batch) -> None:
        """Keeps the keys and values of the encoder's batch, which the first pass makes."""
        self._memory[layer] = self._first(batch.max_length, key, value, batch)
        self._memory_lengths = batch.lengths

    def attend_memory(self, layer: int, query: Tensor, rules: Rules) -> Tensor:
        """Attends to these in a later pass."""
        assert self._memory_step is not None
        return self._memory_step.attend(query, self._memory[layer], rules)

    def repeat(self, times: int) -> None:
        """Makes so many rows of each, side by side; between passes."""
        if times == 1:
            return
        slots = self._slots.repeat_interleave(times)
        for kept, lengths in self._kept:
            kept.repeat(slots, int(lengths.max()))
        self._pick(torch.arange(len(self._lengths)).repeat_interleave(times))
        start = 0
        for span in self._spans:
            span.start, span.rows = start, span.rows * times
            start = span.stop

    def descend(self, parents: Tensor) -> None:
        """Says which branch each branch goes on from; between passes.

        Args:
            parents: `int64[rows, branches]`, branches of the same row, on the CPU.
        """
        if self._descent is not None:
            width = int(self._taken.max())
            index = parents[:, :, None].expand(-1, -1, width)
            self._descent[:, :, :width] = self._descent[:, :, :width].gather(1, index)

    def leave(self, stays: Tensor) -> Tensor:
        """Takes rows out; between passes. No more is copied than a row for each that leaves.

        Args:
            stays: `bool[rows]`, on the CPU.

        Returns:
            `int64[rows that stay]`, the old numbers of the rows that there are now.
        """
        order: list[int] = []
        first = 0
        for span in self._spans:
            last = first + span.rows
            order += self._close_up(span, first, stays[first:last].tolist())
            first = last
        self._spans = [span for span in self._spans if span.rows]
        index = torch.tensor(order, dtype=torch.int64)
        self._pick(index)
        return index

    def _close_up(self, span: Span, first: int, stays: list[bool]) -> list[int]:
        """Moves a span's last rows to where others left; the rows it has now."""
        span.rows = sum(stays)
        movers = [number for number, stay in enumerate(stays) if stay and number >= span.rows]
        order = []
        for place, stay in enumerate(stays[: span.rows]):
            mover = place if stay else movers.pop()
            if not stay:
                for kept, lengths in self._kept:
                    tokens = int(lengths[first + mover])
                    kept.move(span.start + mover, span.start + place, tokens)
            order.append(first + mover)
        return order

    def _pick(self, rows: Tensor) -> None:
        """Keeps what is known of these rows."""
        self._lengths, self._prompts = self._lengths[rows], self._prompts[rows]
        if self._memory_lengths is not None:
            self._memory_lengths = self._memory_lengths[rows]
        if self._descent is not None:
            self._descent = self._descent[rows]

    @property
    def _taken(self) -> Tensor:
        """`int64[rows]`, the tokens that are kept of all branches of each row."""
        return self._prompts + (self._lengths - self._prompts) * self.branches

    @property
    def _slots(self) -> Tensor:
        """`int64[rows]`, where the rows are."""
        return torch.cat([torch.arange(span.start, span.stop) for span in self._spans])

    @property
    def _kept(self) -> list[tuple[Slots, Tensor]]:
        """All that is kept, with how many tokens of it each row has."""
        own = [(slots, self._taken) for slots in self._own if slots is not None]
        lengths = self._memory_lengths
        memory = [] if lengths is None else [(slots, lengths) for slots in self._memory.values()]
        return own + memory

    def _first(self, room: int, key: Tensor, value: Tensor, batch: Batch) -> Slots:
        """The tokens of a first pass, one slot a sequence."""
        kept = Slots(len(batch), room, key, value)
        rows = torch.arange(len(batch)).repeat_interleave(batch.lengths)
        kept.write(rows.to(key.device), batch.positions, key, value)
        return kept

    def _next_step(self, device: torch.device) -> OwnStep:
        """The pass that begins; each branch descends from its own token of it."""
        branches = torch.arange(self.branches)
        places = self._taken[:, None] + branches
        if self._descent is not None:
            self._descent[torch.arange(len(places))[:, None], branches, places] = True
        return OwnStep(
            self._spans,
            self.branches,
            self._taken + self.branches,
            prompts=self._prompts,
            position=self._lengths,
            descent=self._descent,
            slots=self._slots.repeat_interleave(self.branches).to(device),
            places=places.flatten().to(device),
        )
