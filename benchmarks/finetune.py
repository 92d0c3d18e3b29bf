"""Fine-tuning: Graft's Learner and the `transformers` Trainer, each by its defaults.

Same pretrained model, rows, batch size, epochs, peak learning rate and maximum length: TREC, and
500 IMDB reviews. Both train on all rows; accuracy is of the test split (of IMDB, 500 rows of it).
"""

import statistics
import tempfile

import numpy as np
import transformers

import graft
from common import Row, arguments, base_model, data_folder, faster, in_turn, report

RATE = 5e-5  # the Trainer's default, as is the batch size


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--data", nargs="+", default=["trec", "imdb"])
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    rows: list[Row] = []
    for name in options.data:
        rows += compare(name, options.batch_size, options.epochs, options.repeats)
    report("finetune", rows, options.json)


def compare(name: str, batch_size: int, epochs: int, repeats: int) -> list[Row]:
    """Trains both in turn on one data set, with a seed for each repeat."""
    data = graft.load_dataset(data_folder(name))
    splits = {"train": data["train"], "test": data["test"]}
    if name == "imdb":
        splits = {split: rows.shuffle(0)[:500] for split, rows in splits.items()}
    found = in_turn(
        {
            "peer": lambda seed: train_peer(splits, batch_size, epochs, seed),
            "graft": lambda seed: train_graft(splits, batch_size, epochs, seed),
        },
        repeats,
    )
    times = {side: [seconds for seconds, _ in results] for side, (_, results) in found.items()}
    scores = {
        side: statistics.mean(accuracy for _, accuracy in results)
        for side, (_, results) in found.items()
    }
    setting = f"batch size {batch_size}, epochs {epochs}"
    return [
        faster(f"{name}: training, {setting}", times["peer"], times["graft"]),
        Row(
            f"{name}: accuracy, mean of {repeats}",
            scores["peer"],
            scores["graft"],
            scores["graft"] / scores["peer"],
            "share",
        ),
    ]


def train_graft(
    splits: dict[str, graft.Dataset], batch_size: int, epochs: int, seed: int
) -> tuple[float, float]:
    """Seconds of training and test accuracy of the Learner."""
    few = splits["test"][:8]  # the peer validates on nothing while it trains, so this is kept small
    data = graft.DatasetDict({**splits, "validation": few})
    learn = graft.Learner(
        "text-classification",
        data,
        base_model(),
        batch_size=batch_size,
        seed=seed,
        progress=False,
    )
    learn.fit(epochs, RATE, keep_best=False)
    return learn.record.fits[-1]["seconds"], learn.evaluate("test")["accuracy"]


def train_peer(
    splits: dict[str, graft.Dataset], batch_size: int, epochs: int, seed: int
) -> tuple[float, float]:
    """Seconds of training and test accuracy of the Trainer."""
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base_model())
    encoded = {split: encode_for_peer(tokenizer, rows) for split, rows in splits.items()}
    labels = splits["train"].label_names
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        base_model(), num_labels=len(labels)
    )
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                folder,
                per_device_train_batch_size=batch_size,
                num_train_epochs=epochs,
                learning_rate=RATE,
                seed=seed,
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                logging_strategy="no",
            ),
            train_dataset=encoded["train"],
            eval_dataset=encoded["test"],
            processing_class=tokenizer,
            compute_metrics=lambda found: {
                "accuracy": float(np.mean(found.predictions.argmax(-1) == found.label_ids))
            },
        )
        result = trainer.train()
        return result.metrics["train_runtime"], trainer.evaluate()["eval_accuracy"]


def encode_for_peer(
    tokenizer: transformers.PreTrainedTokenizerBase, rows: graft.Dataset
) -> list[dict[str, list[int]]]:
    """Rows as the Trainer's collator takes them."""
    texts = tokenizer(rows[rows.roles.text], truncation=True)
    labels = rows[rows.roles.label or "label"]
    return [
        {**{key: values[row] for key, values in texts.items()}, "label": label}
        for row, label in enumerate(labels)
    ]


if __name__ == "__main__":
    main()
