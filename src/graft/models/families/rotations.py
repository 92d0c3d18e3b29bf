"""Rotations in `config.json`, as files of all ages write them."""

from collections.abc import Mapping
from typing import Any

from graft.errors import ModelError
from graft.models.config import Rotary
from graft.models.families.settings import Settings
from graft.models.rotary import SCALINGS

_NEEDS = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "longrope": ("factor",),
}
_KEEPS_LENGTH = ("yarn", "llama3", "longrope")
_LENGTH = "original_max_position_embeddings"


def read_rotary(settings: Settings, head_size: int) -> Rotary:
    """The rotations of all layers.

    Raises:
        ModelError: A setting makes no sense, or means rotations that Graft does not have.
    """
    old, new = settings.get("rope_scaling"), settings.get("rope_parameters")
    return make_rotary(settings, old or new or {}, "rope_theta", head_size)


def make_rotary(
    settings: Settings, given: Mapping[str, Any], theta_name: str, head_size: int
) -> Rotary:
    """The rotations that a part of `config.json` describes.

    Args:
        settings: The whole, for the lengths that scaling is relative to.
        given: The part: `rope_parameters`, or `rope_scaling` of older files.
        theta_name: Where older files have the base.
        head_size: Width of one attention head.

    Raises:
        ModelError: A setting makes no sense, or means rotations that Graft does not have.
    """
    options = {name: _frozen(value) for name, value in given.items()}
    kind = options.pop("type", None)
    kind = options.setdefault("rope_type", kind or "default")
    beside = settings.get(theta_name)
    theta = options.pop("rope_theta", None) or beside or 10_000.0
    _check_number("rope_theta", theta)
    if any(isinstance(value, Mapping) for value in options.values()):
        raise ModelError("rope_parameters for each kind of layer are not supported here.")
    if kind not in SCALINGS:
        raise ModelError(f"rope_type {kind!r} is not one of {', '.join(SCALINGS)}.")
    if head_size % 2:
        raise ModelError(f"Rotations turn pairs of features, but head_dim is {head_size}.")
    if options.pop("partial_rotary_factor", None) not in (None, 1, 1.0):
        raise ModelError("partial_rotary_factor other than 1 is not supported.")
    if kind == "default":
        return Rotary(float(theta))
    _complete(options, settings, head_size)
    return Rotary(float(theta), tuple(sorted(options.items())))


def rotary_settings(rotary: Rotary) -> dict[str, Any]:
    """The rotations of all layers in a `config.json`, for readers of all ages."""
    parameters = write_rotary(rotary)
    scaling = {name: value for name, value in parameters.items() if name != "rope_theta"}
    return {
        "rope_parameters": parameters,
        "rope_theta": rotary.theta,
        "rope_scaling": scaling if rotary.scaling else None,
    }


def write_rotary(rotary: Rotary) -> dict[str, Any]:
    """The `rope_parameters` of a `config.json`."""
    options = dict(rotary.scaling)
    kind = options.pop("rope_type", "default")
    if kind not in _KEEPS_LENGTH:
        options.pop(_LENGTH, None)
    return {"rope_type": kind, "rope_theta": rotary.theta, **options}


def _complete(options: dict[str, Any], settings: Settings, head_size: int) -> None:
    """Fills in what a scaling is relative to, and checks what it needs."""
    kind = options["rope_type"]
    reads = settings.size("max_position_embeddings")
    if kind in _KEEPS_LENGTH:
        options[_LENGTH] = settings.get(_LENGTH) or options.get(_LENGTH) or reads
    else:
        options[_LENGTH] = reads
    _check_number(_LENGTH, options[_LENGTH])
    if kind in ("yarn", "longrope") and options.get("factor") is None:
        options["factor"] = reads / options[_LENGTH]
    for name in _NEEDS[kind]:
        _check_number(name, options.get(name))
    if kind == "llama3" and options["high_freq_factor"] <= options["low_freq_factor"]:
        raise ModelError("high_freq_factor must be above low_freq_factor.")
    if kind == "longrope":
        for name in ("short_factor", "long_factor"):
            _check_factors(name, options.get(name), head_size // 2)


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ModelError(f"{name} is {value!r}, not a number above zero.")


def _check_factors(name: str, value: Any, count: int) -> None:
    if not isinstance(value, tuple) or len(value) != count:
        found = f"{len(value)} numbers" if isinstance(value, tuple) else repr(value)
        raise ModelError(f"{name} is {found}; there must be {count}, one for a pair of features.")
    for number in value:
        _check_number(name, number)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
