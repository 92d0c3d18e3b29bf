"""Generation: see `generate` for the whole, `writing` and `beams` for how tokens are chosen."""

from graft.models.generation.config import GenerationConfig
from graft.models.generation.results import Generated

__all__ = ["Generated", "GenerationConfig"]
