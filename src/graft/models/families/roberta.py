"""RoBERTa (Liu et al., 2019); XLM-RoBERTa and CamemBERT are of its architecture."""

from collections.abc import Callable
from typing import Any

from graft.errors import ModelError
from graft.models.config import Classifier, Config
from graft.models.families.bert import (
    DEFAULTS,
    body,
    classes,
    labelled,
    masked,
    masked_vocabulary,
    read_encoder,
    write_config,
)
from graft.models.families.family import Family
from graft.models.families.settings import Settings

_DEFAULTS = DEFAULTS | {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}

HEADS = {
    "text-classification": labelled(
        ("pool", "classifier.dense"), ("classify", "classifier.out_proj")
    ),
    "token-classification": labelled(("classify", "classifier")),
    "question-answering": labelled(("classify", "qa_outputs")),
    "fill-mask": masked("lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head.bias"),
}
"""How files keep the heads."""


def places_after(settings: Settings, first: int) -> dict[str, int]:
    """Learned positions whose table has `first` rows that are no position.

    Raises:
        ModelError: It has no others.
    """
    rows = settings.size("max_position_embeddings")
    if rows <= first:
        raise ModelError(
            f"max_position_embeddings {rows} leaves no room for a token: the first is at {first}."
        )
    return {"first_position": first, "max_positions": rows - first}


def _family(name: str, stem: str, vocabulary: int) -> Family:
    return Family(
        name=name,
        read_config=_reader(name, _DEFAULTS | {"vocab_size": vocabulary}),
        write_config=write_config,
        body=body,
        heads=HEADS,
        prefix="roberta.",
        architectures=classes(stem),
        ignored=("embeddings.position_ids",),
    )


def _reader(name: str, defaults: dict[str, Any]) -> Callable[[dict[str, Any]], Config]:
    def read_config(raw: dict[str, Any]) -> Config:
        settings = Settings(raw, defaults)
        return read_encoder(
            settings,
            name,
            segments=settings.size("type_vocab_size"),
            classifier=Classifier("first", activation="tanh", dropout_before=True),
            vocabulary=masked_vocabulary(settings, "gelu"),
            **places_after(settings, settings.size("pad_token_id", least=0) + 1),
        )

    return read_config


ROBERTA = _family("roberta", "Roberta", 50265)
XLM_ROBERTA = _family("xlm-roberta", "XLMRoberta", 30522)
CAMEMBERT = _family("camembert", "Camembert", 30522)
