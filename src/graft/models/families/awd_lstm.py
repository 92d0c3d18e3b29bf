"""AWD-LSTM (Merity et al., 2017): the language model of ULMFiT (Howard and Ruder, 2018).

Its files name tensors as fastai does, so that weights trained there are read as they are. There is
no class for it in `transformers`.
"""

from typing import Any

from graft.models.config import Classifier, Config, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import Settings
from graft.models.recurrent_config import RecurrentConfig

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 60_000,
    "embedding_size": 400,
    "hidden_size": 1152,
    "num_hidden_layers": 3,
    "word_dropout": 0.02,
    "input_dropout": 0.25,
    "hidden_dropout": 0.15,
    "weight_dropout": 0.2,
    "output_dropout": 0.1,
    "answer_size": 50,
    "answer_dropout": 0.1,
    "output_bias": True,
    "tie_word_embeddings": True,
    "bidirectional": False,
    "max_tokens": 10_000,
    "initializer_range": 0.05,
}


def read_config(raw: dict[str, Any]) -> RecurrentConfig:
    """The shape that a `config.json` of AWD-LSTM describes; all settings have defaults.

    `embedding_size` is the width of the embeddings and of the last layer, `hidden_size` that of the
    layers before it. `max_tokens` is the longest text that is read: the network itself has no
    limit, but training has to keep all of a text's states.

    Raises:
        ModelError: A setting makes no sense.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.only("bidirectional", False)
    return RecurrentConfig(
        family="awd_lstm",
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("embedding_size"),
        inner_size=settings.size("hidden_size"),
        layers=settings.layers(),
        max_positions=settings.size("max_tokens"),
        causal=True,
        positions="none",
        word_dropout=settings.share("word_dropout"),
        embedding_dropout=settings.share("input_dropout"),
        dropout=settings.share("hidden_dropout"),
        weight_dropout=settings.share("weight_dropout"),
        head_dropout=settings.share("output_dropout"),
        answer_size=settings.size("answer_size"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier(pool="last", share=settings.share("answer_dropout")),
        vocabulary=Vocabulary(
            tied=settings.flag("tie_word_embeddings"), bias=settings.flag("output_bias")
        ),
        special=settings.special(),
        extra=settings.extra(),
    )


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    assert isinstance(config, RecurrentConfig)
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "embedding_size": config.hidden_size,
        "hidden_size": config.inner_size or config.hidden_size,
        "num_hidden_layers": config.layers,
        "word_dropout": config.word_dropout,
        "input_dropout": config.embedding_dropout,
        "hidden_dropout": config.dropout,
        "weight_dropout": config.weight_dropout,
        "output_dropout": config.head_dropout,
        "answer_size": config.answer_size,
        "answer_dropout": config.classifier.share,
        "output_bias": config.vocabulary.bias,
        "tie_word_embeddings": config.vocabulary.tied,
        "max_tokens": config.max_positions,
        "initializer_range": config.init_std,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {**one("embeddings.tokens.weight", "encoder.weight")}
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}.ways.0", f"rnns.{layer}"
        inside = f"{theirs}.module"
        names |= one(f"{ours}.from_input.weight", f"{inside}.weight_ih_l0")
        names |= one(f"{ours}.from_input.bias", f"{inside}.bias_ih_l0")
        names |= one(f"{ours}.from_state.bias", f"{inside}.bias_hh_l0")
        names[f"{ours}.from_state.weight"] = Stored(
            (f"{theirs}.weight_hh_l0_raw",), copies=(f"{inside}.weight_hh_l0",)
        )
    return names


def _classifier(_: Config) -> TensorNames:
    first, second = "1.layers.0", "1.layers.1"
    return {
        **_batch_norm("norm", f"{first}.0"),
        **one("dense.weight", f"{first}.2.weight"),
        **_batch_norm("answer_norm", f"{second}.0"),
        **one("classify.weight", f"{second}.2.weight"),
    }


def _batch_norm(ours: str, theirs: str) -> TensorNames:
    return {
        **both(ours, theirs),
        **one(f"{ours}.mean", f"{theirs}.running_mean"),
        **one(f"{ours}.variance", f"{theirs}.running_var"),
    }


AWD_LSTM = Family(
    name="awd_lstm",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": _classifier,
        "text-generation": lambda _: {
            **one("weight", "1.decoder.weight"),
            **one("bias", "1.decoder.bias"),
        },
    },
    prefix="0.",
    prefixes={"text-classification": "0.module."},
    architectures={
        None: "AWDLSTMModel",
        "text-classification": "AWDLSTMForSequenceClassification",
        "text-generation": "AWDLSTMForCausalLM",
    },
    ignored=(
        "encoder_dp.emb.weight",
        "module.weight_hh_l0",
        "1.decoder.weight",
        "num_batches_tracked",
    ),
)
