"""The Learner: a task, a data set and a pretrained model, trained in a few lines."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor

from graft.data.dataset_dict import DatasetDict
from graft.data.load import load_dataset
from graft.data.loader import BatchLoader
from graft.data.tokens.batches import EncodedDataset
from graft.display import show
from graft.errors import TaskError
from graft.models.model import Model
from graft.models.precision import Precision, compute_dtype, default_device
from graft.tasks.pipeline import Pipeline, longest_input
from graft.tasks.predict import evaluate, predict_logits
from graft.tasks.task import Evaluation, Loss, Metric, Task, find_task
from graft.text.tokenizer import Tokenizer
from graft.train import share
from graft.train.callbacks import Callback
from graft.train.checkpoints import KeepBest
from graft.train.loop import Fit
from graft.train.lr_find import LearningRates, RangeTest
from graft.train.optim import Rate, adamw, layer_groups, layer_rates
from graft.train.progress import ShowProgress
from graft.train.record import Recorder, Settings, TrainingRecord, shown_rate
from graft.train.schedule import Schedule, constant, find_schedule
from graft.train.show import show_batch, show_results, show_top_losses
from graft.train.validation import with_validation
from graft.train.weights import ClassWeights, label_weights


class Learner:
    """Trains a model for a task on a data set, and shows how good it is.

    Args:
        task: The task's name, such as "text-classification", or a `Task` of your own.
        data: A data set, or what `load_dataset` takes. Without a validation split, one tenth of the
            training split is held out, the same rows for the same seed.
        base: The pretrained model: a folder or a repository id. Needed unless `model` and
            `tokenizer` are given.
        model: A model of your own, with a head for the task.
        tokenizer: A tokenizer of your own.
        loss: From logits and targets to the loss of each row, in place of the task's.
        metrics: More figures, by name, next to the task's own.
        callbacks: Called at every event of every fit, after the built-in ones.
        batch_size: Rows in a batch, on average: batches are cut by tokens, so that each has about
            as many as `batch_size` rows of average length.
        max_length: Rows longer than this many tokens are cut; by default what the model can read.
        subset: Train on this share of the training rows, drawn in proportion to the labels.
        class_weights: "balanced", or the weight of each label by its name: see `label_weights`.
        precision: The format of matrix products: "fp32", "bf16", or "auto": bf16 where the
            processor or GPU does it well. Weights, their updates and sums stay float32.
        device: Where to train; by default a GPU where there is one.
        seed: Decides the new head, the order of rows, dropout and the held-out rows.
        revision: A branch, tag or commit of `base`.
        progress: Whether to show a live bar and a line for each epoch, on standard error.

    Attributes:
        data: The data set, with a split named "validation".
        loss_of: From logits and targets to the loss of each row, weights of classes included.
        settings: What of the arguments goes into the record.
        record: The settings of all fits and the figures of all epochs.
        evaluations: The last figures of each split.

    Raises:
        GraftError: The data does not fit the task, or the model cannot be loaded.
    """

    def __init__(
        self,
        task: str | Task,
        data: DatasetDict | str | Path | Mapping[str, Any],
        base: str | Path | None = None,
        *,
        model: Model | None = None,
        tokenizer: Tokenizer | None = None,
        loss: Loss | None = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        batch_size: int = 16,
        max_length: int | None = None,
        subset: float | None = None,
        class_weights: ClassWeights = None,
        precision: Precision = "auto",
        device: str | torch.device | None = None,
        seed: int = 0,
        revision: str | None = None,
        progress: bool = True,
    ) -> None:
        if base is None and (model is None or tokenizer is None):
            raise TaskError("A Learner needs base=..., or both model=... and tokenizer=...")
        if batch_size < 1:
            raise TaskError(f"batch_size is {batch_size}; it must be 1 or more.")
        torch.manual_seed(seed)
        data = data if isinstance(data, DatasetDict) else load_dataset(data)
        self.task = find_task(task).from_data(data) if isinstance(task, str) else task
        self.data = with_validation(data, seed, subset)
        self.base = base
        self.seed = seed
        self.batch_size = batch_size
        self.progress = progress
        self.callbacks = list(callbacks)
        self.metrics = dict(metrics or {})
        self.tokenizer = tokenizer or Tokenizer.from_pretrained(str(base), revision=revision)
        model = model or self.task.load_model(str(base), revision)
        self.model = model.to(device or default_device())
        self.dtype = compute_dtype(precision, self.model.device)
        self.max_length = self._max_length(max_length)
        self._encoded: dict[str, EncodedDataset] = {}
        weights = self._class_weights(class_weights)
        self.loss_of: Loss = loss or partial(self.task.loss, weights=weights)
        self._trainable_groups = len(layer_groups(self.model))
        self.evaluations: dict[str, Evaluation] = {}
        self.settings: Settings = {
            "batch size": batch_size,
            "maximum length": self.max_length,
            "precision": "bf16" if self.dtype == torch.bfloat16 else "fp32",
            "seed": seed,
            "class weights": "none" if weights is None else str(class_weights),
            "training rows": len(self.data["train"]),
        }
        self.record = TrainingRecord(dict(self.settings))

    def encoded(self, split: str) -> EncodedDataset:
        """The tokens and targets of a split; made once.

        Raises:
            TaskError: There is no such split, or it lacks labels.
        """
        if split not in self._encoded:
            if split not in self.data:
                raise TaskError(f"There is no split {split!r}; there is {', '.join(self.data)}.")
            self._encoded[split] = self.task.encode(
                self.tokenizer, self.data[split], self.max_length
            )
        return self._encoded[split]

    def batches(self) -> BatchLoader:
        """The batches of the training split, as training sees them in each epoch."""
        return BatchLoader(self.encoded("train"), batch_size=self.batch_size, seed=self.seed)

    def fit(
        self,
        epochs: int,
        rate: Rate = 1e-4,
        *,
        schedule: str | Schedule = "linear",
        weight_decay: float = 0.01,
        clip: float = 1.0,
        accumulate: int = 1,
        keep_best: bool = True,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Trains.

        Args:
            epochs: Passes over the training split.
            rate: The peak learning rate, or `slice(lowest, highest)` from the first layer to the
                head.
            schedule: "linear", "one-cycle", "constant", or a function from the share of steps done
                to a factor of the rate.
            weight_decay: Of the matrices; biases, norms and embeddings are not decayed.
            clip: The largest norm of the gradient; 0 for no limit.
            accumulate: Batches whose gradients are summed before each update.
            keep_best: Whether to end with the weights of the epoch that did best on the validation
                split.
            callbacks: Called at every event of this fit, after the Learner's.

        Raises:
            TaskError: An argument is out of range, or training diverges.
        """
        if epochs < 1 or accumulate < 1:
            raise TaskError(f"epochs ({epochs}) and accumulate ({accumulate}) must be 1 or more.")
        if clip < 0 or weight_decay < 0:
            raise TaskError(f"clip ({clip}) and weight_decay ({weight_decay}) must be 0 or more.")
        named = schedule if isinstance(schedule, str) else getattr(schedule, "__name__", "custom")
        settings = {
            "epochs": epochs,
            "learning rate": shown_rate(rate),
            "schedule": named,
            "weight decay": weight_decay,
            "gradient clipping": clip,
            "accumulated batches": accumulate,
            "keep best": keep_best,
        }
        best = KeepBest(self.task.metric) if keep_best else None
        built_in: list[Callback] = [Recorder(self.record, settings, best)]
        if best is not None:
            built_in.append(best)
        if self.progress:
            built_in.append(ShowProgress())
        fit = self._new_fit(
            epochs,
            rate,
            find_schedule(schedule),
            callbacks=[*built_in, *self.callbacks, *callbacks],
            weight_decay=weight_decay,
            clip=clip,
            accumulate=accumulate,
        )
        self._rehearse()
        self.evaluations.clear()
        try:
            fit.run()
        finally:
            if fit.evaluation is not None:
                self.evaluations[fit.evaluation.split] = fit.evaluation

    def fit_one_cycle(self, epochs: int, rate: Rate = 1e-4, **settings: Any) -> None:
        """`fit` with a rate that rises and falls along two half cosines (Smith, 2018)."""
        self.fit(epochs, rate, schedule="one-cycle", **settings)

    def fine_tune(
        self, epochs: int, rate: float = 1e-4, *, frozen_epochs: int = 1, **settings: Any
    ) -> None:
        """Trains the new head alone, then all layers, the first ones more slowly.

        Args:
            epochs: Passes with all layers (Howard and Ruder, 2018).
            rate: The head's peak rate in the second part.
            frozen_epochs: Passes with the head alone, at ten times the rate.
            settings: Passed on to `fit`.
        """
        self.freeze()
        self.fit_one_cycle(frozen_epochs, rate * 10, **settings)
        self.unfreeze()
        self.fit_one_cycle(epochs, slice(rate / 10, rate), **settings)

    def freeze(self) -> None:
        """Leaves only the head to be trained."""
        self.freeze_to(1)

    def unfreeze(self) -> None:
        """Lets all layers be trained."""
        self.freeze_to(len(layer_groups(self.model)))

    def freeze_to(self, groups: int) -> None:
        """Leaves only the last groups of layers to be trained: the head, then block by block.

        Args:
            groups: How many groups: 1 is the head, 2 the head and the last block, and so on.
        """
        every = layer_groups(self.model)
        if not 1 <= groups <= len(every):
            raise TaskError(f"groups is {groups}; this model has 1 to {len(every)} of them.")
        self._trainable_groups = groups
        for index, modules in enumerate(every):
            for module in modules:
                module.requires_grad_(index >= len(every) - groups)

    def lr_find(
        self, lowest: float = 1e-6, highest: float = 1e-1, steps: int = 100
    ) -> LearningRates:
        """Tries rising learning rates, and puts the weights back (Smith, 2017).

        Returns:
            The rates, the losses and a suggestion; shown as a small chart, too.

        Raises:
            TaskError: The rates do not rise, there are fewer than 2 steps, or the loss is never
                finite.
        """
        kept = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
        test = RangeTest(lowest, highest, steps)
        epochs = -(-steps * self.batch_size // len(self.encoded("train"))) + 1
        fit = self._new_fit(epochs, highest, constant(), callbacks=[test], validate=False)
        try:
            fit.run()
        except TaskError:
            if not test.rates:
                raise
            # The gradient exploded before the loss did: that, too, is the end of the test.
        finally:
            self.model.load_state_dict(kept)
        found = test.result()
        show(found)
        return found

    def evaluate(self, split: str = "validation") -> Evaluation:
        """The figures of the model, as it is now, on a split."""
        self.evaluations[split] = self._evaluate(self.encoded(split), split)
        return self.evaluations[split]

    @overload
    def predict(self, inputs: str) -> Any: ...
    @overload
    def predict(self, inputs: Sequence[Any]) -> list[Any]: ...
    def predict(self, inputs: str | Sequence[Any]) -> Any:
        """What the model answers for one text, or for texts or pairs of texts, in their order."""
        if isinstance(inputs, str):
            return self.predict([inputs])[0]
        data = self.task.encode_inputs(self.tokenizer, inputs, self.max_length)
        return self.task.decode(predict_logits(self.model, data, dtype=self.dtype))

    def pipeline(self) -> Pipeline:
        """A copy of the trained model, as others will use it."""
        precision: Precision = "bf16" if self.dtype == torch.bfloat16 else "fp32"
        model = deepcopy(self.model)
        return Pipeline(self.task, model, self.tokenizer, precision, max_length=self.max_length)

    def show_batch(self, rows: int = 6) -> None:
        """Shows rows of the training split as the model reads them."""
        show_batch(self, rows)

    def show_results(self, split: str = "validation", rows: int = 10) -> None:
        """Shows texts, their labels and the model's answers, drawn at random."""
        show_results(self, split, rows)

    def top_losses(self, split: str = "validation", rows: int = 10) -> None:
        """Shows the rows the model is most wrong about: errors of the model, or of the labels."""
        show_top_losses(self, split, rows)

    def save(self, folder: str | Path) -> None:
        """Writes model, tokenizer, card and training record; nothing is written if a part fails."""
        share.save(self, Path(folder))

    def load(self, folder: str | Path) -> None:
        """Takes the weights that `save` wrote, and the record of their training.

        Raises:
            ModelError: They are of another architecture or of other labels, or a file is damaged.
        """
        share.load(self, Path(folder))

    def push_to_hub(self, repo_id: str, *, private: bool = False, **card: Any) -> str:
        """Puts model, tokenizer and card on the hub, in one commit.

        Args:
            repo_id: `owner/name`; made if it is not there.
            private: Whether a new repository is private.
            card: What only you can say: `license`, `intended_use`, `limits`, `biases`, `examples`
                for the page's widget, and other fields of `graft.hub.card.ModelCard`. No text of
                the data set goes into the card by itself.

        Returns:
            The address of the repository's page.
        """
        return share.push(self, repo_id, private=private, card=card)

    def _new_fit(
        self,
        epochs: int,
        rate: Rate,
        schedule: Schedule,
        *,
        callbacks: Sequence[Callback],
        weight_decay: float = 0.01,
        clip: float = 1.0,
        accumulate: int = 1,
        validate: bool = True,
    ) -> Fit:
        groups = layer_groups(self.model)[-self._trainable_groups :]
        return Fit(
            model=self.model,
            batches=self.batches(),
            optimizer=adamw(groups, layer_rates(rate, len(groups)), weight_decay=weight_decay),
            schedule=schedule,
            loss_of=self.loss_of,
            validate=(lambda: self.evaluate("validation")) if validate else None,
            epochs=epochs,
            callbacks=callbacks,
            clip=clip,
            accumulate=accumulate,
            dtype=self.dtype,
        )

    def _rehearse(self) -> None:
        """Validates once on a few rows, so that what would fail after an epoch fails at once."""
        few = self.encoded("validation").first(2)
        if few.targets is not None:
            self._evaluate(few, "validation")

    def _evaluate(self, data: EncodedDataset, split: str) -> Evaluation:
        return evaluate(
            self.task,
            self.model,
            data,
            split=split,
            loss=self.loss_of,
            metrics=self.metrics,
            dtype=self.dtype,
        )

    def _max_length(self, wanted: int | None) -> int:
        limit = longest_input(self.tokenizer, self.model)
        if wanted is not None and not 3 <= wanted <= limit:
            raise TaskError(f"max_length is {wanted}; this model reads 3 to {limit} tokens.")
        return wanted or limit

    def _class_weights(self, wanted: ClassWeights) -> Tensor | None:
        if wanted is None:
            return None
        return label_weights(wanted, self.task.labels, self.data["train"]).to(self.model.device)
