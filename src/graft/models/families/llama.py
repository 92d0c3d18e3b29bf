"""Llama (Touvron et al., 2023), and SmolLM, which is of its architecture."""

from typing import Any

from graft.models.config import Classifier, Config, Norm, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.rotations import read_rotary, write_rotary
from graft.models.families.settings import Settings, activation_name, with_extra

_DEFAULTS: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "max_position_embeddings": 2048,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0,
    "attention_bias": False,
    "mlp_bias": False,
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Llama describes.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    settings = Settings(raw, _DEFAULTS)
    heads = settings.size("num_attention_heads")
    key_heads = (
        settings.size("num_key_value_heads") if settings.get("num_key_value_heads") else heads
    )
    head_size = settings.size("head_dim") if settings.get("head_dim") else None
    config = Config(
        family="llama",
        vocab_size=settings.size("vocab_size"),
        hidden_size=settings.size("hidden_size"),
        layers=settings.size("num_hidden_layers"),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        causal=True,
        embedding_norm=False,
        positions="none",
        rotary=read_rotary(settings, head_size or settings.size("hidden_size") // heads),
        activation=settings.activation("hidden_act"),
        gated=True,
        norm=Norm("rms", "before", settings.share("rms_norm_eps")),
        final_norm=True,
        attention_bias=settings.flag("attention_bias"),
        output_bias=settings.flag("attention_bias"),
        feed_forward_bias=settings.flag("mlp_bias"),
        dropout=0.0,
        attention_dropout=settings.share("attention_dropout"),
        init_std=settings.share("initializer_range"),
        classifier=Classifier("last", dense=False, bias=False),
        vocabulary=Vocabulary(tied=settings.flag("tie_word_embeddings")),
    )
    return with_extra(config, settings)


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    assert config.rotary is not None
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        "head_dim": config.width_of_head,
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        "hidden_act": activation_name(config.extra, "hidden_act", config.activation),
        "rms_norm_eps": config.norm.eps,
        "rope_parameters": write_rotary(config.rotary),
        "attention_bias": config.attention_bias,
        "mlp_bias": config.feed_forward_bias,
        "attention_dropout": config.attention_dropout,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        **one("embeddings.tokens.weight", "embed_tokens.weight"),
        **one("norm.weight", "norm.weight"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"layers.{layer}"
        parts = [f"{theirs}.self_attn.{part}_proj" for part in ("q", "k", "v")]
        sizes = (config.query_width, config.key_width, config.key_width)
        names |= both(f"{ours}.attention.qkv", *parts, sizes=sizes)
        names |= both(f"{ours}.attention.output", f"{theirs}.self_attn.o_proj")
        names |= both(f"{ours}.feed_forward.up", f"{theirs}.mlp.gate_proj", f"{theirs}.mlp.up_proj")
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.mlp.down_proj")
        names |= one(f"{ours}.attention_norm.weight", f"{theirs}.input_layernorm.weight")
        names |= one(
            f"{ours}.feed_forward_norm.weight", f"{theirs}.post_attention_layernorm.weight"
        )
    return names


LLAMA = Family(
    name="llama",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={
        "text-generation": lambda _: {"weight": Stored(("lm_head.weight",))},
        "text-classification": lambda _: {"classify.weight": Stored(("score.weight",))},
        "token-classification": lambda _: both("classify", "score"),
    },
    prefix="model.",
    architectures={
        None: "LlamaModel",
        "text-generation": "LlamaForCausalLM",
        "text-classification": "LlamaForSequenceClassification",
        "token-classification": "LlamaForTokenClassification",
    },
    ignored=("rotary_emb.inv_freq",),
)
