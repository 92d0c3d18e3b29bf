"""Writing token by token: the likeliest, or one that is drawn."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from graft.models.generation.config import GenerationConfig
from graft.models.generation.history import History
from graft.models.generation.results import Generated
from graft.models.generation.rules import Rule, nothing_may_come
from graft.models.generation.sampling import Draws, make_filters
from graft.models.generation.session import Session
from graft.models.generation.stopping import Reason, Stopping

Choose = Callable[[History, Tensor], Tensor]
"""From what is there and scores, `float32[rows, vocabulary]`, to `int64[rows]`."""


class Writing:
    """Texts that are written next to each other; those that end leave.

    Args:
        session: Holds the prompts.
        history: The same prompts.
        config: The options.
        rules: What they ask of the tokens.
        stopping: When a text ends.

    Attributes:
        finished: The texts that have ended, by number.
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
        self._times = config.num_return_sequences
        prompts = torch.arange(len(history.rows)).repeat_interleave(self._times)
        self._history = history.select(prompts)
        copies = torch.arange(len(prompts)) % self._times
        self._history = self._history.numbered(self._history.rows * self._times + copies)
        self._choose = _chooser(config, rules, len(prompts))
        self._config = config
        self._scores = torch.zeros(len(prompts), dtype=torch.float64)
        self.finished: dict[int, Generated] = {}

    def steps(self) -> Iterator[dict[int, int]]:
        """Writes a token to each text at each step: by the text's number, the token."""
        logits = self._session.start().repeat_interleave(self._times, 0)
        self._session.repeat(self._times)
        while True:
            tokens = self._choose(self._history, logits)
            self._scores += _log_probability(logits, tokens)
            self._history = self._history.extended(tokens)
            yield dict(zip(self._history.rows.tolist(), tokens.tolist(), strict=True))
            tokens = self._take_out(tokens)
            if not len(tokens):
                return
            logits = self._session.step(tokens)

    def _take_out(self, tokens: Tensor) -> Tensor:
        """Lets texts leave that have ended; the last tokens of the others."""
        reasons = self._reasons(tokens)
        if not any(reasons):
            return tokens
        history = self._history
        for row, reason in enumerate(reasons):
            if reason is not None:
                text = int(history.rows[row])
                ids = tuple(history.written(row))
                score = float(self._scores[row])
                self.finished[text] = Generated(text // self._times, ids, score, reason)
        order = self._session.leave(torch.tensor([reason is None for reason in reasons]))
        self._history, self._scores = history.select(order), self._scores[order]
        return tokens[order.to(tokens.device)]

    def _reasons(self, tokens: Tensor) -> list[Reason | None]:
        """Why each text ends now, if it does."""
        history = self._history
        ended = self._stopping.ended(tokens).tolist()
        reasons: list[Reason | None] = []
        for row, prompt in enumerate(history.prompts.tolist()):
            if ended[row]:
                reasons.append("eos")
            elif self._stopping.strings and self._stopping.stopped(history.written(row)):
                reasons.append("stop")
            else:
                full = history.new >= self._config.most_new(prompt)
                reasons.append("length" if full else None)
        return reasons


def _chooser(config: GenerationConfig, rules: list[Rule], texts: int) -> Choose:
    filters = make_filters(config) if config.do_sample else []
    draws = Draws(config.seed, texts) if config.do_sample else None

    def choose(history: History, scores: Tensor) -> Tensor:
        for rule in rules:
            scores = rule(history, scores)
        if rules:
            _check_possible(history, scores, config.num_return_sequences)
        if draws is None:
            return scores.argmax(-1)
        for keep in filters:
            scores = keep(scores)
        return draws.one(scores, history.rows.tolist())

    return choose


def _check_possible(history: History, scores: Tensor, texts_per_prompt: int) -> None:
    for row, best in enumerate(scores.amax(-1).tolist()):
        if best == -math.inf:
            prompt = int(history.rows[row]) // texts_per_prompt
            raise nothing_may_come(prompt, history.whole(row))


def _log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """`float64[rows]`, on the CPU."""
    chosen = logits.gather(1, tokens[:, None])[:, 0]
    return (chosen - logits.logsumexp(-1)).double().cpu()
