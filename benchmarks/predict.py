"""Prediction: Graft's pipeline and the `transformers` pipeline on the same model.

Both read 500 TREC questions and 500 IMDB reviews, cut to 512 tokens.
"""

import tempfile
from pathlib import Path

import torch
import transformers

import graft
from common import Row, arguments, base_model, data_folder, faster, in_turn, report


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--batch-size", type=int, default=32, help="the peer's")
    parser.add_argument("--data", nargs="+", default=["trec", "imdb"])
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    rows: list[Row] = []
    for name in options.data:
        rows += compare(name, options.batch_size, options.repeats)
    report("predict", rows, options.json)


def compare(name: str, batch_size: int, repeats: int) -> list[Row]:
    """Times both on one data set, and scores their answers."""
    data = graft.load_dataset(data_folder(name))
    test = data["test"].shuffle(0)[:500]
    texts = test["text"]
    with tempfile.TemporaryDirectory() as folder:
        train_briefly(Path(folder), data)
        ours = graft.pipeline(folder)
        theirs = transformers.pipeline("text-classification", folder)
        found = in_turn(
            {
                "peer": lambda _: theirs(texts, batch_size=batch_size, truncation=True),
                "graft": lambda _: ours(texts),
            },
            repeats,
        )
        precision = "bf16" if ours.dtype == torch.bfloat16 else "fp32"
    truth = [test.label_names[label] for label in test[test.roles.label or "label"]]
    peer = [answer["label"] for answer in found["peer"][1][0]]
    own = [answer.label for answer in found["graft"][1][0]]
    scores = [share_equal(answers, truth) for answers in (peer, own)]
    agreement = share_equal(peer, own)
    case = f"{name}: {len(texts)} texts, batch size {batch_size}, fp32 and {precision}"
    return [
        faster(case, found["peer"][0], found["graft"][0]),
        Row(f"{name}: accuracy", *scores, scores[1] / scores[0], "share"),
        Row(f"{name}: answers equal to the peer's", 1.0, agreement, agreement, "share"),
    ]


def train_briefly(folder: Path, data: graft.DatasetDict) -> None:
    """Trains on a few hundred rows and saves the model: only its answers matter here."""
    few = {"train": data["train"].shuffle(0)[:600], "validation": data["test"][:8]}
    learn = graft.Learner(
        "text-classification", graft.DatasetDict(few), base_model(), max_length=128, progress=False
    )
    learn.fit(2, keep_best=False)
    learn.model.save_pretrained(folder)
    graft.Tokenizer.from_pretrained(base_model()).save_pretrained(folder)


def share_equal(first: list[str], second: list[str]) -> float:
    """The share of places where two lists are equal."""
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


if __name__ == "__main__":
    main()
