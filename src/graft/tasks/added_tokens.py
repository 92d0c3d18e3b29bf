"""Tokens that a tokenizer and a model learn together."""

from collections.abc import Sequence

from graft.models.model import Model
from graft.text.tokenizer import Tokenizer


def add_tokens(
    tokenizer: Tokenizer, model: Model, tokens: Sequence[str], *, special: bool = False
) -> int:
    """Adds words of your field to a tokenizer, and rows for them to its model.

    A word that was read in parts so far starts from the mean of these (Gee et al., 2022).
    Optimizers made before know the old weights: make them anew.

    Args:
        tokenizer: Of the model.
        model: The model.
        tokens: What to add; those that are there already stay as they are.
        special: Whether decoding leaves them out unless asked for.

    Returns:
        How many were new.

    Raises:
        DataError: A token is empty or not a string.
        ModelError: The model reads another vocabulary than it writes.
    """
    words = [token for token in tokens if isinstance(token, str) and token]
    new = {word: _parts(tokenizer, word) for word in words if tokenizer.token_to_id(word) is None}
    added = tokenizer.add_tokens(tokens, special=special)
    ids = {word: tokenizer.token_to_id(word) for word in new}
    parts = {i: new[word] for word, i in ids.items() if i is not None and new[word]}
    size = max(tokenizer.vocab_size, model.config.vocab_size)  # some models have rows to spare
    if added:
        model.resize_vocabulary(size, parts)
    return added


def _parts(tokenizer: Tokenizer, token: str) -> list[int]:
    """The ids that a token is read as now; without those that stand for what is not known."""
    found = tokenizer(token)
    pairs = zip(found.ids, found.special, strict=True)
    return [i for i, special in pairs if not special and i != tokenizer.unknown_id]
