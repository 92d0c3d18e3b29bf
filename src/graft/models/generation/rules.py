"""What may be written next: rules that change the scores of tokens before one is chosen."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.generation.config import GenerationConfig
from graft.models.generation.history import NONE, History

Rule = Callable[[History, Tensor], Tensor]
"""From what is there and the scores of the next tokens, `float32[rows, vocabulary]`, to scores."""

AllowedTokens = Callable[[int, list[int]], Sequence[int]]
"""From the number of a prompt and all tokens so far, its own first, to those that may come next."""


def repetition_penalty(penalty: float) -> Rule:
    """Makes tokens that are there less likely (Keskar et al., 2019)."""

    def rule(history: History, scores: Tensor) -> Tensor:
        # What stands for no token is the row's first one once more, which changes nothing.
        ids = torch.where(history.ids == NONE, history.ids[:, :1], history.ids)
        old = scores.gather(1, ids)
        return scores.scatter(1, ids, torch.where(old < 0, old * penalty, old / penalty))

    return rule


def no_repeat_ngrams(size: int) -> Rule:
    """Rules out tokens that would make an n-gram that is there already (Paulus et al., 2017)."""

    def rule(history: History, scores: Tensor) -> Tensor:
        return _without_ngrams(scores, history.ids, history.last(size - 1), size)

    return rule


def no_ngrams_of(texts: list[list[int]], texts_per_prompt: int, size: int) -> Rule:
    """Rules out tokens that would make an n-gram of what an encoder read."""
    source = History.of(texts, max(len(text) for text in texts), torch.device("cpu")).ids

    def rule(history: History, scores: Tensor) -> Tensor:
        read = source[history.rows // texts_per_prompt].to(scores.device)
        return _without_ngrams(scores, read, history.last(size - 1), size)

    return rule


def _without_ngrams(scores: Tensor, ids: Tensor, last: Tensor, size: int) -> Tensor:
    """Minus infinity for what came after the last tokens where these stand in `ids`."""
    if ids.shape[1] < size:
        return scores
    windows = ids.unfold(1, size, 1)
    found = (windows[:, :, :-1] == last[:, None]).all(-1) & (windows[:, :, -1] != NONE)
    if size > 1:
        found &= last[:, :1] != NONE
    vocabulary = scores.shape[1]
    wide = torch.nn.functional.pad(scores, (0, 1))
    wide.scatter_(1, torch.where(found, windows[:, :, -1], vocabulary), -math.inf)
    return wide[:, :vocabulary]


def without_sequences(sequences: Sequence[tuple[int, ...]]) -> Rule:
    """Rules out the last token of each of these, where the others stand before it."""

    def rule(history: History, scores: Tensor) -> Tensor:
        scores = scores.clone()
        for *before, token in sequences:
            last = history.last(len(before))
            there = torch.tensor(before, dtype=torch.int64, device=last.device)
            scores[(last == there).all(1), token] = -math.inf
        return scores

    return rule


def without_tokens(tokens: Sequence[int], steps: range | None = None) -> Rule:
    """Rules out tokens, where steps are given in these alone."""

    def rule(history: History, scores: Tensor) -> Tensor:
        if steps is not None and history.new not in steps:
            return scores
        scores = scores.clone()
        scores[:, list(tokens)] = -math.inf
        return scores

    return rule


def not_below(length: int, tokens: Sequence[int]) -> Rule:
    """Rules out tokens where a row, with its prompt, is shorter than this."""

    def rule(history: History, scores: Tensor) -> Tensor:
        short = history.lengths < length
        ended = torch.zeros(scores.shape[1], dtype=torch.bool, device=scores.device)
        ended[list(tokens)] = True
        return scores.masked_fill(short[:, None] & ended, -math.inf)

    return rule


def only_allowed(allowed_tokens: AllowedTokens, texts_per_prompt: int) -> Rule:
    """Rules out all but what a function allows; that may be nothing."""

    def rule(history: History, scores: Tensor) -> Tensor:
        held = torch.full_like(scores, -math.inf)
        for row, text in enumerate(history.rows.tolist()):
            ids = list(allowed_tokens(text // texts_per_prompt, history.whole(row)))
            _check_known("allowed_tokens", ids, scores.shape[1])
            held[row, ids] = scores[row, ids]
        return held

    return rule


def nothing_may_come(prompt: int, ids: list[int]) -> ModelError:
    """What to tell where rules leave no token after these of a prompt."""
    return ModelError(
        f"Nothing may come after {ids[-5:]} of prompt {prompt}: allowed_tokens or other options "
        "rule all tokens out. Where a text may end, allow its end-of-sequence token."
    )


def force(tokens: Sequence[int], at: Callable[[History], Tensor]) -> Rule:
    """Leaves these tokens alone, in the rows where `at` is true."""

    def rule(history: History, scores: Tensor) -> Tensor:
        only = torch.full_like(scores, -math.inf)
        only[:, list(tokens)] = 0.0
        return torch.where(at(history).to(scores.device)[:, None], only, scores)

    return rule


def make_rules(
    config: GenerationConfig,
    vocabulary: int,
    *,
    sources: list[list[int]] | None,
    allowed_tokens: AllowedTokens | None,
) -> list[Rule]:
    """The rules of a configuration, in the order in which the ecosystem applies them.

    Args:
        config: The options.
        vocabulary: How many tokens there are.
        sources: What an encoder read, for each prompt; None where there is none.
        allowed_tokens: See `AllowedTokens`.

    Raises:
        ModelError: An option names a token that the model does not have.
    """
    _check_tokens(config, vocabulary)
    end, texts = config.eos_token_id, config.num_return_sequences if config.num_beams == 1 else 1
    rules: list[Rule] = []
    if config.repetition_penalty != 1.0:
        rules.append(repetition_penalty(config.repetition_penalty))
    if config.no_repeat_ngram_size:
        rules.append(no_repeat_ngrams(config.no_repeat_ngram_size))
    if config.encoder_no_repeat_ngram_size and sources is not None:
        rules.append(no_ngrams_of(sources, texts, config.encoder_no_repeat_ngram_size))
    words = [word for word in config.bad_words_ids if word not in [(token,) for token in end]]
    if words:
        rules.append(without_sequences(words))
    if config.min_length and end:
        rules.append(not_below(config.min_length, end))
    if config.min_new_tokens and end:
        rules.append(without_tokens(end, range(config.min_new_tokens)))
    if allowed_tokens is not None:
        rules.append(only_allowed(allowed_tokens, texts))
    return rules + _forced(config, sources is not None)


def _forced(config: GenerationConfig, encoder: bool) -> list[Rule]:
    rules: list[Rule] = []
    first = config.forced_bos_token_id
    if first is not None and encoder:
        rules.append(force([first], lambda history: history.prompts + history.new == 1))
    if config.forced_eos_token_id:
        rules.append(force(config.forced_eos_token_id, lambda history: _last(config, history)))
    if config.suppress_tokens:
        rules.append(without_tokens(config.suppress_tokens))
    if config.begin_suppress_tokens:
        start = 0 if first is None or not encoder else 1
        rules.append(without_tokens(config.begin_suppress_tokens, range(start, start + 1)))
    return rules


def _last(config: GenerationConfig, history: History) -> Tensor:
    """`bool[rows]`, whether the next token is the last there may be."""
    most = [config.most_new(prompt) for prompt in history.prompts.tolist()]
    return torch.tensor(most) == history.new + 1


def _check_tokens(config: GenerationConfig, vocabulary: int) -> None:
    named = {
        "eos_token_id": config.eos_token_id,
        "forced_eos_token_id": config.forced_eos_token_id,
        "suppress_tokens": config.suppress_tokens,
        "begin_suppress_tokens": config.begin_suppress_tokens,
        "bad_words_ids": [token for word in config.bad_words_ids for token in word],
        "forced_bos_token_id": _one(config.forced_bos_token_id),
        "decoder_start_token_id": _one(config.decoder_start_token_id),
    }
    for name, tokens in named.items():
        _check_known(name, tokens, vocabulary)
    if any(not word for word in config.bad_words_ids):
        raise ModelError("bad_words_ids holds a word of no tokens.")


def _one(token: int | None) -> tuple[int, ...]:
    return () if token is None else (token,)


def _check_known(name: str, tokens: Sequence[int], vocabulary: int) -> None:
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise ModelError(
                f"{name} names token {token}, but the model has tokens 0 to {vocabulary - 1}."
            )
