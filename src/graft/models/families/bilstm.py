"""BiLSTM taggers and classifiers (Huang, Xu and Yu, 2015; Lample et al., 2016).

Its files name the tensors of the network as `torch.nn.LSTM` does, next to an `embedding` and a
`classifier`. There is no class for it in `transformers`.
"""

from typing import Any

from graft.models.config import Classifier, Config
from graft.models.families.family import Family, TensorNames, both, one
from graft.models.families.settings import Settings
from graft.models.recurrent_config import RecurrentConfig
from graft.models.tagging import SCHEMES

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 30_000,
    "embedding_size": 100,
    "hidden_size": 100,
    "num_hidden_layers": 1,
    "word_dropout": 0.0,
    "input_dropout": 0.3,
    "hidden_dropout": 0.3,
    "weight_dropout": 0.0,
    "output_dropout": 0.3,
    "crf": False,
    "label_scheme": None,
    "max_tokens": 10_000,
    "initializer_range": 0.1,
}


def read_config(raw: dict[str, Any]) -> RecurrentConfig:
    """The shape that a `config.json` of a BiLSTM describes; all settings have defaults.

    `hidden_size` is the width of one direction. `crf` lets a conditional random field choose the
    labels of tokens; with a `label_scheme` ("bio", "bioes") it answers with sequences that make
    sense in it only. `max_tokens` is the longest text that is read: the network itself has no
    limit, but training has to keep all of a text's states.

    Raises:
        ModelError: A setting makes no sense.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.only("label_scheme", None, *SCHEMES)
    return RecurrentConfig(
        family="bilstm",
        vocab_size=settings.size("vocab_size"),
        embedding_size=settings.size("embedding_size"),
        hidden_size=2 * settings.size("hidden_size"),
        layers=settings.layers(),
        both_ways=True,
        max_positions=settings.size("max_tokens"),
        positions="none",
        word_dropout=settings.share("word_dropout"),
        embedding_dropout=settings.share("input_dropout"),
        dropout=settings.share("hidden_dropout"),
        weight_dropout=settings.share("weight_dropout"),
        head_dropout=settings.share("output_dropout"),
        crf=settings.flag("crf"),
        scheme=settings.get("label_scheme"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier(pool="last", dense=False),
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
        "embedding_size": config.embedding_size,
        "hidden_size": config.hidden_size // 2,
        "num_hidden_layers": config.layers,
        "word_dropout": config.word_dropout,
        "input_dropout": config.embedding_dropout,
        "hidden_dropout": config.dropout,
        "weight_dropout": config.weight_dropout,
        "output_dropout": config.head_dropout,
        "crf": config.crf,
        "label_scheme": config.scheme,
        "max_tokens": config.max_positions,
        "initializer_range": config.init_std,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {**one("embeddings.tokens.weight", "embedding.weight")}
    for layer in range(config.layers):
        for way, ending in enumerate(("", "_reverse")):
            ours = f"blocks.{layer}.ways.{way}"
            for kind in ("weight", "bias"):
                names |= one(f"{ours}.from_input.{kind}", f"lstm.{kind}_ih_l{layer}{ending}")
                names |= one(f"{ours}.from_state.{kind}", f"lstm.{kind}_hh_l{layer}{ending}")
    return names


def _tagger(_: Config) -> TensorNames:
    return {
        **both("classify", "classifier"),
        **one("crf.transitions", "crf.transitions"),
        **one("crf.start", "crf.start_transitions"),
        **one("crf.end", "crf.end_transitions"),
    }


BILSTM = Family(
    name="bilstm",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-classification": lambda _: both("classify", "classifier"),
        "token-classification": _tagger,
    },
    prefix="",
    architectures={
        None: "BiLSTMModel",
        "text-classification": "BiLSTMForSequenceClassification",
        "token-classification": "BiLSTMForTokenClassification",
    },
)
