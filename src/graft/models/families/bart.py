"""BART (Lewis et al., 2019)."""

from typing import Any

from graft.models.config import Config, Norm
from graft.models.families.pairs import NORM_EPS, PAIR, pair_family, read_pair
from graft.models.families.settings import Settings

_DEFAULTS: dict[str, Any] = {
    **PAIR,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of BART describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    return read_pair(
        Settings(raw, _DEFAULTS),
        family="bart",
        norm=Norm("layer", "after", NORM_EPS),
        first_position=2,
    )


BART = pair_family(
    "bart",
    {
        None: "BartModel",
        "text2text-generation": "BartForConditionalGeneration",
        "text-classification": "BartForSequenceClassification",
        "question-answering": "BartForQuestionAnswering",
    },
    read_config,
)
