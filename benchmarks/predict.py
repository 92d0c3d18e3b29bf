"""Prediction: Graft's pipeline and the `transformers` pipeline on the same trained model.

Both read 500 TREC questions and 500 IMDB reviews (cut to 512 tokens), at the same batch size.
"""

import tempfile
from pathlib import Path

import torch
from common import Row, arguments, base_model, data_folder, faster, in_turn, report

import graft


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--batch-size", type=int, default=32, help="of the peer")
    options = parser.parse_args()
    import transformers

    transformers.logging.set_verbosity_error()
    rows: list[Row] = []
    for name, labels in (("trec", 6), ("imdb", 2)):
        texts = list(graft.load_dataset(data_folder(name), split="test")["text"][:500])
        with tempfile.TemporaryDirectory() as folder:
            _some_model(Path(folder), labels)
            ours = graft.pipeline(folder)
            theirs = transformers.pipeline("text-classification", folder)
            size = options.batch_size
            found = in_turn(
                {
                    "peer": lambda _: theirs(texts, batch_size=size, truncation=True),
                    "graft": lambda _: ours(texts),
                },
                options.repeats,
            )
        rows.append(
            faster(f"{name}: 500 texts, batch size {size}", found["peer"][0], found["graft"][0])
        )
        pairs = list(zip(found["peer"][1][0], found["graft"][1][0], strict=True))
        equal = sum(a["label"] == b.label for a, b in pairs) / len(pairs)
        rows.append(Row(f"{name}: equal answers", 1.0, equal, equal, "share"))
    report("predict", rows, options.json)


def _some_model(folder: Path, labels: int) -> None:
    """The pretrained body with a fresh head: as fast, and as hard to agree on, as a trained one."""
    torch.manual_seed(0)
    names = [f"class {index}" for index in range(labels)]
    model = graft.Model.from_pretrained(base_model(), task="text-classification", labels=names)
    model.save_pretrained(folder)
    graft.Tokenizer.from_pretrained(base_model()).save_pretrained(folder)


if __name__ == "__main__":
    main()
