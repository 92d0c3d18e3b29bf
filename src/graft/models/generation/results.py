"""What generation gives."""

from dataclasses import dataclass

from graft.models.generation.stopping import Reason


@dataclass(frozen=True)
class Generated:
    """A text that was written.

    Attributes:
        prompt: The number of the prompt that it goes on from.
        ids: Its tokens, without the prompt's; the one that ended it is among them.
        score: Its log probability, by the model alone, without penalties or filters; of a search,
            that by which its hypotheses are ordered.
        reason: What ended it.
    """

    prompt: int
    ids: tuple[int, ...]
    score: float
    reason: Reason
