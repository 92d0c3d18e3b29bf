"""What a family says: how its files name the shape and the tensors of our one model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.models.config import Config


@dataclass(frozen=True)
class Stored:
    """How a file keeps one of our tensors.

    Attributes:
        names: The family's names of it; several of theirs are stacked along dimension 0.
        sizes: How many rows each of these has; empty where they have equal parts.
        transposed: Whether a file keeps it with its two dimensions swapped.
        shape: The shape in which a file keeps what is a vector here; empty for as it is.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    transposed: bool = False
    shape: tuple[int, ...] = ()


TensorNames = Mapping[str, Stored]
"""Our name of a tensor to how files keep it."""


@dataclass(frozen=True)
class Family:
    """One architecture, as data.

    Attributes:
        name: The `model_type` of its `config.json`.
        read_config: From the parsed `config.json`, without labels, to a `Config`.
        write_config: From a `Config` to what `config.json` says of the shape.
        body: From a `Config` to how the body's tensors are kept, without `prefix`. Tensors that a
            model of this configuration does not have are passed over.
        heads: From a task and a `Config` to how that task's head is kept.
        prefix: Put before the body's names when a head is saved with it.
        architectures: The class the ecosystem loads each task with; None: the body alone.
        encoders: The same for pairs of stacks of which the encoder is kept alone. A task that is
            only here leaves the decoder out.
        bare: Tasks whose classes keep the body without `prefix`.
        aliases: Endings of tensor names that older files write, and what they are called now.
        ignored: Endings of names that say nothing: buffers, and copies of tied weights.
    """

    name: str
    read_config: Callable[[dict[str, Any]], Config]
    write_config: Callable[[Config], dict[str, Any]]
    body: Callable[[Config], TensorNames]
    heads: Mapping[str, Callable[[Config], TensorNames]]
    prefix: str
    architectures: Mapping[str | None, str]
    encoders: Mapping[str | None, str] = field(default_factory=dict)
    bare: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def both(ours: str, *theirs: str, sizes: tuple[int, ...] = ()) -> dict[str, Stored]:
    """The weight and the bias of one layer."""
    return {
        f"{ours}.{kind}": Stored(tuple(f"{name}.{kind}" for name in theirs), sizes)
        for kind in ("weight", "bias")
    }


def one(ours: str, theirs: str) -> dict[str, Stored]:
    """A tensor alone."""
    return {ours: Stored((theirs,))}
