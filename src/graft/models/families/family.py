"""What a family says: how its files name the shape and the tensors of our one model."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from graft.errors import ModelError
from graft.models.config import Config


@dataclass(frozen=True)
class Stored:
    """How a file keeps one of our tensors.

    Attributes:
        names: The family's names of it; several of theirs are stacked along dimension 0.
        sizes: How many rows each of these has; empty where they have equal parts.
        transposed: Whether a file keeps it with its two dimensions swapped.
        copies: Other names under which files keep the same tensor, for those that lack the first.
        twice: Whether it is written under these as well.
        shape: The shape in which a file keeps what is a vector here; empty for as it is.
    """

    names: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    transposed: bool = False
    copies: tuple[str, ...] = ()
    twice: bool = False
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
        prefixes: Those of tasks whose classes have others.
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
    prefixes: Mapping[str | None, str] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def prefix_of(self, task: str | None) -> str:
        """What stands before the body's names in the files of a task's model."""
        return self.prefixes.get(task, self.prefix if task else "")

    def for_task(self, config: Config, task: str | None, saved: Iterable[str] = ()) -> Config:
        """A shape as a task uses it: without the decoder where the encoder does it alone.

        Args:
            config: The shape.
            task: The task.
            saved: The ecosystem's classes that were saved.
        """
        alone = task in self.encoders and task not in self.architectures
        alone = alone or not set(saved).isdisjoint(self.encoders.values())
        return replace(config, decoder=None) if alone else config

    def architecture(self, task: str | None, config: Config) -> str:
        """The class that the ecosystem loads a model with.

        Raises:
            ModelError: It has none for this task.
        """
        alone = bool(self.encoders) and config.decoder is None
        classes = self.encoders if alone else self.architectures
        if task not in classes:
            known = ", ".join(name for name in classes if name)
            alone_too = " whose encoder is alone" if alone else ""
            raise ModelError(
                f"Models of type {self.name}{alone_too} have no head for {task}. They have: "
                f"{known or 'none'}."
            )
        return classes[task]


def both(ours: str, *theirs: str, sizes: tuple[int, ...] = ()) -> dict[str, Stored]:
    """The weight and the bias of one layer."""
    return {
        f"{ours}.{kind}": Stored(tuple(f"{name}.{kind}" for name in theirs), sizes)
        for kind in ("weight", "bias")
    }


def one(ours: str, theirs: str) -> dict[str, Stored]:
    """A tensor alone."""
    return {ours: Stored((theirs,))}
