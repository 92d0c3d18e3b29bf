"""What a recurrent model is made of."""

from dataclasses import dataclass, field
from itertools import pairwise

from graft.models.config import Config


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(Config):
    """The shape of a stack of LSTM layers, and of the heads on it.

    Of what a `Config` says, `dropout` falls between the layers, `embedding_dropout` on the
    embeddings and `head_dropout` on what a head reads; what it says of attention, of norms and of
    feed-forward layers does not apply.

    Attributes:
        inner_size: Width of the states between layers; None for `hidden_size`, that of the last.
        both_ways: Whether half of each state is of a second LSTM, which reads from the end.
        word_dropout: Share of words whose embeddings are dropped wherever they occur in a batch.
        weight_dropout: Share of the weights from state to state that are dropped, the same ones
            for all tokens of a batch (Merity et al., 2017).
        answer_size: Width of the layer between what a classifier pools and its answer; None where
            there is none.
        crf: Whether a conditional random field chooses the labels of tokens.
        scheme: The prefixes that labels of tokens have ("bio", "bioes"), where the field may answer
            with sequences that make sense in them only; None where any label may follow any.
    """

    heads: int = field(default=0, init=False)
    intermediate_size: int = field(default=0, init=False)
    inner_size: int | None = None
    both_ways: bool = False
    word_dropout: float = 0.0
    weight_dropout: float = 0.0
    answer_size: int | None = None
    crf: bool = False
    scheme: str | None = None

    @property
    def layer_sizes(self) -> list[tuple[int, int]]:
        """What each layer reads and what it gives, the width of both directions together."""
        inner = self.inner_size or self.hidden_size
        sizes = [self.embedding_size or self.hidden_size]
        sizes += [inner] * (self.layers - 1) + [self.hidden_size]
        return list(pairwise(sizes))
