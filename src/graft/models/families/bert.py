"""BERT (Devlin et al., 2018), and the many encoders of its architecture, MiniLM among them."""

from typing import Any

from graft.models.config import Classifier, Config, Norm, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
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
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of BERT describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.only("position_embedding_type", "absolute")
    settings.only("is_decoder", False)
    settings.heads("hidden_size", "num_attention_heads")
    activation = settings.activation("hidden_act")
    dropout = settings.get("classifier_dropout")
    config = Config(
        family="bert",
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("hidden_size"),
        layers=settings.size("num_hidden_layers"),
        heads=settings.size("num_attention_heads"),
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        segments=settings.size("type_vocab_size"),
        activation=activation,
        norm=Norm("layer", "after", settings.share("layer_norm_eps")),
        dropout=settings.share("hidden_dropout_prob"),
        attention_dropout=settings.share("attention_probs_dropout_prob"),
        head_dropout=None if dropout is None else settings.share("classifier_dropout"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier("first", activation="tanh"),
        vocabulary=Vocabulary(
            dense=True, activation=activation, bias=True, tied=settings.flag("tie_word_embeddings")
        ),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "type_vocab_size": config.segments,
        "hidden_act": activation_name(config.extra, "hidden_act", config.activation),
        "layer_norm_eps": config.norm.eps,
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
        "classifier_dropout": config.head_dropout,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **one("embeddings.tokens.weight", "embeddings.word_embeddings.weight"),
        **one("embeddings.positions.weight", "embeddings.position_embeddings.weight"),
        **one("embeddings.segments.weight", "embeddings.token_type_embeddings.weight"),
        **both("embeddings.norm", "embeddings.LayerNorm"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"encoder.layer.{layer}"
        parts = [f"{theirs}.attention.self.{part}" for part in ("query", "key", "value")]
        names |= both(f"{ours}.attention.qkv", *parts)
        names |= both(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        names |= both(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.intermediate.dense")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.output.dense")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.output.LayerNorm")
    return names


def _classifier(_: Config) -> TensorNames:
    return {**both("pool", "bert.pooler.dense"), **both("classify", "classifier")}


def _masked(_: Config) -> TensorNames:
    return {
        **both("dense", "cls.predictions.transform.dense"),
        **both("norm", "cls.predictions.transform.LayerNorm"),
        "weight": Stored(("cls.predictions.decoder.weight",)),
        "bias": Stored(("cls.predictions.bias",)),
    }


BERT = Family(
    name="bert",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": _classifier,
        "token-classification": lambda _: both("classify", "classifier"),
        "question-answering": lambda _: both("classify", "qa_outputs"),
        "fill-mask": _masked,
    },
    prefix="bert.",
    architectures={
        None: "BertModel",
        "text-classification": "BertForSequenceClassification",
        "token-classification": "BertForTokenClassification",
        "question-answering": "BertForQuestionAnswering",
        "fill-mask": "BertForMaskedLM",
    },
    aliases={"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"},
    ignored=("embeddings.position_ids", "cls.predictions.decoder.bias"),
)
