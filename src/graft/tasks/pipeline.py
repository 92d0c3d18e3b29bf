"""A trained model in one line: texts in, named answers out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import torch

from graft.data.dataset import Dataset
from graft.errors import ModelError, TaskError
from graft.hub.client import local_folder
from graft.models.model import Model
from graft.models.precision import Precision, compute_dtype, default_device
from graft.tasks.predict import evaluate, predict_logits
from graft.tasks.task import Evaluation, Task, find_task
from graft.text.tokenizer import Tokenizer


class Pipeline:
    """A tokenizer, a model and a task, ready to answer.

    Args:
        task: What is asked.
        model: What answers.
        tokenizer: What reads.
        precision: The format of matrix products: "fp32", "bf16", or "auto".
        max_length: Rows longer than this many tokens are cut; by default what both can read.

    Raises:
        ModelError: The tokenizer is of another model.
    """

    def __init__(
        self,
        task: Task,
        model: Model,
        tokenizer: Tokenizer,
        precision: Precision = "auto",
        *,
        max_length: int | None = None,
    ) -> None:
        self.task = task
        self.tokenizer = tokenizer
        self.dtype = compute_dtype(precision, model.device)
        self.model = model.to(self.dtype)
        longest = longest_input(tokenizer, model)
        self.max_length = longest if max_length is None else min(longest, max_length)

    @overload
    def __call__(self, inputs: str) -> Any: ...
    @overload
    def __call__(self, inputs: Sequence[Any]) -> list[Any]: ...
    def __call__(self, inputs: str | Sequence[Any]) -> Any:
        """Answers one input, or many, in their order.

        Args:
            inputs: A text, a list of texts, or a list of pairs of texts `(text, text)`.

        Returns:
            What the task answers for each, such as a `Prediction`; for one text, that alone.
        """
        if isinstance(inputs, str):
            return self([inputs])[0]
        if not inputs:
            return []
        data = self.task.encode_inputs(self.tokenizer, inputs, self.max_length)
        return self.task.decode(predict_logits(self.model, data))

    def evaluate(self, dataset: Dataset, *, split: str = "test") -> Evaluation:
        """The figures of the model on a data set.

        Args:
            dataset: Rows with labels that the model answers.
            split: What to call the rows in the result.

        Raises:
            TaskError: The rows have no labels, or others than the model's.
        """
        data = self.task.encode(self.tokenizer, dataset, self.max_length)
        return evaluate(self.task, self.model, data, split=split)

    def __repr__(self) -> str:
        return f"Pipeline({self.task.name!r}, labels={list(self.model.labels)})"


def longest_input(tokenizer: Tokenizer, model: Model) -> int:
    """How many tokens both can take.

    Raises:
        ModelError: The tokenizer has tokens that the model does not know.
    """
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ModelError(
            f"The tokenizer has {tokenizer.vocab_size} tokens, but the model knows "
            f"{model.config.vocab_size}: they do not belong together. Use the model's own."
        )
    limits = (tokenizer.max_length, model.config.max_positions)
    return min(limit for limit in limits if limit is not None)


def pipeline(
    source: str | Path,
    *,
    revision: str | None = None,
    device: str | torch.device | None = None,
    precision: Precision = "auto",
) -> Pipeline:
    """Loads a trained model with its tokenizer; the task comes from the model.

    Args:
        source: A folder, or a repository id on the hub.
        revision: A branch, tag or commit of the repository.
        device: Where to run; by default a GPU where there is one.
        precision: The format of matrix products: "fp32", "bf16", or "auto": bf16 where the
            processor or GPU does it well.

    Raises:
        HubError: `source` is neither a folder nor a repository that can be fetched.
        ModelError: Its files are missing or damaged.
        TaskError: The model was saved without a head, so there is no task to run.
    """
    folder = local_folder(source, revision=revision)
    model = Model.from_pretrained(folder)
    if model.task is None:
        raise TaskError(
            f"{source} was saved without a task's head, so it has no answers to give. "
            "Fine-tune it first: graft.Learner(task, data, base=...)."
        )
    task = find_task(model.task).from_model(model)
    model.to(device or default_device())
    return Pipeline(task, model, Tokenizer.from_pretrained(folder), precision)
