"""What files of weights are called, before they are converted and after."""

import re

INDEX = "pytorch_model.bin.index.json"
REFUSED = 3
"""The exit status that says: these weights cannot be converted, and why stands in the output."""

# `transformers` looks for a pull request by this account, under this title, whose commit lies on
# top of `main`. Where it finds none, it offers the repository outside, token included.
ACCOUNT = "SFconvertbot"
"""Whom the pull requests are by; nobody can log in as it, or be called so."""
TITLE = "Adding `safetensors` variant of this model"

_WEIGHTS = re.compile(r"(pytorch_model|adapter_model|model)(-\d{5}-of-\d{5})?\.bin")


def is_weights(name: str) -> bool:
    """Whether a file of this name holds a model's weights as a pickle: `training_args.bin` does
    not."""
    return _WEIGHTS.fullmatch(name) is not None


def target_of(name: str) -> str:
    """What its safetensors file is called: `pytorch_model.bin` -> `model.safetensors`."""
    return f"{name.removesuffix('.bin').replace('pytorch_model', 'model')}.safetensors"
