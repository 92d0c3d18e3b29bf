"""Reading `config.json`: names, defaults, and what each value may be."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from graft.errors import ModelError
from graft.models.config import Activation, Config

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
SPECIAL = (
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
)


_LARGEST = 2**31 - 1  # what a damaged file says beyond this would end deep within PyTorch
_MOST_LAYERS = 10_000


class Settings:
    """The values of a `config.json`, each checked as it is read.

    Args:
        raw: The parsed file.
        defaults: What the ecosystem takes for settings that are left out.
    """

    def __init__(self, raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self.raw = raw
        self.defaults = defaults
        self.read = {"architectures", "model_type"}

    def get(self, name: str) -> Any:
        """A setting as it is."""
        self.read.add(name)
        value = self.raw.get(name)
        return self.defaults.get(name) if value is None else value

    def size(self, name: str, least: int = 1, most: int = _LARGEST) -> int:
        """A whole number.

        Raises:
            ModelError: It is none, below `least` or above `most`.
        """
        value = self.get(name)
        if not (is_number(value) and value == int(value) >= least):
            above = "above zero" if least == 1 else f"of {least} or more"
            raise ModelError(f"{name} is {value!r}, not a whole number {above}.")
        if value > most:
            raise ModelError(f"{name} is {value!r}; no model has more than {most}.")
        return int(value)

    def layers(self, name: str = "num_hidden_layers") -> int:
        """How many blocks there are: refused where so many could not even be listed.

        Raises:
            ModelError: It is no such number.
        """
        return self.size(name, most=_MOST_LAYERS)

    def said(self, name: str) -> Any:
        """A setting as the file says it, null too; the default only where it is left out."""
        self.read.add(name)
        return self.raw[name] if name in self.raw else self.defaults.get(name)

    def size_or_none(self, name: str) -> int | None:
        """A whole number above zero, or null."""
        return None if self.said(name) is None else self.size(name)

    def keep(self, *names: str) -> None:
        """Leaves settings in `extra`, to be written back as they are."""
        self.read.difference_update(names)

    def share(self, name: str) -> float:
        """A number from 0 to below 1."""
        value = self.get(name)
        if not (is_number(value) and 0 <= value < 1):
            raise ModelError(f"{name} is {value!r}, not a number from 0 to below 1.")
        return float(value)

    def number(self, name: str) -> float:
        """A number above zero."""
        value = self.get(name)
        if not (is_number(value) and value > 0):
            raise ModelError(f"{name} is {value!r}, not a number above zero.")
        return float(value)

    def number_or_none(self, name: str) -> float | None:
        """A number above zero, or null."""
        return None if self.said(name) is None else self.number(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.get(name)
        if not isinstance(value, bool):
            raise ModelError(f"{name} is {value!r}, neither true nor false.")
        return value

    def table(self, name: str) -> dict[str, Any]:
        """Settings of their own; empty where there are none."""
        value = self.get(name) or {}
        if not isinstance(value, dict):
            raise ModelError(f"{name} is {value!r}, not names with values.")
        return value

    def activation(self, name: str) -> Activation:
        """An activation function. A spelling of its own stays in `extra`, to be written back."""
        value = self.get(name)
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise ModelError(f"{name} {value!r} is not one of {', '.join(ACTIVATIONS)}.")
        if value != activation_name({}, name, ACTIVATIONS[value]):
            self.keep(name)
        return ACTIVATIONS[value]

    def only(self, name: str, *allowed: Any) -> None:
        """Refuses a setting whose value means a model that Graft does not have."""
        value = self.get(name)
        if value not in allowed:
            family = self.raw.get("model_type")
            raise ModelError(f"{name} {value!r} of {family} is not supported.")

    def heads(self, hidden: str, heads: str) -> None:
        """Refuses a width that heads do not divide."""
        if self.size(hidden) % self.size(heads):
            raise ModelError(
                f"{hidden} {self.get(hidden)} is not a multiple of {heads} {self.get(heads)}."
            )

    def special(self) -> dict[str, Any]:
        """The ids of special tokens.

        Raises:
            ModelError: One is neither a whole number, nor several.
        """
        ids = {name: self.said(name) for name in SPECIAL}
        for name, value in ids.items():
            several = value if isinstance(value, list) else [] if value is None else [value]
            if not all(type(token) is int for token in several):
                raise ModelError(f"{name} is {value!r}, not the number of a token, or of several.")
        stated = set(self.raw) & set(self.defaults)  # a null where the default is none is kept
        return {name: i for name, i in ids.items() if i is not None or name in stated}

    def extra(self) -> dict[str, Any]:
        """What was not read."""
        return {name: value for name, value in self.raw.items() if name not in self.read}


def is_number(value: Any) -> bool:
    """Whether a setting is a finite number; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number of hundreds of digits
        return False


def activation_name(raw: Mapping[str, Any], name: str, activation: Activation) -> str:
    """The spelling of an activation: the file's own where it means the same."""
    given = raw.get(name)
    if isinstance(given, str) and ACTIVATIONS.get(given) == activation:
        return given
    return next(theirs for theirs, ours in ACTIVATIONS.items() if ours == activation)


def with_extra(config: Config, settings: Settings) -> Config:
    """The configuration with what was not read of its file, to be written back."""
    return replace(config, special=settings.special(), extra=settings.extra())
