"""Models and data sets small enough to be made, trained and thrown away by a test."""

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from graft.models.config import Config
from graft.models.model import Model

TOPICS = {
    "food": ["bread", "soup", "apple", "cheese", "rice", "salt", "butter", "lemon"],
    "sport": ["ball", "goal", "team", "race", "match", "swim", "run", "score"],
    "weather": ["rain", "sun", "wind", "snow", "storm", "cloud", "fog", "frost"],
}
FILLERS = ["the", "a", "in", "on", "very", "my", "we", "saw", "had", "some"]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
VOCABULARY = (
    *SPECIAL,
    *(word for words in TOPICS.values() for word in words),
    *FILLERS,
    *(letter for letter in LETTERS if letter not in FILLERS),
    *(f"##{letter}" for letter in LETTERS),
    *".,?!",
)

CONFIG = Config(
    family="bert",
    vocab_size=len(VOCABULARY),
    hidden_size=32,
    layers=2,
    heads=4,
    intermediate_size=64,
    max_positions=64,
    segments=2,
    init_std=0.1,
)

Row = Sequence[str]


def make_model(seed: int = 0, task: str | None = None, **changes: Any) -> Model:
    """A random model in evaluation mode: `CONFIG` with changes."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Model(replace(CONFIG, **changes), task).eval()


def make_classifier(labels: Sequence[str] = tuple(TOPICS), seed: int = 0, **changes: Any) -> Model:
    """A random classifier."""
    return make_model(seed, "text-classification", labels=tuple(labels), **changes)


def write_vocabulary(folder: Path) -> None:
    """A WordPiece tokenizer as the ecosystem's older files have it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 64}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def save_model(folder: Path, model: Model) -> Path:
    """Saves a model with the tokenizer of `VOCABULARY`."""
    write_vocabulary(folder)
    model.save_pretrained(folder)
    return folder


def random_ids(lengths: Iterable[int], seed: int = 0) -> list[list[int]]:
    """Random ids of ordinary tokens, one sequence for each length."""
    source = random.Random(seed)
    ordinary = range(len(SPECIAL), len(VOCABULARY))
    return [source.choices(ordinary, k=length) for length in lengths]


def topic_text(topics: Sequence[str], source: random.Random) -> str:
    """Two words of each topic among words that say nothing."""
    words = [word for topic in topics for word in source.sample(TOPICS[topic], 2)]
    words += source.sample(FILLERS, source.randrange(1, 7))
    source.shuffle(words)
    return " ".join(words)


def topic_rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts with the topic they are about, each topic equally often."""
    source = random.Random(seed)
    names = list(TOPICS)
    return [(topic_text([names[i % 3]], source), names[i % 3]) for i in range(count)]


def write_csv(path: Path, header: Row, rows: Iterable[Row]) -> Path:
    """A CSV file, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_topics(folder: Path, *, train: int = 120, test: int = 30) -> Path:
    """A data set of one topic a text, in a train and a test split."""
    write_csv(folder / "train.csv", ("text", "label"), topic_rows(train, seed=1))
    write_csv(folder / "test.csv", ("text", "label"), topic_rows(test, seed=2))
    return folder


def write_json_lines(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    """A JSON Lines file, with the folders it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
