"""When a text ends."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.generation.config import GenerationConfig

Reason = Literal["eos", "stop", "length"]
"""A token ended the text, or a stop string, or it has all tokens it may have."""

Decode = Callable[[list[int]], str]
"""From token ids to text."""


class Stopping:
    """Says which texts end.

    Args:
        config: The tokens that end a text, and how long it may be.
        stop: Strings that end it.
        decode: Gives the text of what was written; needed where there are such strings.

    Raises:
        ModelError: There are stop strings, but nothing to decode with, or an empty one.
    """

    def __init__(
        self, config: GenerationConfig, stop: Sequence[str] = (), decode: Decode | None = None
    ) -> None:
        self.config = config
        self.strings = (stop,) if isinstance(stop, str) else tuple(stop)
        if not all(self.strings):
            raise ModelError("A stop string is empty: every text would end at once.")
        if self.strings and decode is None:
            raise ModelError(
                "Stop strings need the text of tokens, which a model does not know: give "
                "decode=tokenizer.decode as well."
            )
        self._decode = decode

    def ended(self, tokens: Tensor) -> Tensor:
        """Args: tokens, of any shape. Returns: `bool` of that shape, true where one ends a text."""
        ends = torch.tensor(self.config.eos_token_id, dtype=tokens.dtype, device=tokens.device)
        return torch.isin(tokens, ends)

    def stopped(self, written: list[int]) -> bool:
        """Whether a text holds a stop string."""
        if self._decode is None or not self.strings:
            return False
        text = self._decode(written)
        return any(string in text for string in self.strings)
