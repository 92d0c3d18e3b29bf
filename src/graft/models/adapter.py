"""Models of architectures that Graft does not have, run by `transformers` behind Graft's interface.

This is the one module that imports it, with the extra `graft-nlp[transformers]`. Batches are padded
for it and its answers freed of padding. Code that a repository brings is never run.
"""

import importlib.util
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from logging import getLogger
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from graft.errors import ModelError
from graft.files import atomic_folder
from graft.models.batch import Batch
from graft.models.config import Config
from graft.models.generation.config import GenerationConfig
from graft.models.heads import HEADS
from graft.models.labels import answers, label_order, label_settings, saved_labels, spell
from graft.models.model import Model, Output
from graft.models.model_files import UnknownFamilyError
from graft.models.padding import (
    alone,
    joined,
    logits_of,
    mask_of,
    padded,
    states_of,
    unpadded,
    weights_of,
)
from graft.models.report import LoadReport
from graft.models.saving import remove_others

log = getLogger(__name__)

EXTRA = "transformers"
_CLASSES = {
    None: "AutoModel",
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "question-answering": "AutoModelForQuestionAnswering",
    "fill-mask": "AutoModelForMaskedLM",
    "text-generation": "AutoModelForCausalLM",
    "text2text-generation": "AutoModelForSeq2SeqLM",
}
_UNLIMITED = 1 << 30  # tokens, for models that say no limit


def _has(kind: Any) -> bool:
    """Whether `transformers` has an architecture."""
    from transformers import CONFIG_MAPPING

    return isinstance(kind, str) and kind in CONFIG_MAPPING


class AdaptedBody(nn.Module):
    """A model of `transformers`, head and all.

    Attributes:
        network: The model.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    @property
    def tokens(self) -> nn.Embedding:
        """The token embedding."""
        table: nn.Embedding = self.network.get_input_embeddings()
        return table

    @property
    def embeddings(self) -> "AdaptedBody":
        """What has the token embedding."""
        return self

    @property
    def vocabulary(self) -> Tensor:
        """`[vocabulary, embedding]`, the token embedding."""
        return self.tokens.weight

    @property
    def parts(self) -> list[list[nn.Module]]:
        """All its modules from the input to the output, in groups: what is no block, the blocks one
        by one, the head."""
        base = self.network.base_model
        lists = [list(each) for each in base.modules() if isinstance(each, nn.ModuleList)]
        blocks: list[nn.Module] = max(lists, key=len, default=[])
        head = [] if base is self.network else list(_around(self.network, {base}))
        groups = [list(_around(base, set(blocks))), *([block] for block in blocks), head]
        return [group for group in groups if group]


class AdaptedModel(Model):
    """A model that `transformers` runs: padded, and therefore slower than one of Graft's.

    Args:
        network: The model of `transformers`.
        config: What Graft needs to know of its shape.
        task: The task of its head.
    """

    def __init__(self, network: Any, config: Config, task: str | None) -> None:
        nn.Module.__init__(self)
        self.config, self.task = config, task
        self.attention = "auto"
        self.head = None
        self.report = None
        self.generation = GenerationConfig()
        self.body = AdaptedBody(network)  # type: ignore[assignment]
        self._reads = inspect.signature(network.forward).parameters

    @property
    def network(self) -> Any:
        """The model of `transformers`."""
        return self._modules["body"].network  # type: ignore[union-attr]

    def forward(
        self,
        batch: Batch,
        *,
        hidden: bool = False,
        hidden_states: bool = False,
        attentions: bool = False,
    ) -> Output:
        """See `Model.forward`.

        Raises:
            ModelError: The model gives other states than one for each token.
        """
        if attentions:
            self.network.set_attn_implementation("eager")  # the others keep no weights
        if self._reads_alone and len(batch) > 1:
            asked = {"hidden": hidden, "hidden_states": hidden_states, "attentions": attentions}
            return joined([self(each, **asked) for each in alone(batch)])
        if batch.decoder is None and self.network.config.is_encoder_decoder:
            batch = replace(batch, decoder=batch.shifted(self._start))
        mask = mask_of(batch)
        output = self.network(
            **self._inputs(batch, mask),
            output_hidden_states=hidden or hidden_states,
            output_attentions=attentions,
            return_dict=True,
        )
        pair = batch.decoder is not None
        written = mask_of(batch.decoder) if batch.decoder is not None else mask
        states = output.get("decoder_hidden_states" if pair else "hidden_states")
        last = output.get("last_hidden_state", None if states is None else states[-1])
        weights = output.get("decoder_attentions" if pair else "attentions")
        return Output(
            logits_of(output, written),
            unpadded(last, written) if hidden or self.task is None else None,
            states_of(states, written) if hidden_states else None,
            weights_of(weights, written, written) if attentions else None,
            weights_of(output.cross_attentions, written, mask) if attentions and pair else None,
            states_of(output.encoder_hidden_states, mask) if hidden_states and pair else None,
            weights_of(output.encoder_attentions, mask, mask) if attentions and pair else None,
        )

    def save_pretrained(self, folder: str | Path, *, max_shard_size: int | str = "50GB") -> None:
        """See `Model.save_pretrained`; `transformers` writes the files."""
        if self.task is not None and HEADS[self.task].named:
            said = label_settings(self.labels, self.config.several_labels, self.config.measures)
            self.network.config.id2label = {int(i): name for i, name in said["id2label"].items()}
            self.network.config.label2id = said["label2id"]
            self.network.config.problem_type = said["problem_type"]
        with atomic_folder(Path(folder)) as temporary:
            self.network.save_pretrained(temporary, max_shard_size=max_shard_size)
            written = frozenset(path.name for path in temporary.iterdir())
        remove_others(Path(folder), written)

    def generate(self, *_: Any, **__: Any) -> Any:
        """Refused: `model.network.generate` is there."""
        raise self._refusal("write text", "generate(...)")

    def stream(self, *_: Any, **__: Any) -> Any:
        """Refused, as `generate` is."""
        raise self._refusal("write text", "generate(...)")

    def resize_vocabulary(self, *_: Any, **__: Any) -> None:
        """Refused: `model.network.resize_token_embeddings` is there."""
        raise self._refusal("change their size", "resize_token_embeddings(...)")

    def resize_labels(self, labels: Sequence[str]) -> None:
        """Refused: load the model with other labels."""
        raise ModelError("transformers runs this model: load it with labels=[...] for a new head.")

    def add_pad_token(self, token: int | None = None) -> int:
        """Refused: set it in `model.network.config`."""
        raise self._refusal("change their size", "config.pad_token_id = ...")

    def extend_positions(self, size: int, how: Any = "copy") -> None:
        """Refused: models of `transformers` do not grow in length."""
        raise ModelError("transformers runs this model: its positions cannot be extended.")

    def _refusal(self, what: str, instead: str) -> ModelError:
        return ModelError(
            f"transformers runs this model, and Graft does not {what} of such: use "
            f"model.network.{instead}."
        )

    @property
    def _reads_alone(self) -> bool:
        """Whether texts go in one by one: nothing tells such a classifier where padding begins."""
        return self.task == "text-classification" and self.network.config.pad_token_id is None

    @property
    def _start(self) -> int | None:
        """The token that a decoder begins with."""
        start: int | None = self.network.config.get_text_config().decoder_start_token_id
        return start

    def _inputs(self, batch: Batch, mask: Tensor) -> dict[str, Tensor]:
        pad = self.network.config.get_text_config().pad_token_id or 0
        inputs = {"input_ids": padded(batch.ids, mask, pad), "attention_mask": mask.long()}
        if batch.type_ids is not None and "token_type_ids" in self._reads:
            inputs["token_type_ids"] = padded(batch.type_ids, mask, 0)
        if batch.decoder is not None:
            written = mask_of(batch.decoder)
            inputs["decoder_input_ids"] = padded(batch.decoder.ids, written, pad)
            inputs["decoder_attention_mask"] = written.long()
        return inputs


def adapt(
    source: str,
    unknown: UnknownFamilyError,
    *,
    task: str | None,
    labels: Sequence[str] | None,
    several_labels: bool | None,
    dtype: torch.dtype | str,
    device: torch.device | str,
) -> AdaptedModel:
    """Loads a model that `transformers` has.

    Args:
        source: What the user called it.
        unknown: What Graft says of it.
        task: See `Model.from_pretrained`, as all that follows.

    Raises:
        ModelError: `transformers` is not installed, does not have it either or cannot load it, it
            has no head for the task, or its files lack weights.
    """
    folder, settings = unknown.folder, unknown.settings
    kind = settings.get("model_type")
    if importlib.util.find_spec(EXTRA) is None:
        raise ModelError(
            f"{unknown} transformers may have it, and then runs it here: "
            f"pip install 'graft-nlp[{EXTRA}]'"
        ) from None
    if not _has(kind):
        raise ModelError(f"{unknown} Nor does transformers.") from None
    if unknown.embeds:
        raise ModelError(f"{unknown} transformers does, but makes no vectors of sentences.")
    saved_task = _saved_task(kind, settings.get("architectures") or ())
    task = task or saved_task
    if task not in _CLASSES:
        raise ModelError(f"transformers runs models of type {kind}, and has no head for {task}.")
    named = task is not None and HEADS[task].named
    saved = saved_labels(settings) if named and task == saved_task else ()
    wanted = tuple(labels or saved)
    if named and not wanted:
        raise ModelError(f"A head for {task} needs the names of its labels: labels=[...].")
    if labels and not named:
        raise ModelError(f"{source} has no head for {spell(labels)}: say which, task=...")
    order = label_order(saved, wanted)
    if order is not None and order != sorted(order):
        raise ModelError(f"{source} has its labels in another order: labels={list(saved)}.")
    keeps_head = task == saved_task and (not named or order is not None)
    log.warning("%s is run by transformers: Graft does not have %s. It is slower.", source, kind)
    network, report = _load(folder, task, wanted, keeps_head, dtype)
    said = answers(settings, saved)
    several = said["several_labels"] if several_labels is None else several_labels
    config = _shape(network.config, wanted, several, said["measures"] and wanted == saved != ())
    model = AdaptedModel(network.to(device), config, task)
    model.report = report
    return model.eval()


def _load(
    folder: Path, task: str | None, labels: tuple[str, ...], keeps_head: bool, dtype: Any
) -> tuple[Any, LoadReport]:
    """A network with its saved head, or with its body in a new one."""
    import transformers

    options = {
        "local_files_only": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        "dtype": dtype,
    }
    kind = getattr(transformers, _CLASSES[task])
    names = {"id2label": dict(enumerate(labels))} if labels else {}
    try:
        with _quiet():
            if keeps_head:
                network, found = kind.from_pretrained(folder, **options, **names)
                body = network.base_model
            else:
                body, found = transformers.AutoModel.from_pretrained(folder, **options)
                config = transformers.AutoConfig.from_pretrained(
                    folder, local_files_only=True, trust_remote_code=False, **names
                )
                network = kind.from_config(config, trust_remote_code=False).to(body.dtype)
                network.base_model.load_state_dict(body.state_dict(), strict=False)
    except Exception as error:  # of many classes, none of them its own
        raise ModelError(f"transformers cannot load {folder}: {error}") from error
    missing = set(found["missing_keys"])
    prefix = f"{network.base_model_prefix}." if keeps_head and body is not network else ""
    # Poolers are the tops of bodies, which are saved with some heads alone.
    lacking = [name for name in sorted(missing) if name.startswith(prefix) and "pool" not in name]
    if lacking:
        raise ModelError(
            f"{folder} lacks {len(lacking)} tensors, such as {', '.join(lacking[:3])}."
        )
    everything = dict(network.named_parameters())
    before = {f"{network.base_model_prefix}.{name}" for name, _ in body.named_parameters()}
    loaded = set(everything) - missing if keeps_head else set(everything) & before
    return network, LoadReport(
        tuple(sorted(loaded)),
        tuple(sorted(set(everything) - loaded)),
        tuple(sorted(found["unexpected_keys"])),
        path=folder,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps its warnings and bars off the screen: the report says what they do."""
    from transformers.utils import logging

    theirs: Any = logging
    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


def _saved_task(kind: Any, saved: Sequence[str]) -> str | None:
    """The task of a saved head; None where there is none."""
    import transformers

    config = type(transformers.AutoConfig.for_model(kind))
    for task, name in _CLASSES.items():
        classes = getattr(transformers, name)._model_mapping.get(config, None)
        several = classes if isinstance(classes, tuple | list) else (classes,)
        if any(each is not None and each.__name__ in saved for each in several):
            return task
    return None


def _shape(settings: Any, labels: tuple[str, ...], several: bool, measures: bool) -> Config:
    """What Graft needs to know of a model's shape."""
    text = settings.get_text_config()
    special = {name: getattr(text, name, None) for name in ("pad_token_id", "eos_token_id")}
    return Config(
        family=settings.model_type,
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        layers=text.num_hidden_layers,
        heads=getattr(text, "num_attention_heads", 0),
        intermediate_size=getattr(text, "intermediate_size", 0) or 0,
        max_positions=getattr(text, "max_position_embeddings", None) or _UNLIMITED,
        labels=labels,
        several_labels=several,
        measures=measures,
        special={name: value for name, value in special.items() if value is not None},
    )


def _around(module: nn.Module, apart: set[nn.Module]) -> Iterator[nn.Module]:
    """Modules that have all parameters of one, less those of the parts that are `apart`."""
    own = list(module.parameters(recurse=False))
    if own:
        yield nn.ParameterList(own)
    for child in module.children():
        if child in apart:
            continue
        if apart.isdisjoint(child.modules()):
            yield child
        else:
            yield from _around(child, apart)
