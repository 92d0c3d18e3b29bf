"""The block, and the encoder made of it."""

from torch import Tensor, nn

from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.dropout import Dropout
from graft.models.layers import Embeddings, FeedForward, SelfAttention


class Block(nn.Module):
    """Attention and feed-forward, each added to the stream and then normalised."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Args: hidden `[tokens, hidden]`, batch. Returns: `[tokens, hidden]`."""
        return self._add(hidden, self.attention(hidden, batch))

    def firsts(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The same for the first token of each sequence: `[sequences, hidden]`."""
        return self._add(hidden[batch.starts[:-1]], self.attention.firsts(hidden, batch))

    def _add(self, hidden: Tensor, attended: Tensor) -> Tensor:
        hidden = self.attention_norm(hidden + self.dropout(attended))
        hidden = self.feed_forward_norm(hidden + self.dropout(self.feed_forward(hidden)))
        return hidden


class Encoder(nn.Module):
    """Embeddings and a stack of blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))

    def forward(self, batch: Batch) -> Tensor:
        """Args: batch. Returns: the last hidden states, `[tokens, hidden]`."""
        hidden: Tensor = self.embeddings(batch)
        for block in self.blocks:
            hidden = block(hidden, batch)
        return hidden

    def firsts(self, batch: Batch) -> Tensor:
        """The last hidden states of first tokens alone, `[sequences, hidden]`.

        The last block leaves out what only the other tokens would need: most of its work.
        """
        hidden: Tensor = self.embeddings(batch)
        for block in self.blocks[:-1]:
            hidden = block(hidden, batch)
        last = self.blocks[-1]
        assert isinstance(last, Block)
        return last.firsts(hidden, batch)
