"""What Llama and the decoders after it call their settings and tensors alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graft.errors import ModelError
from graft.models.config import Classifier, Config, Norm, Rotary, Vocabulary
from graft.models.families.family import Family, Stored, TensorNames, both, one
from graft.models.families.rotations import read_rotary, rotary_settings
from graft.models.families.settings import Settings, activation_name

DEFAULTS: dict[str, Any] = {
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "attention_dropout": 0.0,
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "attention_bias": False,
    "mlp_bias": False,
}
"""What most of them take for settings that are left out."""

FULL, SLIDING = "full_attention", "sliding_attention"

Windows = tuple[int | None, ...]


def read_decoder(
    settings: Settings, family: str, activation: str = "hidden_act", rotary: Rotary | None = None
) -> Config:
    """The shape that the settings they share describe.

    Args:
        settings: The file.
        family: The name of the family.
        activation: What it calls the activation.
        rotary: The rotations, where the file has others than those of all layers.

    Raises:
        ModelError: A setting makes no sense, or means a model that Graft does not have.
    """
    hidden, heads = settings.size("hidden_size"), settings.size("num_attention_heads")
    key_heads = settings.size_or_none("num_key_value_heads") or heads
    if heads % key_heads:
        raise ModelError(
            f"num_attention_heads {heads} is not a multiple of num_key_value_heads {key_heads}."
        )
    head_size = settings.size_or_none("head_dim")
    if head_size is None:
        settings.heads("hidden_size", "num_attention_heads")
    return Config(
        family=family,
        vocab_size=settings.size("vocab_size"),
        hidden_size=hidden,
        layers=settings.layers(),
        heads=heads,
        key_heads=key_heads,
        head_size=head_size,
        intermediate_size=settings.size("intermediate_size"),
        max_positions=settings.size("max_position_embeddings"),
        causal=True,
        frozen_token=_padding(settings),
        embedding_norm=False,
        positions="none",
        rotary=rotary or read_rotary(settings, head_size or hidden // heads),
        activation=settings.activation(activation),
        gated=True,
        norm=Norm("rms", "before", settings.share("rms_norm_eps")),
        final_norm=True,
        attention_bias=False,
        output_bias=False,
        feed_forward_bias=False,
        dropout=0.0,
        attention_dropout=settings.share("attention_dropout"),
        init_std=settings.share("initializer_range"),
        head_dropout=read_head_dropout(settings),
        classifier=Classifier("last", dense=False, bias=False, share=0.0),
        vocabulary=Vocabulary(tied=settings.flag("tie_word_embeddings")),
    )


def _padding(settings: Settings) -> int | None:
    """The token of padding, which is not learned; ids outside the vocabulary stand for none."""
    token = settings.said("pad_token_id")
    known = isinstance(token, int) and 0 <= token < settings.size("vocab_size")
    return token if known else None


def read_head_dropout(settings: Settings) -> float:
    """What heads of tokens drop; no setting of its own is part of these families' files.

    Raises:
        ModelError: It is no number from 0 to below 1.
    """
    names = ("classifier_dropout", "hidden_dropout")
    name = next((name for name in names if settings.raw.get(name) is not None), None)
    if name is None:
        return 0.1
    share = settings.share(name)
    settings.keep(name)
    return share


def write_decoder(config: Config, activation: str = "hidden_act") -> dict[str, Any]:
    """What they share of a `config.json`."""
    assert config.rotary is not None
    return {
        **config.extra,
        **config.special,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_heads,
        **({} if config.head_size is None else {"head_dim": config.head_size}),
        "intermediate_size": config.intermediate_size,
        "max_position_embeddings": config.max_positions,
        activation: activation_name(config.extra, activation, config.activation),
        "rms_norm_eps": config.norm.eps,
        **rotary_settings(config.rotary),
        "attention_dropout": config.attention_dropout,
        "initializer_range": config.init_std,
        "tie_word_embeddings": config.vocabulary.tied,
    }


def read_windows(settings: Settings, usual: Sequence[str]) -> Windows:
    """How far each layer sees, by `layer_types` and `sliding_window`.

    Args:
        settings: The file.
        usual: The kind of each layer where the file does not say.

    Raises:
        ModelError: A kind is unknown, they are not as many as layers, or a window has no size.
    """
    kinds = settings.get("layer_types") or list(usual)
    layers = settings.layers()
    if not isinstance(kinds, list) or len(kinds) != layers:
        raise ModelError(f"layer_types must name {layers} layers, num_hidden_layers.")
    unknown = [kind for kind in kinds if kind not in (FULL, SLIDING)]
    if unknown:
        raise ModelError(f"layer_types has {unknown[0]!r}; there is {FULL} and {SLIDING}.")
    if SLIDING not in kinds:
        return ()
    if settings.said("sliding_window") is None:
        raise ModelError(f"layer_types has {SLIDING}, but sliding_window does not say how far.")
    seen = settings.size("sliding_window")
    return tuple(seen - 1 if kind == SLIDING else None for kind in kinds)


def read_optional_windows(settings: Settings, usual: Sequence[str]) -> Windows:
    """The same where `use_sliding_window` says whether there are windows at all.

    Raises:
        ModelError: As above, or layers have windows that are not to be used.
    """
    used = settings.flag("use_sliding_window") and settings.said("sliding_window") is not None
    windows = read_windows(settings, usual if used else [FULL] * len(usual))
    if windows and not used:
        raise ModelError(f"layer_types has {SLIDING}, but use_sliding_window is not true.")
    if not windows:
        settings.keep("use_sliding_window", "sliding_window")
    return windows


def write_optional_windows(config: Config) -> dict[str, Any]:
    """The same settings again."""
    return {**write_windows(config), **({"use_sliding_window": True} if config.windows else {})}


def write_windows(config: Config) -> dict[str, Any]:
    """The same settings again. Files count the token that looks, `Config.windows` does not."""
    kinds = [FULL if config.window(layer) is None else SLIDING for layer in range(config.layers)]
    return {"layer_types": kinds, **window_size(config)}


def window_size(config: Config) -> dict[str, Any]:
    """The one size of all windows; nothing where no layer has one."""
    sizes = {window + 1 for window in config.windows if window is not None}
    return {"sliding_window": max(sizes)} if sizes else {}


def decoder_body(config: Config) -> TensorNames:
    """How files keep the body."""
    names = {
        "embeddings.tokens.weight": token_embedding(config, "embed_tokens.weight"),
        **one("norm.weight", "norm.weight"),
    }
    sizes = (config.query_width, config.key_width, config.key_width)
    norms = _NORMS[config.norm.place]
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"layers.{layer}"
        parts = [f"{theirs}.self_attn.{part}_proj" for part in ("q", "k", "v")]
        up = [f"{theirs}.mlp.{part}_proj" for part in ("gate", "up")]
        names |= both(f"{ours}.attention.qkv", *parts, sizes=sizes)
        names |= both(f"{ours}.attention.output", f"{theirs}.self_attn.o_proj")
        names |= both(f"{ours}.feed_forward.up", *up)
        names |= both(f"{ours}.feed_forward.down", f"{theirs}.mlp.down_proj")
        for norm, name in norms.items():
            names |= one(f"{ours}.{norm}.weight", f"{theirs}.{name}.weight")
    return names


def token_embedding(config: Config, name: str) -> Stored:
    """The token embedding; some files keep it as the head's weight, where the two are tied."""
    return Stored((name,), copies=("lm_head.weight",) if config.vocabulary.tied else ())


_HEAD_NORMS = {"attention.query_norm": "self_attn.q_norm", "attention.key_norm": "self_attn.k_norm"}
_NORMS: dict[str, dict[str, str]] = {
    "before": {
        **_HEAD_NORMS,
        "attention_norm": "input_layernorm",
        "feed_forward_norm": "post_attention_layernorm",
    },
    "around": {
        **_HEAD_NORMS,
        "attention_norm": "input_layernorm",
        "attention_end_norm": "post_attention_layernorm",
        "feed_forward_norm": "pre_feedforward_layernorm",
        "feed_forward_end_norm": "post_feedforward_layernorm",
    },
}

_HEADS: dict[str, TensorNames] = {
    "text-generation": one("weight", "lm_head.weight"),
    "text-classification": one("classify.weight", "score.weight"),
    "token-classification": both("classify", "score"),
    "question-answering": both("classify", "qa_outputs"),
}

CLASSES: dict[str | None, str] = {
    None: "Model",
    "text-generation": "ForCausalLM",
    "text-classification": "ForSequenceClassification",
    "token-classification": "ForTokenClassification",
    "question-answering": "ForQuestionAnswering",
}
"""How the ecosystem's classes are called, behind the name of the family, by task."""


def decoder_family(
    name: str,
    read_config: Callable[[dict[str, Any]], Config],
    write_config: Callable[[Config], dict[str, Any]],
    architectures: Mapping[str | None, str],
    prefixes: Mapping[str | None, str] | None = None,
) -> Family:
    """A family whose files name tensors as Llama's do."""

    def head(stored: TensorNames) -> Callable[[Config], TensorNames]:
        return lambda _: stored

    return Family(
        name=name,
        read_config=read_config,
        write_config=write_config,
        body=decoder_body,
        heads={task: head(stored) for task, stored in _HEADS.items() if task in architectures},
        prefix="model.",
        prefixes=prefixes or {},
        architectures=architectures,
        ignored=("rotary_emb.inv_freq",),
    )


def classes(name: str, *without: str) -> dict[str | None, str]:
    """The classes of a family, less those of tasks that it has none for."""
    return {task: name + suffix for task, suffix in CLASSES.items() if task not in without}
