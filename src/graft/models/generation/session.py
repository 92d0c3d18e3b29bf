"""A model that writes: prompts in, then token by token the scores of the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from graft.models.batch import Batch
from graft.models.context import Context, Memory
from graft.models.parts import build_cache
from graft.models.pooling import pooled
from graft.models.recurrent import Recurrent
from graft.models.recurrent_cache import States
from graft.models.transformer import EncoderDecoder, Transformer

if TYPE_CHECKING:
    from graft.models.model import Model


class Session:
    """The prompts of one call, each a row, and the keys and values of their tokens.

    Args:
        model: With a head for the vocabulary.
        prompts: Token ids of each, the longest first; of an encoder-decoder, what it writes after.
        sources: What an encoder reads for each; None where there is none.
        room: The most tokens to write after a prompt.
        branches: How many hypotheses of each prompt are followed.
    """

    def __init__(
        self,
        model: Model,
        prompts: list[list[int]],
        sources: list[list[int]] | None,
        room: int,
        branches: int = 1,
    ) -> None:
        self._model = model
        body = model.body
        self._decoder = body.decoder if isinstance(body, EncoderDecoder) else body
        assert isinstance(self._decoder, Transformer | Recurrent)
        config = model.config.decoder or model.config
        self._prompts = Batch.from_sequences(prompts).to(model.device)
        capacity = self._prompts.max_length + room * branches
        self._cache = build_cache(config, capacity, branches)
        self._memory: Memory | None = None
        if sources is not None:
            assert isinstance(body, EncoderDecoder)
            read = Batch.from_sequences(sources).to(model.device)
            self._memory = body.encode(Context(read, attention=model.attention))

    def start(self) -> Tensor:
        """The logits behind the prompts, `float32[rows, vocabulary]`."""
        hidden = self._run(self._prompts)
        logits = self._logits(pooled(hidden, self._prompts, "last"))
        # Its keys and values are in the cache now.
        self._memory = None
        return logits

    def step(self, tokens: Tensor) -> Tensor:
        """Writes a token to each branch of each row.

        Args:
            tokens: `int64[rows * branches]`.

        Returns:
            The logits behind them, `float32[rows * branches, vocabulary]`.
        """
        batch = Batch(tokens, torch.ones(len(tokens), dtype=torch.int64))
        return self._logits(self._run(batch))

    def repeat(self, times: int) -> None:
        """Makes so many rows of each, side by side."""
        self._cache.repeat(times)

    def descend(self, parents: Tensor) -> None:
        """Says which branch each branch goes on from: `int64[rows, branches]` of the same row."""
        self._cache.descend(parents.cpu())

    def leave(self, stays: Tensor) -> Tensor:
        """Takes rows out, `bool[rows]`; the old numbers of the rows that there are now."""
        return self._cache.leave(stays.cpu())

    def _run(self, batch: Batch) -> Tensor:
        context = Context(batch, memory=self._memory, attention=self._model.attention)
        if isinstance(self._cache, States):
            context.states = self._cache
        else:
            context.cache = self._cache
        hidden: Tensor = self._decoder(context)
        return hidden

    def _logits(self, hidden: Tensor) -> Tensor:
        assert self._model.head is not None
        logits: Tensor = self._model.head(hidden, self._prompts, self._model.body.vocabulary)
        return logits.float()
