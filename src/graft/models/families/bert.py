"""BERT (Devlin et al., 2018), and the many encoders of its architecture, MiniLM among them.

The families after it differ in little: they read, write and name what is here with changes of
their own.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graft.models.config import Activation, Classifier, Config, Norm, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import Settings, activation_name, with_extra

DEFAULTS: dict[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "classifier_dropout": None,
    "initializer_range": 0.02,
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
}
"""What the ecosystem takes for settings that are left out."""


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of BERT describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, DEFAULTS)
    return read_encoder(settings, "bert", segments=settings.size("type_vocab_size"))


def read_encoder(settings: Settings, family: str, **own: Any) -> Config:
    """The shape that BERT's settings describe.

    Args:
        settings: The parsed `config.json`.
        family: The key of the architecture.
        own: What the architecture has of its own, by the names of `Config`.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings.only("position_embedding_type", "absolute")
    settings.only("is_decoder", False)
    settings.only("add_cross_attention", None, False)
    settings.heads("hidden_size", "num_attention_heads")
    dropout = settings.get("classifier_dropout")
    activation = settings.activation("hidden_act")
    config = Config(
        family=family,
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("hidden_size"),
        layers=settings.layers(),
        heads=settings.size("num_attention_heads"),
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        activation=activation,
        norm=Norm("layer", "after", settings.share("layer_norm_eps")),
        dropout=settings.share("hidden_dropout_prob"),
        attention_dropout=settings.share("attention_probs_dropout_prob"),
        head_dropout=None if dropout is None else settings.share("classifier_dropout"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier("first", activation="tanh"),
        vocabulary=masked_vocabulary(settings, activation),
    )
    return replace(with_extra(config, settings), **own)


def masked_vocabulary(settings: Settings, activation: Activation) -> Vocabulary:
    """The shape of the head that finds masked words."""
    tied = settings.flag("tie_word_embeddings")
    return Vocabulary(dense=True, activation=activation, bias=True, tied=tied)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {**write_encoder(config), "type_vocab_size": config.segments}


def write_encoder(config: Config) -> dict[str, Any]:
    """What `read_encoder` reads."""
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions + config.first_position,
        "hidden_act": activation_name(config.extra, "hidden_act", config.activation),
        "layer_norm_eps": config.norm.eps,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "classifier_dropout": config.head_dropout,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def embedding_names() -> TensorNames:
    """How files keep the embeddings."""
    return {
        **one("embeddings.tokens.weight", "embeddings.word_embeddings.weight"),
        **one("embeddings.positions.weight", "embeddings.position_embeddings.weight"),
        **one("embeddings.segments.weight", "embeddings.token_type_embeddings.weight"),
        **both("embeddings.norm", "embeddings.LayerNorm"),
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = dict(embedding_names())
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        names |= both(f"{ours}.attention.qkv", *parts)
        names |= both(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        names |= both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        names |= feed_forward_names(layer)
    return names


def feed_forward_names(layer: int) -> TensorNames:
    """How files keep what follows a layer's attention."""
    ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}"
    return {
        **both(f"{ours}.feed_forward.up", f"{theirs}.intermediate.dense"),
        **both(f"{ours}.feed_forward.down", f"{theirs}.output.dense"),
        **both(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm"),
    }


def labelled(*layers: tuple[str, str]) -> Callable[[Config], TensorNames]:
    """A head's layers by our names and the file's."""
    names = {name: stored for layer in layers for name, stored in both(*layer).items()}
    return lambda _: names


def masked(dense: str, norm: str, decoder: str, bias: str) -> Callable[[Config], TensorNames]:
    """How files keep the head that finds masked words.

    Args:
        dense: Its first layer.
        norm: The normalisation.
        decoder: The layer that gives the logits.
        bias: Where its bias is kept; that of a layer which is not tied, beside the layer's weight.
            The ecosystem's classes then have both, and do not use this one.
    """

    def names(config: Config) -> TensorNames:
        places = (bias, f"{decoder}.bias")
        tied = config.vocabulary.tied
        place, copy = places if tied else reversed(places)
        return {
            **both("dense", dense),
            **both("norm", norm),
            **one("weight", f"{decoder}.weight"),
            "bias": Stored((place,), copies=() if copy == place else (copy,), twice=not tied),
        }

    return names


def classes(stem: str) -> dict[str | None, str]:
    """The class the ecosystem loads each task of an encoder with."""
    return {
        None: f"{stem}Model",
        "text-classification": f"{stem}ForSequenceClassification",
        "token-classification": f"{stem}ForTokenClassification",
        "question-answering": f"{stem}ForQuestionAnswering",
        "fill-mask": f"{stem}ForMaskedLM",
    }


BERT = Family(
    name="bert",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": labelled(("pool", "bert.pooler.dense"), ("classify", "classifier")),
        "token-classification": labelled(("classify", "classifier")),
        "question-answering": labelled(("classify", "qa_outputs")),
        "fill-mask": masked(
            "cls.predictions.transform.dense",
            "cls.predictions.transform.LayerNorm",
            "cls.predictions.decoder",
            "cls.predictions.bias",
        ),
    },
    prefix="bert.",
    architectures=classes("Bert"),
    aliases={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
    ignored=("embeddings.position_ids",),
)
