"""A linear-chain conditional random field (Lafferty et al., 2001) on packed sequences."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from graft.models.tagging import may_follow
from graft.models.time_order import TimeOrder

_NEVER = -1e4  # the score of what may not be: far below all others, and still a number


class CRF(nn.Module):
    """Scores whole sequences of labels: each label at its token, and each next to the one before.

    All that it computes is of each sequence alone, whatever else is in the batch.

    Args:
        labels: The names of the labels.
        scheme: The prefixes that they have, "bio" or "bioes", where the best sequence is to be one
            that makes sense in them; None where any label may follow any. What is learned is the
            same: texts may be labelled otherwise.

    Attributes:
        transitions: `[labels, labels]`, the score of a label (row) before another one (column).
        start: `[labels]`, the score of a first label.
        end: `[labels]`, the score of a last label.

    Raises:
        ModelError: The labels do not have these prefixes.
    """

    def __init__(self, labels: Sequence[str], scheme: str | None = None) -> None:
        super().__init__()
        count = len(labels)
        self.transitions = nn.Parameter(torch.empty(count, count))
        self.start = nn.Parameter(torch.empty(count))
        self.end = nn.Parameter(torch.empty(count))
        self._allowed = None if scheme is None else may_follow(labels, scheme)
        self.initialize(0.0)

    def initialize(self, std: float) -> None:
        """At first no label depends on another one, whatever `std` is."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def log_likelihood(self, logits: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The logarithm of the probability of sequences of labels.

        Args:
            logits: `[tokens, labels]`, the score of each label at each token; added in float32.
            tags: `int64[tokens]`, the labels.
            lengths: `int64[sequences]`, tokens of each sequence, 1 or more, on the CPU.

        Returns:
            `float32[sequences]`, in nats (`float64` for logits of that).
        """
        logits = precise(logits)
        return self._scores(logits, tags, lengths) - self._all_scores(logits, lengths)

    def decode(self, logits: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The best sequences of labels (Viterbi, 1967).

        Args:
            logits: `[tokens, labels]`.
            lengths: `int64[sequences]`, on the CPU.

        Returns:
            The labels, `int64[tokens]`, and the scores of the sequences, `float32[sequences]`.
        """
        logits = precise(logits)
        order = TimeOrder.of(lengths, logits.device)
        start, transitions, end = self._constrained()
        came_from: list[Tensor] = []

        def best(scores: Tensor) -> Tensor:
            value, where = (scores[:, :, None] + transitions).max(1)
            came_from.append(where)
            return value

        last = _run(logits[order.tokens], order, start, best) + end
        total, tag = last.max(1)
        steps = order.sizes.tolist()
        path = [tag[: steps[-1]]]
        for step in range(len(steps) - 2, -1, -1):
            # Those that end here start from their own last label, the others from where they came.
            before = came_from[step].gather(1, path[-1][:, None])[:, 0]
            path.append(torch.cat([before, tag[steps[step + 1] : steps[step]]]))
        return torch.cat(path[::-1])[order.slots], total[order.ranks]

    def marginals(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """The probability of each label at each token, over all sequences of labels.

        Args:
            logits: `[tokens, labels]`.
            lengths: `int64[sequences]`, on the CPU.

        Returns:
            `float32[tokens, labels]`; without a gradient.
        """
        # They are the gradient of the sum's logarithm, also where no gradients are wanted.
        with torch.inference_mode(False), torch.enable_grad():
            free = precise(logits).detach().clone().requires_grad_()
            total = self._all_scores(free, lengths).sum()
            return torch.autograd.grad(total, free)[0]

    def _scores(self, logits: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The score of the given labels, `[sequences]`."""
        starts = lengths.cumsum(0) - lengths
        rows = torch.arange(len(lengths)).repeat_interleave(lengths)
        each = logits.gather(1, tags[:, None])[:, 0]
        inner = torch.ones(len(tags), dtype=torch.bool)
        inner[starts] = False
        later = inner.nonzero()[:, 0].to(tags.device)
        steps = self.transitions[tags[later - 1], tags[later]].to(each.dtype)
        each = each.index_add(0, later, steps)
        firsts, lasts = (index.to(tags.device) for index in (starts, starts + lengths - 1))
        edges = self.start[tags[firsts]] + self.end[tags[lasts]]
        return edges.to(each.dtype).index_add(0, rows.to(tags.device), each)

    def _all_scores(self, logits: Tensor, lengths: Tensor) -> Tensor:
        """The logarithm of the sum over all sequences of labels, `[sequences]`."""
        order = TimeOrder.of(lengths, logits.device)
        transitions = self.transitions.to(logits.dtype)

        def summed(scores: Tensor) -> Tensor:
            return torch.logsumexp(scores[:, :, None] + transitions, 1)

        last = _run(logits[order.tokens], order, self.start.to(logits.dtype), summed)
        return torch.logsumexp(last + self.end, 1)[order.ranks]

    def _constrained(self) -> tuple[Tensor, Tensor, Tensor]:
        """Start, transitions and end, with what may not be out of reach."""
        start, transitions, end = map(precise, (self.start, self.transitions, self.end))
        if self._allowed is None:
            return start, transitions, end
        return (
            _only(start, self._allowed.start),
            _only(transitions, self._allowed.transitions),
            _only(end, self._allowed.end),
        )


def _run(
    logits: Tensor, order: TimeOrder, start: Tensor, step: Callable[[Tensor], Tensor]
) -> Tensor:
    """Carries the score of each label from the first tokens to the last ones.

    Args:
        logits: `[tokens, labels]`, in order of time.
        order: That order.
        start: `[labels]`.
        step: From the scores at one position, `[sequences, labels]`, to what comes of them at the
            next, without the logits there.

    Returns:
        `[sequences, labels]` at the last tokens, the longest sequence first.
    """
    first, *later = logits.split(order.sizes.tolist())
    scores = first + start
    ended = []
    for there in later:
        ended.append(scores[len(there) :])
        scores = step(scores[: len(there)]) + there
    return torch.cat([scores, *ended[::-1]])


def precise(logits: Tensor) -> Tensor:
    """In float32, or float64 where they are: what likelihoods are summed up in."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _only(scores: Tensor, allowed: Tensor) -> Tensor:
    return scores.masked_fill(~allowed.to(scores.device), _NEVER)
