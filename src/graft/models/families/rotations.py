"""Rotations in `config.json`, as files of all ages write them."""

from collections.abc import Mapping
from typing import Any

from graft.errors import ModelError
from graft.models.config import Rotary
from graft.models.families.settings import Settings, is_number
from graft.models.rotary import SCALINGS

_NEEDS = {
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor"),
    "longrope": ("factor",),
}
_MAY_HAVE = {
    "yarn": ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim"),
    "longrope": ("attention_factor",),
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
    settings.only("partial_rotary_factor", None, 1)  # where older files have it
    beside = settings.get(theta_name)
    options = _plain(given)
    kind = options["rope_type"] = _kind(options)
    theta = options.pop("rope_theta", None) or beside or 10_000.0
    _check_number("rope_theta", theta)
    if head_size % 2:
        raise ModelError(f"Rotations turn pairs of features, but head_dim is {head_size}.")
    if kind == "default":
        return Rotary(float(theta))
    _complete(options, settings)
    _check(options, float(theta), head_size)
    return Rotary(float(theta), tuple(sorted(options.items())))


def _plain(given: Any) -> dict[str, Any]:
    """Settings of numbers, words and lists of numbers, the lists as tuples."""
    if not isinstance(given, Mapping):
        raise ModelError(f"The settings of rotations are {given!r}, not names with values.")
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    for name, value in options.items():
        parts = value if isinstance(value, tuple) else (value,)
        if not all(part is None or isinstance(part, str | int | float) for part in parts):
            raise ModelError(f"{name} of the rotations is {value!r}, which Graft cannot read.")
    return options


def _kind(options: dict[str, Any]) -> str:
    """The name of the scaling, under its present name; what Graft lacks is refused."""
    old = options.pop("type", None)
    kind = options.get("rope_type") or old or "default"
    if kind not in SCALINGS:
        raise ModelError(f"rope_type {kind!r} is not one of {', '.join(SCALINGS)}.")
    if options.pop("partial_rotary_factor", None) not in (None, 1):
        raise ModelError("partial_rotary_factor other than 1 is not supported.")
    return str(kind)


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


def _complete(options: dict[str, Any], settings: Settings) -> None:
    """Fills in what a scaling is relative to.

    Raises:
        ModelError: It is no length.
    """
    kind = options["rope_type"]
    reads = settings.size("max_position_embeddings")
    if kind in _KEEPS_LENGTH:
        options[_LENGTH] = settings.get(_LENGTH) or options.get(_LENGTH) or reads
    else:
        options[_LENGTH] = reads
    _check_number(_LENGTH, options[_LENGTH], above=1 if kind == "longrope" else 0)
    if kind in ("yarn", "longrope") and options.get("factor") is None:
        options["factor"] = reads / options[_LENGTH]


def _check(options: Mapping[str, Any], theta: float, head_size: int) -> None:
    """Refuses what a scaling cannot be computed from.

    Raises:
        ModelError: A number is missing, or makes no sense.
    """
    kind = options["rope_type"]
    for name in _NEEDS[kind]:
        _check_number(name, options.get(name))
    for name in _MAY_HAVE.get(kind, ()):
        if options.get(name) is not None:
            _check_number(name, options[name])
    if kind == "yarn":
        _check_number("rope_theta", theta, above=1)
    if kind == "dynamic" and head_size == 2:
        raise ModelError("rope_type 'dynamic' needs heads of more than one pair of features.")
    if kind == "llama3" and options["high_freq_factor"] <= options["low_freq_factor"]:
        raise ModelError("high_freq_factor must be above low_freq_factor.")
    if kind == "longrope":
        for name in ("short_factor", "long_factor"):
            _check_factors(name, options.get(name), head_size // 2)


def _check_number(name: str, value: Any, above: int = 0) -> None:
    if not is_number(value) or not value > above:
        raise ModelError(f"{name} is {value!r}, not a number above {above or 'zero'}.")


def _check_factors(name: str, value: Any, count: int) -> None:
    if not isinstance(value, tuple) or len(value) != count:
        found = f"{len(value)} numbers" if isinstance(value, tuple) else repr(value)
        raise ModelError(f"{name} is {found}; there must be {count}, one for a pair of features.")
    for number in value:
        _check_number(name, number)
