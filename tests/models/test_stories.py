"""A real, trained model writes the text that its makers say it writes."""

import shutil
from pathlib import Path

import pytest

import graft


@pytest.mark.data
def test_stories_260k(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "stories260K"
    shutil.copy(folder / "tok512.model", tmp_path / "tokenizer.model")
    tokenizer = graft.Tokenizer.from_pretrained(tmp_path)
    model = graft.Model.from_pretrained(folder / "stories260K.bin")
    (text,) = model.generate([[model.config.special["bos_token_id"]]], max_new_tokens=256)
    printed = (folder / "stories260K.md").read_text(encoding="utf-8").split("-t 0.0\n")[1]
    assert tokenizer.decode(list(text.ids)).strip() == printed.split("\n```")[0]
