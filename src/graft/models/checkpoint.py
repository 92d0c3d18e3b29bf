"""The weights of a model's files, read under the names of its family."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from math import isfinite, prod

import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.families.family import Family, Stored
from graft.models.weights.file import Entry, WeightsFile


class Checkpoint:
    """A file of weights, its tensors under the names of a family's body (no prefix).

    Attributes:
        path: The file, or the index of several.
        names: From these names to the file's own.

    Raises:
        ModelError: The file has two tensors of one name, which are not the same.
    """

    def __init__(self, file: WeightsFile, family: Family) -> None:
        self.path = file.path
        self._file = file
        self.names: Mapping[str, str] = self._by_plain_name(family)

    def _by_plain_name(self, family: Family) -> dict[str, str]:
        names: dict[str, str] = {}
        for name in self._file.entries:
            twin = names.setdefault(plain_name(name, family), name)
            if twin != name and not self._equal(twin, name):
                raise ModelError(
                    f"{self.path} keeps {twin} and {name}, which stand for the same tensor of a "
                    f"{family.name} model, but differ. Remove the one that is not of this model."
                )
        return names

    def has(self, stored: Stored) -> bool:
        """Whether all parts of a tensor are there."""
        return self.parts(stored) is not None

    def parts(self, stored: Stored) -> tuple[str, ...] | None:
        """The names of a tensor's parts; None where the file lacks one."""
        if all(name in self.names for name in stored.names):
            return stored.names
        return next(((name,) for name in stored.copies if name in self.names), None)

    def shape(self, stored: Stored) -> tuple[int, ...]:
        """The shape of one of our tensors, as the file's parts give it."""
        shape = self._stacked_shape(stored)
        return (prod(shape),) if stored.shape else shape

    def spell_shape(self, stored: Stored) -> str:
        """The shape of each of a tensor's parts, as the file has it."""
        return " + ".join(str(list(entry.shape)) for entry in self._entries(stored))

    def fits(self, stored: Stored, shape: tuple[int, ...]) -> bool:
        """Whether the file has a tensor in a shape, and each of its parts in the right one."""
        shapes = [self._shape(entry, stored) for entry in self._entries(stored)]
        if self.shape(stored) != tuple(shape) or len(shapes) == 1:
            return self.shape(stored) == tuple(shape)
        sizes = stored.sizes or (shapes[0][0],) * len(shapes)
        return shapes == [(size, *shapes[0][1:]) for size in sizes]

    def dtype(self) -> torch.dtype:
        """The format that most of its numbers have; float32 where it has none to compute in."""
        counts: Counter[torch.dtype] = Counter()
        for entry in self._file.entries.values():
            if _is_plain(entry.dtype):
                counts[entry.dtype] += prod(entry.shape)
        return counts.most_common(1)[0][0] if counts else torch.float32

    def tensor(self, stored: Stored, dtype: torch.dtype, device: torch.device) -> Tensor:
        """One of our tensors, its parts stacked.

        What is needed as it lies in the file is mapped from there. All else is copied into place,
        piece by piece, so that nothing is in memory twice.

        Raises:
            ModelError: The file is damaged there, holds rounded whole numbers, or some that are
                not finite.
        """
        entries = self._entries(stored)
        for name, entry in zip(self._file_names(stored), entries, strict=True):
            if not _is_plain(entry.dtype):
                raise ModelError(
                    f"{self.path}: {name} is kept as {_spell(entry.dtype)}: weights that were "
                    "quantised are not supported. Load the original."
                )
        as_it_is = len(entries) == 1 and not stored.transposed and device.type == "cpu"
        if as_it_is and entries[0].dtype == dtype:
            whole = self._file.read(self._file_names(stored)[0]).contiguous()
        else:
            whole = self._copied(stored, dtype, device)
        if not _finite(whole):
            raise ModelError(
                f"{self.path}: {' + '.join(stored.names)} has NaN or infinite values"
                f"{_out_of_range(entries, dtype)}. Fetch it again, or ask its author."
            )
        return whole.flatten() if stored.shape else whole

    def same(self, one: Stored, other: Stored) -> bool:
        """Whether two tensors that are each kept in one part are equal."""
        if self.shape(one) != self.shape(other):
            return False
        (first,), (second,) = self._file_names(one), self._file_names(other)
        return first == second or self._equal(first, second)

    def _equal(self, first: str, second: str) -> bool:
        """Whether two of the file's tensors are equal."""
        if self._file.entries[first] != self._file.entries[second]:
            return False
        pairs = zip_longest(self._file.pieces(first), self._file.pieces(second))
        return all(torch.equal(ours, theirs) for ours, theirs in pairs)

    def _copied(self, stored: Stored, dtype: torch.dtype, device: torch.device) -> Tensor:
        whole = torch.empty(self._stacked_shape(stored), dtype=dtype, device=device)
        rows = [self._shape(entry, stored)[0] for entry in self._entries(stored)]
        places = whole.split(rows) if len(rows) > 1 else [whole]
        for place, name in zip(places, self._file_names(stored), strict=True):
            _copy(self._file.pieces(name), place.T if stored.transposed else place)
        return whole

    def _file_names(self, stored: Stored) -> list[str]:
        return [self.names[name] for name in self.parts(stored) or ()]

    def _entries(self, stored: Stored) -> list[Entry]:
        return [self._file.entries[name] for name in self._file_names(stored)]

    def _stacked_shape(self, stored: Stored) -> tuple[int, ...]:
        shapes = [self._shape(entry, stored) for entry in self._entries(stored)]
        single = next((shape for shape in shapes if not shape), None)
        if len(shapes) == 1 or single is not None:  # a number alone fits nowhere
            return shapes[0] if single is None else single
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])

    @staticmethod
    def _shape(entry: Entry, stored: Stored) -> tuple[int, ...]:
        return entry.shape[::-1] if stored.transposed else entry.shape


def plain_stored(stored: Stored, family: Family) -> Stored:
    """The same tensor under its names without the family's prefix."""
    names, copies = (
        tuple(plain_name(name, family) for name in given) for given in (stored.names, stored.copies)
    )
    return replace(stored, names=names, copies=copies)


def plain_name(name: str, family: Family) -> str:
    """A file's tensor name without the family's prefix, by its present spelling."""
    for old, new in family.aliases.items():
        if name.endswith(old):
            name = name.removesuffix(old) + new
    prefixes = sorted((family.prefix, *family.prefixes.values()), key=len, reverse=True)
    return name.removeprefix(next((p for p in prefixes if p and name.startswith(p)), ""))


def _copy(pieces: Iterator[Tensor], place: Tensor) -> None:
    """Copies a tensor's rows, as they come, to where they belong."""
    start = 0
    for piece in pieces:
        if not place.ndim:
            place.copy_(piece)
            return
        place[start : start + len(piece)].copy_(piece)
        start += len(piece)


def _finite(tensor: Tensor) -> bool:
    """Whether all values are, in one pass: NaN is the least and the largest wherever it is."""
    return not tensor.numel() or all(isfinite(float(end)) for end in torch.aminmax(tensor))


def _is_plain(dtype: torch.dtype) -> bool:
    """Whether numbers mean what they say: those of one byte come with scales, kept apart."""
    return dtype.is_floating_point and dtype.itemsize > 1


def _out_of_range(entries: list[Entry], dtype: torch.dtype) -> str:
    wider = [e.dtype for e in entries if torch.finfo(e.dtype).max > torch.finfo(dtype).max]
    return f" (or some that {_spell(dtype)} cannot hold)" if wider else ""


def _spell(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
