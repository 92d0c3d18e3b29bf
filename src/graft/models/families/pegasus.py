"""Pegasus (Zhang et al., 2019)."""

from typing import Any

from graft.models.config import Config, Norm
from graft.models.families.pairs import NORM_EPS, PAIR, pair_family, read_pair
from graft.models.families.settings import Settings

_DEFAULTS: dict[str, Any] = {
    **PAIR,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "forced_eos_token_id": 1,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Pegasus describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    return read_pair(
        Settings(raw, _DEFAULTS),
        family="pegasus",
        norm=Norm("layer", "before", NORM_EPS),
        final_norm=True,
        positions="sinusoidal",
        embedding_norm=False,
    )


PEGASUS = pair_family(
    "pegasus",
    {None: "PegasusModel", "text2text-generation": "PegasusForConditionalGeneration"},
    read_config,
)
