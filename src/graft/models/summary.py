"""What a model is made of, layer by layer, to look at."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.table import Table as RichTable
from torch import Tensor, nn
from torch.func import functional_call

from graft.display import Table
from graft.models.batch import Batch
from graft.models.heads import VocabularyHead

_READ, _WRITTEN = (3, 2), (4, 3)  # lengths whose sums, and number, are all different
_ROWS = {2: "sequences", 5: "tokens", 7: "written"}
_INDENT = "\u00a0\u00a0"  # HTML would drop plain spaces


@dataclass(frozen=True)
class Row:
    """A layer, or several that are alike.

    Attributes:
        name: Such as "attention", or "blocks 0-11" for twelve blocks that are alike.
        depth: How many layers it is part of.
        output: The shape of what it gives, such as `("tokens", 768)`; `"written"` are the
            tokens of a decoder. None where it gives no tensor.
        parameters: Of it and its parts; what is shared is counted where it comes first.
        trainable: How many of these training changes.
        bytes: Of its parameters and of what else is saved.
        dtypes: The formats of their numbers.
    """

    name: str
    depth: int
    output: tuple[str | int, ...] | None
    parameters: int
    trainable: int
    bytes: int
    dtypes: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class ModelSummary:
    """The layers of a model; shows itself in terminals and notebooks.

    Attributes:
        name: What the model is.
        rows: Its layers, each before its parts; the last one is the whole.
    """

    name: str
    rows: tuple[Row, ...]

    @property
    def total(self) -> Row:
        """The whole model."""
        return self.rows[-1]

    @property
    def parameters(self) -> int:
        """How many there are, each counted once."""
        return self.total.parameters

    @property
    def trainable(self) -> int:
        """How many of these training changes."""
        return self.total.trainable

    @property
    def bytes(self) -> int:
        """Of all weights."""
        return self.total.bytes

    @property
    def table(self) -> Table:
        """The layers to look at. What is the same of all of them is said in the title."""
        mixed = len(self.total.dtypes) > 1
        partly = self.trainable < self.parameters
        columns = ["layer", "output", "parameters ", "size "]
        columns += ["format"] * mixed + ["trainable "] * partly
        rows = [
            [*_cells(row), *[", ".join(row.dtypes)] * mixed, *[_share(row)] * partly]
            for row in self.rows
        ]
        title = [self.name, *([] if mixed else self.total.dtypes), *["all trainable"][partly:]]
        return Table(", ".join(title), columns, rows)

    def __rich__(self) -> RichTable:
        return self.table.__rich__()

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    def __repr__(self) -> str:
        cells = [self.table.columns, *self.table.rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        )
        return "\n".join((self.table.title, *lines)).replace("\u00a0", " ")


def summarize(model: Any) -> ModelSummary:
    """The layers of a `Model`. It reads a few tokens once, which shows the shapes.

    Args:
        model: The model, wherever its weights are.
    """
    outputs, calls = _run(model)
    walk = _Walk(outputs, calls)
    rows = [*walk.rows("body", model.body, 0)]
    rows = [replace(row, depth=row.depth - 1) for row in rows[1:]]
    if model.head is not None:
        rows += walk.rows("head", model.head, 0)
    whole = walk.row("total", model, 0, Counted.of(model, set()))
    kinds = [model.config.family, model.task or "body alone"]
    kinds += [f"{len(model.labels)} labels"] if model.labels else []
    return ModelSummary(", ".join(kinds), (*rows, replace(whole, output=None)))


@dataclass(frozen=True)
class Counted:
    """What is counted of a layer."""

    parameters: int
    trainable: int
    bytes: int
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, module: nn.Module, seen: set[int]) -> "Counted":
        """What is in a layer and was not `seen`, which it is from now on."""
        saved = module.state_dict(keep_vars=True).values()
        parameters = {id(each): each for each in module.parameters()}
        tensors = {id(each): each for each in (*parameters.values(), *saved)}
        new = {number: each for number, each in tensors.items() if number not in seen}
        seen.update(new)
        weights = [each for number, each in new.items() if number in parameters]
        return cls(
            sum(each.numel() for each in weights),
            sum(each.numel() for each in weights if each.requires_grad),
            sum(each.nbytes for each in new.values()),
            tuple(sorted({str(each.dtype).removeprefix("torch.") for each in new.values()})),
        )


class _Walk:
    """Layers from the input to the output, with what was seen of them.

    Args:
        outputs: The shape of what each gave.
        calls: How often each ran.
    """

    def __init__(
        self, outputs: dict[nn.Module, tuple[str | int, ...]], calls: Counter[nn.Module]
    ) -> None:
        self.outputs, self.calls = outputs, calls
        self.seen: set[int] = set()

    def row(self, name: str, module: nn.Module, depth: int, counted: Counted) -> Row:
        """A layer's own row."""
        return Row(name, depth, self.outputs.get(module), **vars(counted))

    def rows(self, name: str, module: nn.Module, depth: int) -> Iterator[Row]:
        """A layer's row and those of its parts; nothing for what has no weights."""
        if not module.state_dict(keep_vars=True):
            if isinstance(module, VocabularyHead):
                name += " (shared)"  # its weights are the embedding's
            if depth == 0:
                yield self.row(name, module, depth, Counted(0, 0, 0, ()))
            return
        before = set(self.seen)
        counted = Counted.of(module, self.seen)
        if not counted.bytes:
            yield self.row(f"{name} (shared)", module, depth, counted)
            return
        self.seen = before  # the parts count for themselves
        runs = self.calls[module]
        again = f" ({runs} times)" if runs > 1 and name.split(" ")[0] == "block" else ""
        yield self.row(name + again, module, depth, counted)
        for part, child in self.in_order(module):
            if isinstance(child, nn.ModuleList):
                yield from self.groups(part, list(child), depth + 1)
            else:
                yield from self.rows(part, child, depth + 1)
        Counted.of(module, self.seen)

    def in_order(self, module: nn.Module) -> list[tuple[str, nn.Module]]:
        """The parts of a layer as they run; those of which nothing is known where they stand."""
        ran = {each: place for place, each in enumerate(self.outputs)}
        place, places = -1, []
        for child in module.children():
            first = min((ran[each] for each in child.modules() if each in ran), default=place)
            place = ran.get(child, first)
            places.append(place)
        pairs = zip(places, module.named_children(), strict=True)
        return [named for _, named in sorted(pairs, key=lambda pair: pair[0])]

    def groups(self, name: str, layers: list[nn.Module], depth: int) -> Iterator[Row]:
        """The layers of a list; those in a row that are alike together."""
        first = 0
        while first < len(layers):
            kind = self.kind(layers[first])
            last = first
            while last + 1 < len(layers) and self.kind(layers[last + 1]) == kind:
                last += 1
            alike = layers[first : last + 1]
            if len(alike) == 1:
                yield from self.rows(f"{name.removesuffix('s')} {first}", alike[0], depth)
            else:
                counted = [Counted.of(layer, set(self.seen)) for layer in alike]
                yield self.row(f"{name} {first}-{last}", alike[0], depth, _sum(counted))
                yield from self.rows("each", alike[0], depth + 1)
                for layer in alike:
                    Counted.of(layer, self.seen)
            first = last + 1

    def kind(self, module: nn.Module) -> object:
        """What layers that are alike have in common."""
        own = [(n, p.shape, p.dtype, p.requires_grad) for n, p in module.named_parameters()]
        return type(module), own, self.outputs.get(module), self.calls[module]


def _sum(counted: list[Counted]) -> Counted:
    formats = sorted({dtype for each in counted for dtype in each.dtypes})
    return Counted(
        sum(each.parameters for each in counted),
        sum(each.trainable for each in counted),
        sum(each.bytes for each in counted),
        tuple(formats),
    )


def _run(model: Any) -> tuple[dict[nn.Module, tuple[str | int, ...]], Counter[nn.Module]]:
    """Reads two short sequences; gives what each layer made of them, and how often it ran."""
    outputs: dict[nn.Module, tuple[str | int, ...]] = {}
    calls: Counter[nn.Module] = Counter()

    def note(module: nn.Module, _: Any, output: Any) -> None:
        calls[module] += 1
        if isinstance(output, Tensor) and output.dim():
            first, *others = output.shape
            outputs.setdefault(module, (_ROWS.get(first, first), *others))

    batch = _short(_READ)
    if model.config.decoder is not None:
        batch = replace(batch, decoder=_short(_WRITTEN))
    training = {module: module.training for module in model.modules()}
    hooks = [module.register_forward_hook(note) for module in model.modules()]
    try:
        # With gradients, so that layers do not keep their weights in another layout too.
        with torch.enable_grad():
            functional_call(
                model.eval(), _of_one_format(model), (batch.to(model.device),), {"hidden": True}
            )
    finally:
        for hook in hooks:
            hook.remove()
        for module, was in training.items():
            module.training = was
    return outputs, calls


def _of_one_format(model: nn.Module) -> dict[str, Tensor]:
    """What takes the place of weights whose numbers have several formats, which do not mix."""
    weights = dict(model.named_parameters())
    several = len({each.dtype for each in weights.values()}) > 1
    return {name: each.float() for name, each in weights.items()} if several else {}


def _short(lengths: tuple[int, ...]) -> Batch:
    return Batch.from_sequences([[0] * length for length in lengths])


def _cells(row: Row) -> list[str]:
    output = "" if row.output is None else f"[{', '.join(map(str, row.output))}]"
    return [_INDENT * row.depth + row.name, output, f"{row.parameters:,}", _size(row.bytes)]


def _share(row: Row) -> str:
    """How much is trainable; a part is never shown as nothing or all."""
    if row.trainable in (0, row.parameters):
        return "" if not row.parameters else "100%" if row.trainable else "0%"
    return f"{min(max(row.trainable / row.parameters, 0.001), 0.999):.1%}"


def _size(count: int) -> str:
    """Bytes in a unit that people read."""
    size, units = float(count), iter(("B", "KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 1024 and unit != "TiB":
        size, unit = size / 1024, next(units)
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
