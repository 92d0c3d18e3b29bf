"""What the layers of one forward pass share."""

from dataclasses import dataclass, field, replace

from torch import Tensor

from graft.models.attention import Bias, Rules
from graft.models.batch import Batch
from graft.models.cache import Cache
from graft.models.config import Rotary
from graft.models.disentangled import Places
from graft.models.layout import Layout
from graft.models.recurrent_cache import States
from graft.models.rotary import Rotation, rotation


@dataclass
class Record:
    """What was asked for beyond the answer.

    Attributes:
        hidden_states: `[tokens, hidden]`: the embeddings, then each block's, the last normalised.
        attentions: For each layer, for each sequence, `[heads, queries, keys]`.
        cross_attentions: The same of attention to the encoder.
        encoder: What was asked for of the encoder.
    """

    hidden_states: list[Tensor] | None = None
    attentions: list[list[Tensor]] | None = None
    cross_attentions: list[list[Tensor]] | None = None
    encoder: "Record | None" = None

    @classmethod
    def asked(cls, hidden_states: bool, attentions: bool) -> "Record":
        """One that keeps these, of both stacks where there are two."""

        def of_stack(encoder: Record | None) -> Record:
            states: list[Tensor] | None = [] if hidden_states else None
            own: list[list[Tensor]] | None = [] if attentions else None
            cross: list[list[Tensor]] | None = [] if attentions else None
            return cls(states, own, cross, encoder)

        return of_stack(of_stack(None))


@dataclass
class Memory:
    """What an encoder made of its batch.

    Attributes:
        hidden: `[tokens, hidden]`.
        batch: The batch.
    """

    hidden: Tensor
    batch: Batch


@dataclass
class Context:
    """One pass of a batch through a stack of blocks.

    Attributes:
        batch: The sequences.
        cache: Keys and values of what came before them, in generation.
        states: The same of recurrent layers.
        memory: What the encoder made of its batch, for cross-attention.
        record: Keeps hidden states and attention weights that were asked for.
        attention: The name of the implementation of attention.
        bias: What is added to the attention scores of every layer.
        places: Embeddings of distances, for disentangled attention.
    """

    batch: Batch
    cache: Cache | None = None
    states: States | None = None
    memory: Memory | None = None
    record: Record = field(default_factory=Record)
    attention: str = "auto"
    bias: Bias | None = None
    places: Places | None = None
    _rotations: dict[Rotary, Rotation] = field(default_factory=dict)
    _cross: Layout | None = None

    @property
    def positions(self) -> Tensor:
        """`int64[tokens]`, the position of each token in its sequence."""
        return self.batch.positions if self.cache is None else self.cache.positions(self.batch)

    @property
    def cross_layout(self) -> Layout:
        """Which tokens see which of the encoder's."""
        assert self.memory is not None
        if self._cross is None:
            self._cross = Layout(self.batch.lengths, self.memory.batch.lengths)
        return self._cross

    @property
    def lengths(self) -> Tensor:
        """`int64[sequences]`, tokens of each sequence so far, on the CPU."""
        if self.cache is None or not self.cache.stepping:
            return self.batch.lengths
        return self.cache.lengths + 1

    def rules(self, rules: Rules, dropout: float) -> Rules:
        """How tokens see each other in this pass, by the rules of a layer."""
        weights = self.record.attentions
        return self._rules(rules, dropout, weights, self.bias)

    def cross_rules(self, rules: Rules, dropout: float) -> Rules:
        """The same for cross-attention."""
        return self._rules(rules, dropout, self.record.cross_attentions, None)

    def _rules(
        self, rules: Rules, dropout: float, record: list[list[Tensor]] | None, bias: Bias | None
    ) -> Rules:
        weights: list[Tensor] | None = None
        if record is not None:
            weights = []
            record.append(weights)
        return replace(
            rules, dropout=dropout, bias=bias, weights=weights, implementation=self.attention
        )

    def keep(self, hidden: Tensor) -> None:
        """Keeps hidden states, where they are asked for."""
        if self.record.hidden_states is not None:
            self.record.hidden_states.append(hidden)

    def rotation(self, rotary: Rotary, head_size: int) -> Rotation:
        """The angles of the tokens; made once, used by every layer with these frequencies."""
        if rotary not in self._rotations:
            self._rotations[rotary] = rotation(
                rotary, head_size, self.positions, self.batch.lengths, self.lengths
            )
        return self._rotations[rotary]
