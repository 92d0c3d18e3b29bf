"""Models and tokenizers are shared by themselves, too."""

from pathlib import Path

import torch
from people import User

import graft


def test_a_model_and_its_tokenizer_pushed_one_by_one_make_one_repository(
    base: Path, user: User
) -> None:
    model = graft.Model.from_pretrained(base)
    tokenizer = graft.Tokenizer.from_pretrained(base)
    repo_id = user.repo("parts")

    assert model.push_to_hub(repo_id) == f"{user.url}/{repo_id}"
    tokenizer.push_to_hub(repo_id)

    fetched = graft.Model.from_pretrained(repo_id)
    for name, tensor in model.state_dict().items():
        assert torch.equal(fetched.state_dict()[name], tensor)
    text = "a b c"
    assert graft.Tokenizer.from_pretrained(repo_id)(text).ids == tokenizer(text).ids
