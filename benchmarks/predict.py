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
    """Times both on one data set, and counts equal answers."""
    split = graft.load_dataset(data_folder(name), split="test")
    texts = split.shuffle(0)[:500]["text"]
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), split.label_names)
        ours = graft.pipeline(folder)
        theirs = transformers.pipeline("text-classification", folder)
        found = in_turn(
            {
                "peer": lambda _: theirs(texts, batch_size=batch_size, truncation=True),
                "graft": lambda _: ours(texts),
            },
            repeats,
        )
    pairs = zip(found["peer"][1][0], found["graft"][1][0], strict=True)
    equal = sum(peer["label"] == answer.label for peer, answer in pairs) / len(texts)
    case = f"{name}: {len(texts)} texts, peer's batch size {batch_size}"
    return [
        faster(case, found["peer"][0], found["graft"][0]),
        Row(f"{name}: answers equal to the peer's", 1.0, equal, equal, "share"),
    ]


def save_model(folder: Path, labels: list[str]) -> None:
    """The pretrained body with a fresh head: as fast as a trained one, and harder to agree on."""
    torch.manual_seed(0)
    model = graft.Model.from_pretrained(base_model(), task="text-classification", labels=labels)
    model.save_pretrained(folder)
    graft.Tokenizer.from_pretrained(base_model()).save_pretrained(folder)


if __name__ == "__main__":
    main()
