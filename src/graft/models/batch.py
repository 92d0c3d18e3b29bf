"""A batch: sequences laid end to end, with no padding."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.layout import Layout


@dataclass(frozen=True)
class Batch:
    """Sequences of tokens laid end to end.

    Attributes:
        ids: `int64[tokens]`, token ids.
        lengths: `int64[sequences]`, tokens in each sequence; always on the CPU.
        type_ids: `int64[tokens]`, the segment of each token, or None where all are in the first.
        targets: What the loss compares with: `int64[sequences]` (one label),
            `float32[sequences, labels]` (several labels), or None.
        rows: `int64[sequences]`, the row of the data set each sequence came from, on the CPU.
        decoder: For encoder-decoder models, what the decoder reads: as many sequences.
    """

    ids: Tensor
    lengths: Tensor
    type_ids: Tensor | None = None
    targets: Tensor | None = None
    rows: Tensor | None = field(default=None, repr=False)
    decoder: "Batch | None" = field(default=None, repr=False)

    @classmethod
    def from_sequences(
        cls,
        sequences: Sequence[Sequence[int]],
        *,
        type_ids: Sequence[Sequence[int]] | None = None,
        targets: Tensor | None = None,
    ) -> Self:
        """Builds a batch by hand.

        Args:
            sequences: The token ids of each sequence; none may be empty.
            type_ids: The segment ids of each sequence, of the same lengths.
            targets: See the attribute.

        Raises:
            ValueError: There are no sequences, one is empty or holds other than whole numbers, or
                `type_ids` has other lengths.
        """
        lengths = [len(sequence) for sequence in sequences]
        if not lengths or min(lengths) == 0:
            empty = f"sequence {lengths.index(0)} is empty" if lengths else "there are no sequences"
            raise ValueError(f"A batch needs sequences of one token or more: {empty}.")
        if type_ids is not None and [len(row) for row in type_ids] != lengths:
            raise ValueError("type_ids must have the lengths of the sequences.")
        return cls(
            ids=_flat(sequences),
            lengths=torch.tensor(lengths),
            type_ids=None if type_ids is None else _flat(type_ids),
            targets=targets,
        )

    @classmethod
    def from_pairs(
        cls,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        start_id: int | None = None,
    ) -> Self:
        """Builds a batch for an encoder-decoder model by hand.

        Args:
            sources: The token ids that the encoder reads of each pair; none may be empty.
            targets: Those that the decoder is to write. It reads them shifted to the right; they
                are the `targets` of `decoder`.
            start_id: See `shifted`.

        Raises:
            ValueError: There are not as many targets as sources, or a sequence is empty.
        """
        if len(sources) != len(targets):
            raise ValueError(f"There are {len(sources)} sources, but {len(targets)} targets.")
        decoder = cls.from_sequences(targets).shifted(start_id)
        return replace(cls.from_sequences(sources), decoder=decoder)

    def shifted(self, start_id: int | None = None) -> Self:
        """What a decoder reads to write these sequences: each a token to the right.

        Args:
            start_id: The token that each begins with; None for its own last one, as mBART has it,
                whose last token names the language.

        Returns:
            A batch of the same lengths, whose `targets` are the ids of this one.
        """
        ids = self.ids.roll(1)
        ids[self.starts[:-1]] = self.ids[self.starts[1:] - 1] if start_id is None else start_id
        return replace(self, ids=ids, type_ids=None, targets=self.ids, decoder=None)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens in all sequences together."""
        return len(self.ids)

    @cached_property
    @torch.inference_mode(False)  # kept, and perhaps used in training next
    def starts(self) -> Tensor:
        """`int64[sequences + 1]`, where each sequence starts, on the device of `ids`."""
        starts = torch.zeros(len(self) + 1, dtype=torch.int64)
        torch.cumsum(self.lengths, 0, out=starts[1:])
        return starts.to(self.ids.device)

    @cached_property
    @torch.inference_mode(False)
    def positions(self) -> Tensor:
        """`int64[tokens]`, the position of each token in its own sequence."""
        firsts = torch.repeat_interleave(
            self.starts[:-1], self.lengths.to(self.ids.device), output_size=self.tokens
        )
        return torch.arange(self.tokens, device=self.ids.device) - firsts

    @cached_property
    def max_length(self) -> int:
        """Tokens in the longest sequence."""
        return int(self.lengths.max())

    @cached_property
    def layout(self) -> Layout:
        """Which tokens see which: those of their own sequence."""
        return Layout(self.lengths, self.lengths)

    @cached_property
    def first_layout(self) -> Layout:
        """The same for the first token of each sequence: it sees all of its own."""
        return Layout(torch.ones_like(self.lengths), self.lengths)

    def check_known(self, tokens: int, segments: int) -> None:
        """Tells which of its ids a model does not have, whose tables gave an error.

        Args:
            tokens: How many the model has.
            segments: The same of segments; 0 where it reads none.

        Raises:
            ModelError: One is not below that, or below zero.
        """
        kinds = {"token": (self.ids, tokens), "segment": (self.type_ids, segments)}
        for name, (ids, count) in kinds.items():
            wrong = [] if ids is None or not count else ids[(ids < 0) | (ids >= count)].tolist()
            if wrong:
                raise ModelError(
                    f"The batch has {name} {wrong[0]}, but the model has {name}s 0 to {count - 1}. "
                    "Was it made with another model's tokenizer?"
                )

    def to(self, device: torch.device | str) -> "Batch":
        """This batch with its tensors on `device`; `lengths` and `rows` stay on the CPU."""
        if self.ids.device == torch.device(device):
            return self
        move = {
            name: value.to(device, non_blocking=True)
            for name in ("ids", "type_ids", "targets")
            if (value := getattr(self, name)) is not None
        }
        decoder = None if self.decoder is None else self.decoder.to(device)
        return replace(self, **move, decoder=decoder)


def _flat(sequences: Sequence[Sequence[int]]) -> Tensor:
    """`int64[tokens]`, end to end."""
    try:
        ids = torch.tensor([value for sequence in sequences for value in sequence])
    except (TypeError, ValueError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
        raise ValueError(f"A batch needs ids, which are whole numbers: {why}.") from error
    if ids.ndim != 1 or ids.dtype == torch.bool or ids.is_floating_point():
        found = str(ids.dtype).removeprefix("torch.")
        raise ValueError(
            f"A batch needs ids, whole numbers in one list a sequence; these are {found} in "
            f"{ids.ndim + 1} dimensions."
        )
    return ids.long()
