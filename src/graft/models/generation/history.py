"""What generated sequences are so far."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

NONE = -1  # stands behind the end of a row


@dataclass(frozen=True)
class History:
    """Sequences that grow by a token a step, one a row.

    Attributes:
        ids: `int64[rows, room]`: the prompt (of an encoder-decoder, the start token), then what
            was written, then `NONE`.
        lengths: `int64[rows]`, tokens of each; on the device of `ids`.
        prompts: `int64[rows]`, how many of these are the prompt's; on the CPU.
        rows: For each row the number of the text it is of; on the CPU.
        new: Tokens written, the same in all rows.
    """

    ids: Tensor
    lengths: Tensor
    prompts: Tensor
    rows: Tensor
    new: int = 0

    @classmethod
    def of(cls, prompts: list[list[int]], room: int, device: torch.device) -> Self:
        """Prompts with room for so many tokens in all."""
        ids = torch.full((len(prompts), room), NONE)
        for row, prompt in enumerate(prompts):
            ids[row, : len(prompt)] = torch.tensor(prompt)
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        return cls(ids.to(device), lengths.to(device), lengths, torch.arange(len(prompts)))

    def select(self, rows: Tensor) -> Self:
        """Some of the rows, `int64[rows]` on the CPU; a row may come several times."""
        there = rows.to(self.ids.device)
        return replace(
            self,
            ids=self.ids[there],
            lengths=self.lengths[there],
            prompts=self.prompts[rows],
            rows=self.rows[rows],
        )

    def numbered(self, rows: Tensor) -> Self:
        """The same rows, of texts with these numbers, `int64[rows]`."""
        return replace(self, rows=rows)

    def extended(self, tokens: Tensor) -> Self:
        """With one more token each, `int64[rows]`. The table itself is written to."""
        self.ids.scatter_(1, self.lengths[:, None], tokens[:, None])
        return replace(self, lengths=self.lengths + 1, new=self.new + 1)

    def written(self, row: int) -> list[int]:
        """The tokens that were written in a row."""
        start = int(self.prompts[row])
        ids: list[int] = self.ids[row, start : start + self.new].tolist()
        return ids

    def whole(self, row: int) -> list[int]:
        """All tokens of a row."""
        ids: list[int] = self.ids[row, : int(self.prompts[row]) + self.new].tolist()
        return ids

    def last(self, count: int) -> Tensor:
        """`int64[rows, count]`, the last tokens of each row; `NONE` where it is shorter."""
        places = self.lengths[:, None] - count + torch.arange(count, device=self.ids.device)
        found = self.ids.gather(1, places.clamp(min=0))
        return found.masked_fill(places < 0, NONE)
