"""`transformers`: a model and its tokenizer pushed, and loaded again."""

from collections.abc import Callable

from customer import Customer

SCRIPT = """
import os
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification, AutoTokenizer, BertConfig, BertForSequenceClassification,
    PreTrainedTokenizerFast, pipeline,
)

repo = os.environ["REPO"]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "film"]
made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "[UNK]"))
made.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=made, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
    sep_token="[SEP]",
)
torch.manual_seed(0)
model = BertForSequenceClassification(BertConfig(
    vocab_size=len(words), hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=64, max_position_embeddings=64, num_labels=2,
)).eval()
model.push_to_hub(repo, private=True, commit_message="A small one")
tokenizer.push_to_hub(repo)
again = AutoModelForSequenceClassification.from_pretrained(repo).eval()
read = AutoTokenizer.from_pretrained(repo)
inputs = read(["good film", "bad film"], return_tensors="pt")
inputs.pop("token_type_ids", None)
with torch.no_grad():
    assert torch.equal(model(**inputs).logits, again(**inputs).logits)
for name, tensor in model.state_dict().items():
    assert torch.equal(tensor, again.state_dict()[name]), name
model.push_to_hub(repo, create_pr=True, commit_message="Another")
guess = pipeline("text-classification", model=again, tokenizer=read)("good film")
print(guess[0]["label"])
"""


def test_a_model_and_its_tokenizer(
    eve: Customer, python: Callable[..., str], way: dict[str, str]
) -> None:
    repo = f"{eve.name}/tiny-bert"
    said = python(SCRIPT, REPO=repo, HF_TOKEN=eve.token, **way)
    assert said.strip() in ("LABEL_0", "LABEL_1")
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(
        eve.api.list_repo_files(repo)
    )
    info = eve.api.model_info(repo, expand=["safetensors", "config"])
    assert info.safetensors is not None
    assert info.config is not None
    assert info.config["model_type"] == "bert"
