"""GPT-2 (Radford et al., 2019)."""

from typing import Any

from graft.models.config import Classifier, Config, Norm, Vocabulary
from graft.models.families.decoder import read_head_dropout, token_embedding
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "activation_function": "gelu_new",
    "resid_pdrop": 0.1,
    "embd_pdrop": 0.1,
    "attn_pdrop": 0.1,
    "layer_norm_epsilon": 1e-5,
    "initializer_range": 0.02,
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
    "bos_token_id": 50256,
    "eos_token_id": 50256,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of GPT-2 describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    settings.only("add_cross_attention", False)
    settings.heads("n_embd", "n_head")
    width = settings.size("n_embd")
    config = Config(
        family="gpt2",
        vocab_size=settings.size("vocab_size"),
        hidden_size=width,
        layers=settings.layers("n_layer"),
        heads=settings.size("n_head"),
        intermediate_size=settings.size_or_none("n_inner") or 4 * width,
        max_positions=settings.size("n_positions"),
        causal=True,
        embedding_norm=False,
        activation=settings.activation("activation_function"),
        norm=Norm("layer", "before", settings.share("layer_norm_epsilon")),
        final_norm=True,
        attention_scale=None if settings.flag("scale_attn_weights") else 1.0,
        scale_by_depth=settings.flag("scale_attn_by_inverse_layer_idx"),
        dropout=settings.share("resid_pdrop"),
        embedding_dropout=settings.share("embd_pdrop"),
        attention_dropout=settings.share("attn_pdrop"),
        init_std=settings.share("initializer_range"),
        head_dropout=read_head_dropout(settings),
        classifier=Classifier("last", dense=False, bias=False, share=0.0),
        vocabulary=Vocabulary(tied=settings.flag("tie_word_embeddings")),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    activation = activation_name(config.extra, "activation_function", config.activation)
    inner = config.intermediate_size
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "n_positions": config.max_positions,
        "n_embd": config.hidden_size,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": None if inner == 4 * config.hidden_size else inner,
        "activation_function": activation,
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.embedding_dropout,
        "attn_pdrop": config.attention_dropout,
        "layer_norm_epsilon": config.norm.eps,
        "initializer_range": config.init_std,
        "scale_attn_weights": config.attention_scale is None,
        "scale_attn_by_inverse_layer_idx": config.scale_by_depth,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body: its linear layers with the inputs first."""
    names = {
        "embeddings.tokens.weight": token_embedding(config, "wte.weight"),
        **one("embeddings.positions.weight", "wpe.weight"),
        **both("norm", "ln_f"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"h.{layer}"
        names |= both(f"{ours}.attention_norm", f"{theirs}.ln_1")
        names |= both(f"{ours}.feed_forward_norm", f"{theirs}.ln_2")
        names |= _turned(f"{ours}.attention.qkv", f"{theirs}.attn.c_attn")
        names |= _turned(f"{ours}.attention.output", f"{theirs}.attn.c_proj")
        names |= _turned(f"{ours}.feed_forward.up", f"{theirs}.mlp.c_fc")
        names |= _turned(f"{ours}.feed_forward.down", f"{theirs}.mlp.c_proj")
    return names


def _turned(ours: str, theirs: str) -> TensorNames:
    return {
        f"{ours}.weight": Stored((f"{theirs}.weight",), transposed=True),
        **one(f"{ours}.bias", f"{theirs}.bias"),
    }


GPT2 = Family(
    name="gpt2",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-generation": lambda _: one("weight", "lm_head.weight"),
        "text-classification": lambda _: one("classify.weight", "score.weight"),
        "token-classification": lambda _: both("classify", "classifier"),
        "question-answering": lambda _: both("classify", "qa_outputs"),
    },
    prefix="transformer.",
    architectures={
        None: "GPT2Model",
        "text-generation": "GPT2LMHeadModel",
        "text-classification": "GPT2ForSequenceClassification",
        "token-classification": "GPT2ForTokenClassification",
        "question-answering": "GPT2ForQuestionAnswering",
    },
    ignored=(".attn.bias", ".attn.masked_bias"),
)
