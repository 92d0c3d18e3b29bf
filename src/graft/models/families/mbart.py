"""mBART (Liu et al., 2020): BART with normalisation before the sublayers, in many languages."""

from typing import Any

from graft.models.config import Config, Norm
from graft.models.families.pairs import NORM_EPS, PAIR, pair_family, read_pair
from graft.models.families.settings import Settings

_DEFAULTS: dict[str, Any] = {
    **PAIR,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "forced_eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of mBART describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    return read_pair(
        Settings(raw, _DEFAULTS),
        family="mbart",
        norm=Norm("layer", "before", NORM_EPS),
        final_norm=True,
        first_position=2,
    )


MBART = pair_family(
    "mbart",
    {
        None: "MBartModel",
        "text2text-generation": "MBartForConditionalGeneration",
        "text-classification": "MBartForSequenceClassification",
        "question-answering": "MBartForQuestionAnswering",
    },
    read_config,
)
