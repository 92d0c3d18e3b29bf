"""Pickled weights: what they may not do, and what is told of damaged ones."""

import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

import graft
from graft.errors import ModelError
from small import make_classifier

LABELS = ("human", "location", "number")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A saved classifier, to be damaged."""
    make_classifier(LABELS).save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def pickled(folder: Path, value: Any) -> Path:
    """Puts a pickle in place of the weights."""
    (folder / "model.safetensors").unlink()
    path = folder / "pytorch_model.bin"
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=2)
    return path


class Attack:
    """A pickle that runs a command when it is read without care."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.marker}",)


class TestPickles:
    def test_code_in_it_does_not_run(self, folder: Path, tmp_path: Path) -> None:
        marker = tmp_path / "it-ran"
        path = pickled(folder, Attack(marker))
        with pytest.raises(ModelError, match=r"pytorch_model\.bin.* could run code: refused.*safe"):
            graft.Model.from_pretrained(folder)
        assert not marker.exists()
        pickle.loads(path.read_bytes())
        assert marker.exists(), "the attack was real"

    def test_code_beside_real_weights_does_not_run(self, folder: Path, tmp_path: Path) -> None:
        marker = tmp_path / "it-ran"
        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        torch.save({**tensors, "extra": Attack(marker)}, folder / "pytorch_model.bin")
        with pytest.raises(ModelError, match="could run code: refused"):
            graft.Model.from_pretrained(folder)
        assert not marker.exists()

    def test_what_is_not_a_table_of_tensors(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save([torch.zeros(2)], folder / "pytorch_model.bin")
        with pytest.raises(ModelError, match=r"pytorch_model\.bin is not a state dict"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
    @pytest.mark.parametrize(
        "change",
        [
            lambda t: t.to_sparse(),
            lambda t: t.to("meta"),
            lambda t: torch.nested.nested_tensor([t]),
        ],
    )
    def test_tensors_whose_numbers_are_not_all_there(self, folder: Path, change: Any) -> None:
        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        name = "bert.embeddings.word_embeddings.weight"
        torch.save({**tensors, name: change(tensors[name])}, folder / "pytorch_model.bin")
        with pytest.raises(ModelError, match=r"pytorch_model\.bin is not a state dict"):
            graft.Model.from_pretrained(folder)

    @pytest.mark.filterwarnings("ignore:Detected pickle protocol")
    @pytest.mark.parametrize("zipped", [True, False])
    def test_flipped_bytes(self, folder: Path, zipped: bool) -> None:
        """The file loads where it was only a weight that changed, or is refused in words."""
        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        path = folder / "pytorch_model.bin"
        torch.save(tensors, path, _use_new_zipfile_serialization=zipped)
        whole, source = path.read_bytes(), random.Random(0)
        refused = []
        for _ in range(40):
            content = bytearray(whole)
            for _ in range(5):
                place = source.choice((source.randrange(3000), -1 - source.randrange(4000)))
                content[place] = source.randrange(256)
            path.write_bytes(content)
            try:
                graft.Model.from_pretrained(folder)
            except ModelError as error:
                refused.append(str(error))
        assert len(refused) > 20
        assert all("pytorch_model.bin" in message for message in refused)

    def test_names_that_are_numbers(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        torch.save({1: torch.zeros(2)}, folder / "pytorch_model.bin")
        with pytest.raises(ModelError, match=r"pytorch_model\.bin is not a state dict"):
            graft.Model.from_pretrained(folder)

    def test_parameters_are_tensors(self, folder: Path) -> None:
        """As they are where `dict(model.named_parameters())` was saved."""
        expected = graft.Model.from_pretrained(folder).state_dict()
        tensors = safetensors.torch.load_file(folder / "model.safetensors")
        (folder / "model.safetensors").unlink()
        state = {name: torch.nn.Parameter(tensor) for name, tensor in tensors.items()}
        torch.save(state, folder / "pytorch_model.bin")
        found = graft.Model.from_pretrained(folder).state_dict()
        assert all(torch.equal(found[name], weight) for name, weight in expected.items())

    def test_safetensors_come_first(self, folder: Path) -> None:
        (folder / "pytorch_model.bin").write_bytes(b"nonsense")
        assert graft.Model.from_pretrained(folder).labels == LABELS
