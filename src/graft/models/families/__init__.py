"""One file per architecture: its configuration and tensor names, as data."""

from graft.errors import ModelError
from graft.models.families.albert import ALBERT
from graft.models.families.awd_lstm import AWD_LSTM
from graft.models.families.bart import BART
from graft.models.families.bert import BERT
from graft.models.families.bilstm import BILSTM
from graft.models.families.deberta import DEBERTA
from graft.models.families.distilbert import DISTILBERT
from graft.models.families.electra import ELECTRA
from graft.models.families.family import Family
from graft.models.families.gemma import GEMMA, GEMMA2, GEMMA3
from graft.models.families.gpt2 import GPT2
from graft.models.families.llama import LLAMA
from graft.models.families.marian import MARIAN
from graft.models.families.mbart import MBART
from graft.models.families.mistral import MISTRAL
from graft.models.families.modernbert import MODERNBERT
from graft.models.families.mpnet import MPNET
from graft.models.families.pegasus import PEGASUS
from graft.models.families.qwen import QWEN2, QWEN3
from graft.models.families.roberta import CAMEMBERT, ROBERTA, XLM_ROBERTA
from graft.models.families.smollm3 import SMOLLM3
from graft.models.families.t5 import MT5, T5
from graft.models.heads import HEADS

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        ALBERT,
        AWD_LSTM,
        BART,
        BERT,
        BILSTM,
        CAMEMBERT,
        DEBERTA,
        DISTILBERT,
        ELECTRA,
        GEMMA,
        GEMMA2,
        GEMMA3,
        GPT2,
        LLAMA,
        MARIAN,
        MBART,
        MISTRAL,
        MODERNBERT,
        MPNET,
        MT5,
        PEGASUS,
        QWEN2,
        QWEN3,
        ROBERTA,
        SMOLLM3,
        T5,
        XLM_ROBERTA,
    )
}
"""Every architecture Graft has, by the `model_type` of its `config.json`."""


_OWN = frozenset(FAMILIES)


def register_family(family: Family) -> Family:
    """Adds an architecture of your own: models of its `model_type` then load, train and save.

    One of an earlier call may be replaced, as in a notebook whose cell runs again.

    Args:
        family: The architecture.

    Returns:
        The same.

    Raises:
        ModelError: It has no name, one of Graft's own, or a head for what is no task.
    """
    if not family.name or family.name in _OWN:
        raise ModelError(
            f"A family cannot have the name {family.name!r}: give it a model_type of its own."
        )
    unknown = {*family.heads, *family.architectures, *family.encoders} - {None, *HEADS}
    if unknown:
        raise ModelError(
            f"{family.name} has a head for {', '.join(sorted(map(str, unknown)))}; there is "
            f"{', '.join(HEADS)}."
        )
    FAMILIES[family.name] = family
    return family


__all__ = ["FAMILIES", "Family", "register_family"]
