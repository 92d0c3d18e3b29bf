"""Marian's translators (Junczys-Dowmunt et al., 2018), as OPUS-MT publishes them."""

from dataclasses import replace
from typing import Any

from graft.models.config import Config, Norm
from graft.models.families.pairs import NORM_EPS, PAIR, pair_family, read_pair, write_pair
from graft.models.families.settings import Settings

_SHARE = "share_encoder_decoder_embeddings"
_DEFAULTS: dict[str, Any] = {
    **PAIR,
    "vocab_size": 58101,
    "pad_token_id": 58100,
    "eos_token_id": 0,
    "decoder_start_token_id": 58100,
    "forced_eos_token_id": 0,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Marian describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    config = read_pair(
        Settings(raw, _DEFAULTS),
        family="marian",
        norm=Norm("layer", "after", NORM_EPS),
        positions="sinusoidal",
        embedding_norm=False,
    )
    # Where nothing is tied, neither are these, and the shape no longer tells what the file said.
    return replace(config, extra=config.extra | {_SHARE: raw.get(_SHARE, True)})


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        _SHARE: config.shared_embedding,
        **write_pair(config),
        "decoder_vocab_size": config.answering.vocab_size,
    }


MARIAN = pair_family(
    "marian",
    {None: "MarianModel", "text2text-generation": "MarianMTModel"},
    read_config,
    write_config,
)
