"""The block, the stack made of it, and the pair of stacks that translates."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from graft.models.config import Config
from graft.models.context import Context, Memory, Record
from graft.models.convolution import Convolution
from graft.models.disentangled import DistanceEmbeddings
from graft.models.dropout import Dropout
from graft.models.layers import Attention, CrossAttention, Embeddings, FeedForward
from graft.models.norm import make_norm
from graft.models.relative import RelativePositions


class Block(nn.Module):
    """Attention, to another stack's states as well where there is one, and feed-forward.

    Each of these is added to the residual stream. The normalisation stands after the sum, before
    the sublayer, or around it.

    Args:
        config: The shape.
        layer: The number of the block.
    """

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.place = config.norm.place
        self.attention = Attention(config, layer)
        self.cross = CrossAttention(config, layer) if config.cross else None
        self.feed_forward = FeedForward(config)
        self.attention_dropout = _dropout(config.output_dropout, config)
        self.cross_dropout = _dropout(None, config)
        self.feed_forward_dropout = _dropout(config.feed_forward_dropout, config)
        self.attention_norm, self.feed_forward_norm = self._norms(config), self._norms(config)
        self.cross_norm = self._norms(config) if config.cross else None
        convolves = config.convolution is not None and layer == 0
        self.convolution = Convolution(config) if convolves else None
        if layer == 0 and not config.norm.first:
            self.attention_norm = nn.Identity()
        if self.place == "around":
            self.attention_end_norm = self._norms(config)
            self.feed_forward_end_norm = self._norms(config)

    @staticmethod
    def _norms(config: Config) -> nn.Module:
        return make_norm(config.norm, config.hidden_size)

    def forward(self, hidden: Tensor, context: Context) -> Tensor:
        """Args: hidden `[tokens, hidden]`, context. Returns: `[tokens, hidden]`."""
        entered = hidden
        hidden = self._add(hidden, "attention", lambda states: self.attention(states, context))
        if self.cross is not None:
            cross = self.cross
            hidden = self._add(hidden, "cross", lambda states: cross(states, context))
        hidden = self._add(hidden, "feed_forward", self.feed_forward)
        if self.convolution is not None:
            hidden = self.convolution(entered, hidden, context.batch)
        return hidden

    def firsts(self, hidden: Tensor, context: Context) -> Tensor:
        """The same for the first token of each sequence: `[sequences, hidden]`."""
        starts = context.batch.starts[:-1]
        if self.convolution is not None:
            firsts: Tensor = self(hidden, context)[starts]
            return firsts
        hidden = self._add(
            hidden, "attention", lambda states: self.attention.firsts(states, context), starts
        )
        return self._add(hidden, "feed_forward", self.feed_forward)

    def _add(
        self,
        hidden: Tensor,
        name: str,
        sublayer: Callable[[Tensor], Tensor],
        rows: Tensor | None = None,
    ) -> Tensor:
        """Adds a sublayer to the stream, or to these rows of it, with its normalisation."""
        norm: nn.Module = getattr(self, f"{name}_norm")  # `get_submodule` is slow
        states = sublayer(hidden if self.place == "after" else norm(hidden))
        if self.place == "around":
            states = getattr(self, f"{name}_end_norm")(states)
        stream = hidden if rows is None else hidden[rows]
        added: Tensor = stream + getattr(self, f"{name}_dropout")(states)
        return norm(added) if self.place == "after" else added


def _dropout(share: float | None, config: Config) -> Dropout:
    """Drops a share; None for that of the residual stream."""
    return Dropout(config.dropout if share is None else share)


class Transformer(nn.Module):
    """Embeddings and a stack of blocks."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.relative = None if config.relative is None else RelativePositions(config)
        self.places = None if config.disentangled is None else DistanceEmbeddings(config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.deciding_layers))
        self.layers, self.group_size = config.layers, config.group_size
        self.norm = make_norm(config.norm, config.hidden_size) if config.final_norm else None
        self.dropout = Dropout(config.final_dropout)
        self.layer_dropout = config.layer_dropout

    def forward(self, context: Context) -> Tensor:
        """Args: context. Returns: the last hidden states, `[tokens, hidden]`.

        Raises:
            ModelError: A token is none of the model's, or a sequence is longer than it reads.
        """
        hidden = self._enter(context)
        for layer in range(self.layers):
            if not self._left_out():
                hidden = self.block(layer)(hidden, context)
            if layer + 1 < self.layers:
                context.keep(hidden)
        hidden = self._leave(hidden)
        context.keep(hidden)
        if context.cache is not None:
            context.cache.end(context.batch)
        return hidden

    def firsts(self, context: Context) -> Tensor:
        """The last hidden states of first tokens alone, `[sequences, hidden]`.

        The last block leaves out what only the other tokens would need: most of its work.
        """
        hidden = self._enter(context)
        for layer in range(self.layers - 1):
            if not self._left_out():
                hidden = self.block(layer)(hidden, context)
        return self._leave(self.block(self.layers - 1).firsts(hidden, context))

    @property
    def parts(self) -> list[list[nn.Module]]:
        """All its modules from the input to the output, in groups: what the embeddings need, and
        the blocks one by one."""
        entry = [self.embeddings, self.relative, self.places]
        blocks: list[list[nn.Module]] = [[block] for block in self.blocks]
        if self.norm is not None:
            blocks[-1].append(self.norm)
        return [[module for module in entry if module is not None], *blocks]

    @property
    def vocabulary(self) -> Tensor:
        """`[vocabulary, embedding]`, what a tied head shares: the token embedding."""
        weight: Tensor = self.embeddings.tokens.weight
        return weight

    def block(self, layer: int) -> Block:
        """The block of a layer; layers that share weights share it."""
        turn, place = divmod(layer, self.group_size)
        group = turn * len(self.blocks) // self.layers
        block = self.blocks[group * self.group_size + place]
        assert isinstance(block, Block)
        return block

    def _enter(self, context: Context) -> Tensor:
        if context.cache is not None:
            context.cache.begin(context.batch)
        if self.relative is not None:
            context.bias = self.relative.bias()
        if self.places is not None:
            context.places = self.places(context.batch.max_length)
        try:
            hidden: Tensor = self.embeddings(context)
        except IndexError:
            segments = self.embeddings.segments
            known = 0 if segments is None else segments.num_embeddings
            context.batch.check_known(self.embeddings.tokens.num_embeddings, known)
            raise
        context.keep(hidden)
        return hidden

    def _leave(self, hidden: Tensor) -> Tensor:
        left: Tensor = self.dropout(hidden if self.norm is None else self.norm(hidden))
        return left

    def _left_out(self) -> bool:
        """Whether training goes past a block."""
        share = self.layer_dropout
        return self.training and share > 0 and float(torch.rand(())) < share


class EncoderDecoder(nn.Module):
    """A stack that reads, and one that writes what it was made of it (Vaswani et al., 2017)."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        assert config.decoder is not None
        self.encoder = Transformer(config)
        self.decoder = Transformer(config.decoder)
        if config.shared_embedding:
            self.decoder.embeddings.tokens = self.encoder.embeddings.tokens

    @property
    def embeddings(self) -> Embeddings:
        """The encoder's."""
        return self.encoder.embeddings

    @property
    def vocabulary(self) -> Tensor:
        """`[vocabulary, hidden]`, what a tied head shares: the decoder's token embedding."""
        return self.decoder.vocabulary

    @property
    def blocks(self) -> list[nn.Module]:
        """All blocks, from the input to the output."""
        return [*self.encoder.blocks, *self.decoder.blocks]

    @property
    def parts(self) -> list[list[nn.Module]]:
        """All modules of both stacks in groups; what the embeddings need comes first."""
        (reading, *encoder), (writing, *decoder) = self.encoder.parts, self.decoder.parts
        return [reading + writing, *encoder, *decoder]

    def encode(self, context: Context) -> Memory:
        """What the decoder reads."""
        return Memory(self.encoder(context), context.batch)

    def forward(self, context: Context) -> Tensor:
        """The states of `context.batch.decoder`, which see the batch: `[tokens, hidden]`.

        Raises:
            ValueError: The decoder is to read more or fewer sequences than the encoder.
        """
        batch, record, attention = context.batch, context.record, context.attention
        assert batch.decoder is not None
        if len(batch.decoder) != len(batch):
            raise ValueError(
                f"The batch has {len(batch)} sequences, but {len(batch.decoder)} for its decoder."
            )
        reading = Context(batch, record=record.encoder or Record(), attention=attention)
        memory = self.encode(reading)
        writing = Context(batch.decoder, memory=memory, record=record, attention=attention)
        hidden: Tensor = self.decoder(writing)
        return hidden


def make_body(config: Config) -> Transformer | EncoderDecoder:
    """The stack, or pair of stacks, of a configuration."""
    return Transformer(config) if config.decoder is None else EncoderDecoder(config)
