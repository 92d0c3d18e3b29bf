"""Stock clients that ask a Hub which mirrors another one, and know nothing of that other."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from customer import Customer

from graft.server.running import RunningHub

MODEL = """
import os
import torch
from tokenizers import Tokenizer, models
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

repo, asked = os.environ["REPO"], os.environ["ASKED"]
if asked == "origin":
    words = {"[PAD]": 0, "[UNK]": 1, "good": 2, "film": 3}
    made = Tokenizer(models.WordLevel(words, "[UNK]"))
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]"
    ).push_to_hub(repo)
    BertForSequenceClassification(BertConfig(
        vocab_size=4, hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )).push_to_hub(repo)
model = AutoModelForSequenceClassification.from_pretrained(repo)
tokens = AutoTokenizer.from_pretrained(repo)("good")["input_ids"]
print(tokens, sum(float(tensor.double().sum()) for tensor in model.state_dict().values()))
"""

ROWS = """
import os
from datasets import Dataset, load_dataset

repo, asked = os.environ["REPO"], os.environ["ASKED"]
if asked == "origin":
    Dataset.from_dict({"text": [f"row {n}" for n in range(3000)]}).push_to_hub(repo)
loaded = load_dataset(repo, split="train")
streamed = load_dataset(repo, split="train", streaming=True)
assert [row["text"] for row in streamed] == loaded["text"]
print(loaded.num_rows, loaded[2999])
"""


@pytest.fixture
def mirror(hub: RunningHub, tmp_path: Path) -> Iterator[RunningHub]:
    """A Hub without anything of its own, which mirrors the other."""
    with RunningHub(tmp_path / "mirror", upstream=hub.url) as running:
        yield running


@pytest.mark.parametrize(("script", "name"), [(MODEL, "mirrored-model"), (ROWS, "mirrored-rows")])
def test_what_was_pushed_there_is_loaded_from_here(
    hub: RunningHub,
    mirror: RunningHub,
    eve: Customer,
    python: Callable[..., str],
    tmp_path: Path,
    script: str,
    name: str,
) -> None:
    repo = f"{eve.name}/{name}"
    xet = {"HF_HUB_DISABLE_XET": "0"}
    there = python(script, REPO=repo, ASKED="origin", HF_TOKEN=eve.token, **xet)
    fresh = {"HF_ENDPOINT": mirror.url, "HF_HOME": str(tmp_path / "another")}
    here = python(script, REPO=repo, ASKED="mirror", **fresh, **xet)
    assert here == there != ""
