"""Generation: from prompts of any lengths to what a model writes after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from graft.errors import ModelError
from graft.models.generation.beams import BeamSearch
from graft.models.generation.config import GenerationConfig
from graft.models.generation.history import History
from graft.models.generation.results import Generated
from graft.models.generation.rules import AllowedTokens, Rule, make_rules
from graft.models.generation.session import Session
from graft.models.generation.stopping import Decode, Stopping
from graft.models.generation.writing import Writing

if TYPE_CHECKING:
    from graft.models.model import Model

TASKS = ("text-generation", "text2text-generation")


@torch.inference_mode()
def generate(
    model: Model,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    *,
    stop: Sequence[str] = (),
    decode: Decode | None = None,
    allowed_tokens: AllowedTokens | None = None,
) -> list[Generated]:
    """See `Model.generate`."""
    request = _Request.of(model, prompts, config, stop, decode, allowed_tokens)
    with _evaluating(model):
        if config.num_beams > 1:
            search = BeamSearch(*request.begin(model), config, request.rules, request.stopping)
            search.run()
            return [text for row in range(len(prompts)) for text in search.finished[row]]
        writing = Writing(*request.begin(model), config, request.rules, request.stopping)
        for _ in writing.steps():
            pass
    return [writing.finished[text] for text in sorted(writing.finished)]


def stream(
    model: Model,
    prompts: Sequence[Sequence[int]],
    config: GenerationConfig,
    *,
    stop: Sequence[str] = (),
    decode: Decode | None = None,
    allowed_tokens: AllowedTokens | None = None,
) -> Iterator[dict[int, int]]:
    """See `Model.stream`."""
    if config.num_beams > 1:
        raise ModelError(
            "A beam search knows its text only at its end: stream with num_beams=1, or generate."
        )
    return _steps(model, _Request.of(model, prompts, config, stop, decode, allowed_tokens))


@torch.inference_mode()
def _steps(model: Model, request: _Request) -> Iterator[dict[int, int]]:
    with _evaluating(model):
        session, history = request.begin(model)
        writing = Writing(session, history, request.config, request.rules, request.stopping)
        yield from writing.steps()


@dataclass(frozen=True)
class _Request:
    """What was asked for, and checked.

    Attributes:
        config: The options.
        prompts: What the decoder goes on from, for each.
        sources: What the encoder reads for each; None where there is none.
        room: The most tokens to write after any.
        rules: What the options ask of tokens.
        stopping: When a text ends.
    """

    config: GenerationConfig
    prompts: list[list[int]]
    sources: list[list[int]] | None
    room: int
    rules: list[Rule]
    stopping: Stopping

    @classmethod
    def of(
        cls,
        model: Model,
        prompts: Sequence[Sequence[int]],
        config: GenerationConfig,
        stop: Sequence[str],
        decode: Decode | None,
        allowed_tokens: AllowedTokens | None,
    ) -> _Request:
        """Checks all of it.

        Raises:
            ModelError: The model does not write, an option makes no sense, or a prompt is empty,
                too long, or has a token that the model does not have.
        """
        _check_writes(model)
        config.check_extra()
        shape = model.config.decoder or model.config
        pair = model.config.decoder is not None
        first = None if pair else config.bos_token_id
        rows = _checked_prompts(prompts, first, model.config.vocab_size)
        starts = [[_start(config)] for _ in rows] if pair else rows
        most = [config.most_new(len(start)) for start in starts]
        limit = shape.max_positions if shape.positions == "learned" else None
        for number, (start, new) in enumerate(zip(starts, most, strict=True)):
            _check_length(number, len(start), new, limit)
        sources = rows if pair else None
        rules = make_rules(config, shape.vocab_size, sources=sources, allowed_tokens=allowed_tokens)
        return cls(config, starts, sources, max(most), rules, Stopping(config, stop, decode))

    def begin(self, model: Model) -> tuple[Session, History]:
        """A session, and its history: the longest first, as attention wants them."""
        length = [len(row) for row in self.sources or self.prompts]
        order = sorted(range(len(length)), key=lambda row: -length[row])
        prompts = [self.prompts[row] for row in order]
        sources = None if self.sources is None else [self.sources[row] for row in order]
        session = Session(model, prompts, sources, self.room, self.config.num_beams)
        room = max(map(len, prompts)) + self.room
        history = History.of(prompts, room, model.device).numbered(torch.tensor(order))
        return session, history


def _check_writes(model: Model) -> None:
    if model.task not in TASKS:
        task = "no task" if model.task is None else model.task
        raise ModelError(
            f"This model is for {task}, and does not write: load it with task='{TASKS[0]}' "
            f"or '{TASKS[1]}'."
        )


def _checked_prompts(
    prompts: Sequence[Sequence[int]], first: int | None, vocabulary: int
) -> list[list[int]]:
    """Prompts as lists; those that are empty begin with `first`, where there is such a token."""
    if any(isinstance(prompt, str | int) for prompt in prompts):
        raise ModelError(
            "Prompts are lists of token ids, one a text: [[5, 6], [7]]. A tokenizer makes them of "
            "texts: tokenizer(text).ids."
        )
    if not len(prompts):
        raise ModelError("There are no prompts.")
    rows = [[int(token) for token in prompt] for prompt in prompts]
    for number, row in enumerate(rows):
        if not row and first is not None:
            row.append(first)
        _check_prompt(number, row, vocabulary)
    return rows


def _check_prompt(number: int, prompt: list[int], vocabulary: int) -> None:
    if not prompt:
        raise ModelError(f"Prompt {number} is empty: give it a token to begin with.")
    wrong = [token for token in prompt if not 0 <= token < vocabulary]
    if wrong:
        raise ModelError(
            f"Prompt {number} has token {wrong[0]}, but the model has tokens 0 to "
            f"{vocabulary - 1}. Was it made with another model's tokenizer?"
        )


def _check_length(number: int, length: int, new: int, limit: int | None) -> None:
    if new < 1:
        raise ModelError(
            f"Prompt {number} has {length} tokens, which leaves none of max_length "
            f"{length + new} to write: say max_new_tokens."
        )
    # The last token is written, and never read.
    if limit is not None and length + new - 1 > limit:
        raise ModelError(
            f"Prompt {number} has {length} tokens, and {new} more were asked for, but this model "
            f"reads up to {limit}: cut the prompt, or ask for fewer, max_new_tokens=..."
        )


def _start(config: GenerationConfig) -> int:
    """The token that an encoder-decoder writes after."""
    for token in (config.decoder_start_token_id, config.bos_token_id):
        if token is not None:
            return token
    raise ModelError(
        "What the decoder writes after is not known: say decoder_start_token_id=..., for a "
        "translation the token of its language."
    )


@contextmanager
def _evaluating(model: Model) -> Iterator[None]:
    """Without dropout; the model is as it was afterwards."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
