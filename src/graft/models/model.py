"""The model: a pretrained body with a task's head, loaded, saved and shared by name."""

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from graft.errors import ModelError
from graft.files import atomic_folder
from graft.hub.client import push_folder
from graft.models.batch import Batch
from graft.models.checkpoint import Checkpoint
from graft.models.config import Config
from graft.models.context import Context, Record
from graft.models.families import FAMILIES, Family
from graft.models.families.family import TensorNames
from graft.models.generation.config import FILE as GENERATION
from graft.models.generation.config import GenerationConfig, read_generation_config
from graft.models.generation.generate import TASKS, generate, stream
from graft.models.generation.results import Generated
from graft.models.generation.rules import AllowedTokens
from graft.models.generation.stopping import Decode
from graft.models.heads import HEADS, SequenceHead
from graft.models.labels import check_labels, label_settings, spell
from graft.models.loading import Loader, as_device, as_dtype, without_weights
from graft.models.model_files import SENTENCE, UnknownFamilyError, find_files
from graft.models.parts import DrawsItself, build_body, build_head
from graft.models.report import LoadReport
from graft.models.resizing import Resizable
from graft.models.saving import remove_others, save_tensors
from graft.models.sentence_files import projection_names, write_sentence
from graft.models.sentences import SentenceHead
from graft.models.summary import ModelSummary, summarize
from graft.models.transformer import Transformer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Output:
    """What a model answers.

    Attributes:
        logits: `[sequences, labels]` for heads that answer once a sequence, `[tokens, labels]` for
            those that answer for each token; None without a head.
        hidden: `[tokens, hidden]`, the last hidden states, where there is no head, one for
            sentences, or they were asked for. A sequence head reads first tokens alone, so that
            the others' are not made.
        hidden_states: `[tokens, hidden]` each, where asked for: the embeddings, then what each
            block gives; the last is normalised.
        attentions: Where asked for: for each layer, for each sequence, the attention weights,
            `[heads, queries, keys]`.
        cross_attentions: The same of a decoder's attention to the encoder.
        encoder_hidden_states: Where asked for: those of the encoder. All else is the decoder's.
        encoder_attentions: The same of its attention.
        embeddings: `[sequences, width]`, one vector a sequence, of a head for sentences.
    """

    logits: Tensor | None = None
    hidden: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[tuple[Tensor, ...], ...] | None = None
    cross_attentions: tuple[tuple[Tensor, ...], ...] | None = None
    encoder_hidden_states: tuple[Tensor, ...] | None = None
    encoder_attentions: tuple[tuple[Tensor, ...], ...] | None = None
    embeddings: Tensor | None = None


class Model(Resizable):
    """A network on packed batches, with a head where a task is given.

    Args:
        config: The shape of the body and the labels of the head.
        task: The task whose head to add; None for the body alone.

    Attributes:
        attention: The implementation of attention, a name in `graft.models.attention.ATTENTION`;
            "auto" chooses.
        generation: The options of `generate` that are not given there.
    """

    def __init__(self, config: Config, task: str | None = None) -> None:
        super().__init__()
        if task is not None and task not in HEADS:
            raise ModelError(f"There is no head for task {task!r}; there is {', '.join(HEADS)}.")
        if task is not None and HEADS[task].named:
            check_labels(config.labels, task)
        self.config = config
        self.task = task
        self.attention = "auto"
        self.body = build_body(config)
        self.head = None if task is None else build_head(config, task)
        self.report: LoadReport | None = None
        self.generation = GenerationConfig.from_settings(config.special)
        self.apply(self._initialize)

    def forward(
        self,
        batch: Batch,
        *,
        hidden: bool = False,
        hidden_states: bool = False,
        attentions: bool = False,
    ) -> Output:
        """Runs the model.

        Args:
            batch: The sequences. Where an encoder-decoder model is given nothing for its decoder,
                that reads them too, shifted to the right.
            hidden: Whether to give the last hidden states of all tokens, next to the logits.
            hidden_states: Whether to give those of every layer.
            attentions: Whether to give the attention weights of every layer; slow.

        Returns:
            Logits where there is a head; hidden states where there is none, or they are asked for.
        """
        if self.config.decoder is not None and batch.decoder is None:
            start = self.config.special.get("decoder_start_token_id")
            batch = replace(batch, decoder=batch.shifted(start))
        record = Record.asked(hidden_states, attentions)
        context = Context(batch, record=record, attention=self.attention)
        asked = hidden or hidden_states or attentions
        if isinstance(self.head, SequenceHead) and not asked and self._firsts_are_enough:
            assert isinstance(self.body, Transformer)
            return Output(self.head.of_pooled(self.body.firsts(context)))
        states = self.body(context)
        pair = None if self.config.decoder is None else record.encoder
        answered = batch.decoder if pair and batch.decoder else batch
        answer = None if self.head is None else self.head(states, answered, self.body.vocabulary)
        embeds = isinstance(self.head, SentenceHead)
        return Output(
            None if embeds else answer,
            states if hidden or self.head is None or embeds else None,
            _frozen(record.hidden_states),
            _frozen(record.attentions),
            _frozen(record.cross_attentions) if pair else None,
            _frozen(pair.hidden_states) if pair else None,
            _frozen(pair.attentions) if pair else None,
            answer if embeds else None,
        )

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        stop: Sequence[str] = (),
        decode: Decode | None = None,
        allowed_tokens: AllowedTokens | None = None,
        **options: Any,
    ) -> list[Generated]:
        """Writes what follows prompts, or, with an encoder, what answers them.

        Args:
            prompts: The token ids of each; they may have any lengths.
            stop: Strings that end a text; the one that did is part of it.
            decode: From token ids to text; needed where there are stop strings.
            allowed_tokens: From the number of a prompt and all tokens so far (the prompt's first)
                to those that may come next.
            options: See `graft.models.generation.GenerationConfig`; for what is left out, the
                model's own `generation`.

        Returns:
            `num_return_sequences` texts for each prompt, in the order of the prompts.

        Raises:
            ModelError: The model does not write, an option makes no sense, or a prompt is empty, is
                too long, or has a token that the model does not have.
        """
        config = self.generation.with_options(options)
        return generate(
            self, prompts, config, stop=stop, decode=decode, allowed_tokens=allowed_tokens
        )

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        stop: Sequence[str] = (),
        decode: Decode | None = None,
        allowed_tokens: AllowedTokens | None = None,
        **options: Any,
    ) -> Iterator[dict[int, int]]:
        """The same as `generate`, token by token.

        Returns:
            For each step, the new token of each text that goes on, by the text's number.

        Raises:
            ModelError: As there, and for a beam search, whose text is known only at its end.
        """
        config = self.generation.with_options(options)
        return stream(
            self, prompts, config, stop=stop, decode=decode, allowed_tokens=allowed_tokens
        )

    @property
    def _firsts_are_enough(self) -> bool:
        pool = self.config.classifier.pool
        return pool == "first" and not self.config.causal and self.config.decoder is None

    def make_head(self) -> nn.Module:
        """A new head for its task, on the CPU, as `self.head` was at first."""
        assert self.task is not None
        return build_head(self.config, self.task).apply(self._initialize)

    def summary(self) -> ModelSummary:
        """Its layers, with what they give, their weights and what training changes.

        It shows itself in terminals and notebooks. The model reads a few tokens once.
        """
        return summarize(self)

    @property
    def dtype(self) -> torch.dtype:
        """The format of the weights' numbers."""
        return next(self.parameters()).dtype

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the head's labels, in the order of the logits."""
        return self.config.labels

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path,
        *,
        task: str | None = None,
        labels: Sequence[str] | None = None,
        several_labels: bool | None = None,
        revision: str | None = None,
        dtype: torch.dtype | str = "float32",
        device: torch.device | str = "cpu",
    ) -> Self:
        """Loads the model of a folder or of a repository on the hub.

        Args:
            source: A folder, or a repository id; or the file of a model of llama2.c.
            task: The task to give it a head for; by default the one it was saved with.
            labels: The labels of that head; by default the ones it was saved with. Where they are
                others than the checkpoint's, the body is kept and a new head is made.
            several_labels: Whether a text may carry several labels; by default as it was saved.
            revision: A branch, tag or commit of the repository.
            dtype: The format of the weights' numbers; "auto" for the one they are kept in.
            device: Where the weights go; each goes there straight from the file.

        Raises:
            HubError: `source` is neither a folder nor a repository that can be fetched.
            ModelError: Its files are missing, damaged, or of an architecture Graft does not have.
        """
        try:
            files = find_files(source, revision)
        except UnknownFamilyError as error:
            from graft.models.adapter import adapt  # it builds on this module

            return adapt(  # type: ignore[return-value]
                str(source),
                error,
                task=task,
                labels=labels,
                several_labels=several_labels,
                dtype=dtype,
                device=device,
            )
        task = task or files.task
        if labels and (task is None or task == SENTENCE):
            raise ModelError(f"{source} has no head for {spell(labels)}: say which, task=...")
        with without_weights():
            model = cls(files.config(task, labels, several_labels), task)
        checkpoint = Checkpoint(files.weights(task), files.family)
        names = {**model._names(files.family), **projection_names(model.config)}
        loader = Loader(model, names, files, checkpoint)
        model.report = loader.load(as_dtype(dtype, checkpoint), as_device(device))
        if task in TASKS:
            model.generation = read_generation_config(files.path.parent, files.settings)
        return model.eval()

    def save_pretrained(self, folder: str | Path, *, max_shard_size: int | str = "50GB") -> None:
        """Writes `config.json` and `model.safetensors`, as `transformers` loads them.

        Args:
            folder: Made where it is not there. Safetensors of an earlier save are replaced.
            max_shard_size: Bytes of a file, or a size such as "5GB"; weights above it are written
                in several files, with an index.

        Raises:
            ModelError: `max_shard_size` is no size.
            OSError: A file cannot be written, as on a full disk.
        """
        family = FAMILIES[self.config.family]
        with atomic_folder(Path(folder)) as temporary:
            path = temporary / "config.json"
            path.write_text(
                json.dumps(self._raw_config(family), indent=2, ensure_ascii=False) + "\n",
                encoding="utf-8",
            )
            if self.task in TASKS:
                self._save_generation(temporary / GENERATION)
            save_tensors(self.state_dict(), self._names(family), temporary, max_shard_size)
            if self.task == SENTENCE:
                write_sentence(temporary, self.config, self.state_dict())
            written = frozenset(path.name for path in temporary.iterdir())
        remove_others(Path(folder), written)

    def push_to_hub(self, repo_id: str, *, private: bool = False, message: str = "") -> str:
        """Uploads `config.json` and `model.safetensors` in one commit.

        Args:
            repo_id: `owner/name`; made if it is not there.
            private: Whether a new repository is private.
            message: Of the commit.

        Returns:
            The address of the repository's page.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(
                folder, repo_id, private=private, message=message or "Upload a model"
            )

    def _save_generation(self, path: Path) -> None:
        settings = json.dumps(self.generation.settings(), indent=2, ensure_ascii=False)
        path.write_text(settings + "\n", encoding="utf-8")

    def _raw_config(self, family: Family) -> dict[str, Any]:
        raw = {
            **family.write_config(self.config),
            "model_type": family.name,
            "architectures": [family.architecture(self._kept_as, self.config)],
            "dtype": str(self.dtype).removeprefix("torch."),
        }
        if self.task is None or not HEADS[self.task].named:
            return raw
        answers = label_settings(self.labels, self.config.several_labels, self.config.measures)
        return {**raw, **answers}

    @property
    def _kept_as(self) -> str | None:
        """The task of the head that is kept with the body."""
        return None if self.task is None or HEADS[self.task].apart else self.task

    def _names(self, family: Family) -> TensorNames:
        """Our tensor names to the family's, as they are saved."""
        prefix = family.prefix_of(self._kept_as)
        names = {
            f"body.{ours}": replace(stored, names=tuple(prefix + name for name in stored.names))
            for ours, stored in family.body(self.config).items()
        }
        if self._kept_as is None:
            return names
        head = family.heads[self._kept_as](self.config)
        return names | {f"head.{ours}": stored for ours, stored in head.items()}

    def _initialize(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding) and not module.weight.is_meta:
            nn.init.normal_(module.weight, std=self.config.init_std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, DrawsItself):
            module.initialize(self.config.init_std)


def _frozen(record: Any) -> Any:
    """A record that was asked for, as tuples."""
    if record is None:
        return None
    return tuple(tuple(entry) if isinstance(entry, list) else entry for entry in record)
