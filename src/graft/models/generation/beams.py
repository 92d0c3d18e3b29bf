"""Beam search: several hypotheses of each text at once, in groups that are kept apart."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from graft.models.generation.config import GenerationConfig
from graft.models.generation.history import History
from graft.models.generation.results import Generated
from graft.models.generation.rules import Rule, nothing_may_come
from graft.models.generation.sampling import Draws, make_filters
from graft.models.generation.session import Session
from graft.models.generation.stopping import Reason, Stopping

_NONE = -math.inf  # the score of hypotheses that are none, where there are fewer than beams


@dataclass
class Pool:
    """The best finished hypotheses of one group of one prompt.

    Attributes:
        config: Length penalty and when to stop.
        size: How many there may be.
        found: Those there are, the best first.
        open: Whether a better one may come.
    """

    config: GenerationConfig
    size: int
    found: list[Generated] = field(default_factory=list)
    open: bool = True

    @property
    def full(self) -> bool:
        """Whether there are as many as there may be."""
        return len(self.found) == self.size

    @property
    def done(self) -> bool:
        """Whether nothing is looked for any more."""
        return not self.open or (self.full and self.config.early_stopping is True)

    def add(self, prompt: int, ids: list[int], score: float, reason: Reason) -> None:
        """Takes a finished hypothesis in, where it is among the best."""
        if not self.done:
            score /= len(ids) ** self.config.length_penalty
            self.found.append(Generated(prompt, tuple(ids), score, reason))
            self.found.sort(key=lambda one: -one.score)
            del self.found[self.size :]

    def close(self, best: float, length: int, most: int) -> None:
        """Closes, where even the best running hypothesis will not do better.

        Args:
            best: Its score.
            length: Its tokens.
            most: How many there may be of them.
        """
        penalty = self.config.length_penalty
        if self.config.early_stopping == "never" and penalty > 0:
            length = most
        if self.full and best / length**penalty <= self.found[-1].score:
            self.open = False


@dataclass(frozen=True)
class _Step:
    """What a group goes on with.

    Attributes:
        tokens: `int64[prompts, beams]`.
        parents: `int64[prompts, beams]`, the beams that they follow.
        scores: `float32[prompts, beams]`, of the hypotheses with them.
    """

    tokens: Tensor
    parents: Tensor
    scores: Tensor


class BeamSearch:
    """Follows the best hypotheses of each prompt; prompts that are done leave.

    Args:
        session: Holds the prompts, with a branch for each beam.
        history: The same prompts.
        config: The options.
        rules: What they ask of the tokens.
        stopping: When a text ends.
    """

    def __init__(
        self,
        session: Session,
        history: History,
        config: GenerationConfig,
        rules: list[Rule],
        stopping: Stopping,
    ) -> None:
        self._session, self._stopping = session, stopping
        self._config, self._rules = config, rules
        self._beams, groups = config.num_beams, config.num_beam_groups
        self._size = self._beams // groups
        self._groups = [
            slice(start, start + self._size) for start in range(0, self._beams, self._size)
        ]
        rows = torch.arange(len(history.rows)).repeat_interleave(self._beams)
        self._history = history.select(rows)
        self._pools = [[Pool(config, self._size) for _ in range(groups)] for _ in history.rows]
        self._filters = make_filters(config) if config.do_sample else []
        self._draws = Draws(config.seed, len(history.rows)) if config.do_sample else None
        device = history.ids.device
        self._running = torch.full((len(history.rows), self._beams), _NONE, device=device)
        self._running[:, :: self._size] = 0.0
        self.finished: dict[int, list[Generated]] = {}

    def run(self) -> None:
        """Searches until all prompts are done; `finished` has what was found for each."""
        scores = self._session.start().repeat_interleave(self._beams, 0)
        while True:
            tokens = self._advance(self._ruled(scores).unflatten(0, (-1, self._beams)))
            if not len(tokens):
                return
            scores = self._session.step(tokens.flatten())

    def _ruled(self, logits: Tensor) -> Tensor:
        """Log probabilities after rules and filters."""
        scores = logits.log_softmax(-1)
        for rule in self._rules:
            scores = rule(self._history, scores)
        for keep in self._filters:
            scores = keep(scores)
        if self._config.renormalize_logits:
            # What follows a hypothesis that nothing may follow is no number.
            scores = scores.log_softmax(-1).nan_to_num(nan=-math.inf, neginf=-math.inf)
        return scores

    def _advance(self, scores: Tensor) -> Tensor:
        """Goes on by a token: `int64[prompts, beams]` of the prompts that are not done."""
        steps: list[_Step] = []
        stuck = torch.ones(len(scores), dtype=torch.bool)
        for number, beams in enumerate(self._groups):
            part = scores[:, beams]
            if steps and self._config.diversity_penalty:
                taken = torch.cat([step.tokens for step in steps], 1)
                part = part - self._config.diversity_penalty * _counts(taken, part.shape[2])
            step, ended = self._extend(number, part + self._running[:, beams, None])
            stuck &= ended
            steps.append(step)
        tokens, parents, self._running = (
            torch.cat([getattr(step, name) for step in steps], 1)
            for name in ("tokens", "parents", "scores")
        )
        first = torch.arange(len(tokens))[:, None] * self._beams
        self._history = self._history.select((first + parents.cpu()).flatten())
        self._history = self._history.extended(tokens.flatten())
        self._session.descend(parents)
        return self._take_out(tokens, stuck)

    def _extend(self, number: int, totals: Tensor) -> tuple[_Step, Tensor]:
        """The best hypotheses of a group that go on; those that end go to its pool.

        Args:
            number: Of the group.
            totals: `float32[prompts, beams, vocabulary]`, the scores of all continuations.

        Returns:
            What goes on, and `bool[prompts]`, where nothing does.
        """
        vocabulary = totals.shape[2]
        picked = self._candidates(totals.flatten(1))
        values = totals.flatten(1).gather(1, picked)
        beams, tokens = picked // vocabulary + self._groups[number].start, picked % vocabulary
        reasons = self._reasons(beams, tokens)
        self._collect(number, values, beams, tokens, reasons)
        ended = torch.tensor([[reason is not None for reason in row] for row in reasons])
        ended |= (values == _NONE).cpu()
        best = values.masked_fill(ended.to(values.device), _NONE).topk(self._size)
        # One that is none stands next to the best as its copy: all beams hold what may come.
        picks = best.indices.where(best.values != _NONE, best.indices[:, :1])
        step = _Step(tokens.gather(1, picks), beams.gather(1, picks), best.values)
        return step, ended.all(1)

    def _candidates(self, totals: Tensor) -> Tensor:
        """Enough continuations that some go on, even if all tokens that end a text are among them:
        `int64[prompts, candidates]`, the best first, or in the order in which they are drawn."""
        count = max(2, 1 + len(self._config.eos_token_id)) * self._size
        count = min(count, totals.shape[1])
        if self._draws is None:
            return totals.topk(count).indices
        prompts = self._history.rows[:: self._beams].tolist()
        return self._draws.several(totals, count, prompts)

    def _reasons(self, beams: Tensor, tokens: Tensor) -> list[list[Reason | None]]:
        """Why each candidate ends, if it does."""
        history = self._history
        ended = self._stopping.ended(tokens).tolist()
        reasons: list[list[Reason | None]] = []
        for prompt, (parents, chosen) in enumerate(
            zip(beams.tolist(), tokens.tolist(), strict=True)
        ):
            row = prompt * self._beams
            full = history.new + 1 >= self._most(prompt)
            found: list[Reason | None] = ["length" if full else None] * len(parents)
            for place, (parent, token) in enumerate(zip(parents, chosen, strict=True)):
                if ended[prompt][place]:
                    found[place] = "eos"
                elif self._stops(row + parent, token):
                    found[place] = "stop"
            reasons.append(found)
        return reasons

    def _stops(self, row: int, token: int) -> bool:
        """Whether a row and a token behind it hold a stop string."""
        if not self._stopping.strings:
            return False
        return self._stopping.stopped([*self._history.written(row), token])

    def _collect(
        self,
        number: int,
        values: Tensor,
        beams: Tensor,
        tokens: Tensor,
        reasons: list[list[Reason | None]],
    ) -> None:
        """Puts those of the best candidates that end into the pools.

        The others are there only so that enough go on.
        """
        found = zip(self._pools, values.tolist(), beams.tolist(), tokens.tolist(), strict=True)
        for prompt, (pools, scores, parents, chosen) in enumerate(found):
            row = prompt * self._beams
            for place, reason in enumerate(reasons[prompt][: self._size]):
                if reason is not None and scores[place] != _NONE:
                    pools[number].add(
                        int(self._history.rows[row]),
                        [*self._history.written(row + parents[place]), chosen[place]],
                        scores[place],
                        reason,
                    )

    def _most(self, prompt: int) -> int:
        return self._config.most_new(int(self._history.prompts[prompt * self._beams]))

    def _take_out(self, tokens: Tensor, stuck: Tensor) -> Tensor:
        """Lets prompts leave that are done; the last tokens of the others."""
        stays = []
        running = self._running.tolist()
        for prompt, pools in enumerate(self._pools):
            for pool, beams in zip(pools, self._groups, strict=True):
                best = running[prompt][beams.start]
                pool.close(best, self._history.new, self._most(prompt))
            stays.append(not (stuck[prompt] or all(pool.done for pool in pools)))
            if not stays[-1]:
                self._finish(prompt)
        if all(stays):
            return tokens
        order = self._session.leave(torch.tensor(stays))
        rows = (order[:, None] * self._beams + torch.arange(self._beams)).flatten()
        self._history = self._history.select(rows)
        self._pools = [self._pools[prompt] for prompt in order]
        there = order.to(tokens.device)
        self._running = self._running[there]
        return tokens[there]

    def _finish(self, prompt: int) -> None:
        found = [one for pool in self._pools[prompt] for one in pool.found]
        found.sort(key=lambda one: -one.score)
        first = prompt * self._beams
        row = int(self._history.rows[first])
        if not found:
            raise nothing_may_come(row, self._history.whole(first)[:-1])
        self.finished[row] = found[: self._config.num_return_sequences]


def _counts(tokens: Tensor, vocabulary: int) -> Tensor:
    """`float32[prompts, 1, vocabulary]`, how often each token was chosen."""
    counts = torch.zeros(len(tokens), vocabulary, device=tokens.device)
    ones = torch.ones_like(tokens, dtype=counts.dtype)
    return counts.scatter_add_(1, tokens, ones)[:, None]
