"""What a model's `config.json` and its tokenizer's say about the model, as clients ask for it."""

from collections.abc import Mapping
from typing import Any

from graft.server.search.values import dict_of, text_of, texts_of

# Endings of class names in `config.json`: the task that such a model does, and its automatic class.
_KNOWN = {
    "ForSequenceClassification": ("text-classification", "AutoModelForSequenceClassification"),
    "ForTokenClassification": ("token-classification", "AutoModelForTokenClassification"),
    "ForQuestionAnswering": ("question-answering", "AutoModelForQuestionAnswering"),
    "ForMultipleChoice": ("multiple-choice", "AutoModelForMultipleChoice"),
    "ForMaskedLM": ("fill-mask", "AutoModelForMaskedLM"),
    "ForCausalLM": ("text-generation", "AutoModelForCausalLM"),
    "LMHeadModel": ("text-generation", "AutoModelForCausalLM"),
    "ForConditionalGeneration": (None, "AutoModelForSeq2SeqLM"),
    "Model": (None, "AutoModel"),
}
_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "mask_token", "sep_token")
_MAX_TEMPLATE = 20_000


def task_of(config: Mapping[str, Any]) -> str | None:
    """The task that the architecture does, where its name says so."""
    known = _known(config)
    return known[0] if known else None


def brief(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the configuration that clients ask for, with the tokenizer's special tokens."""
    kept = {
        key: config[key] for key in ("architectures", "model_type", "auto_map") if key in config
    }
    quantization = dict_of(config.get("quantization_config"))
    if quantization:
        said = ("quant_method", "bits", "load_in_4bit", "load_in_8bit")
        kept["quantization_config"] = {n: quantization[n] for n in said if n in quantization}
    tokens = {name: token for name in _TOKENS if (token := _token(tokenizer.get(name)))}
    template = text_of(tokenizer.get("chat_template"))
    if template and len(template) <= _MAX_TEMPLATE:
        tokens["chat_template"] = template
    if tokens:
        kept["tokenizer_config"] = tokens
    return kept


def transformers_info(config: Mapping[str, Any], files: Mapping[str, object]) -> dict[str, Any]:
    """With which automatic classes transformers loads the model; empty where it does not."""
    known = _known(config)
    if known is None:
        return {}
    task, auto_model = known
    found: dict[str, Any] = {"auto_model": auto_model}
    if task:
        found["pipeline_tag"] = task
    if any(path in files for path in ("tokenizer.json", "tokenizer_config.json", "vocab.txt")):
        found["processor"] = "AutoTokenizer"
    return found


def _known(config: Mapping[str, Any]) -> tuple[str | None, str] | None:
    for architecture in texts_of(config.get("architectures")):
        for ending, known in _KNOWN.items():
            if architecture.endswith(ending):
                return known
    return None


def _token(value: Any) -> str | None:
    return text_of(value.get("content")) if isinstance(value, dict) else text_of(value)
