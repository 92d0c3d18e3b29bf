"""What figures of a data set say to who wants to train with it, in a sentence each."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from graft.data.describe.sections import percent
from graft.data.show import counted

if TYPE_CHECKING:
    from graft.data.describe.figures import Description, SplitFigures

_UNEVEN = 10
_NAMES_SHOWN = 8
_STRAY = 0.01  # a script of fewer rows than this share is a surprise


def notes_of(description: "Description") -> list[str]:
    """Leakage first, then what there is about each split."""
    found = [
        f"{leak.normalised:,} of {counted(leak.rows, 'row')} of {leak.split} "
        f"({percent(leak.normalised / leak.rows)}) have a text that is also in {leak.other}: "
        f"what is measured on {leak.split} may look better than it is."
        for leak in description.leaks
    ]
    found += [
        f"{one.rows:,} of {counted(one.of_rows, 'row')} of {one.split} "
        f"({percent(one.rows / one.of_rows)}) have a text that is almost one of {one.other}."
        for one in description.alike
        if one.split != one.other
    ]
    for name, split in description.splits.items():
        where = f"{name}: " if name else ""
        told = (*_of_texts(split, description.max_length), *_of_labels(split))
        found += [f"{where}{note}." for note in told]
    return found


def _of_texts(split: "SplitFigures", max_length: int | None) -> Iterator[str]:
    if split.empty:
        rows = ", ".join(map(str, split.empty_rows))
        more = ", ..." if split.empty > len(split.empty_rows) else ""
        yield f"{counted(split.empty, 'empty text')} (from 0, rows {rows}{more})"
    if split.too_long and max_length is not None:
        share = percent(split.too_long / split.rows)
        yield (
            f"{counted(split.too_long, 'row')} ({share}) longer than {max_length:,} tokens, "
            "which are cut unless you tokenize with a stride"
        )
    repeats = split.repeats
    if repeats is not None and repeats.normalised:
        share = percent(repeats.normalised / split.rows)
        yield f"{counted(repeats.normalised, 'row')} ({share}) with the text of an earlier row"
    if repeats is not None and repeats.contradicting:
        yield f"{counted(repeats.contradicting, 'row')} of the same text with different labels"
    total = sum(split.scripts.values())
    for script, count in split.scripts.items():
        if count < _STRAY * total:
            yield f"{counted(count, 'row')} mostly in {script}"


def _of_labels(split: "SplitFigures") -> Iterator[str]:
    if split.unlabelled:
        yield f"{counted(split.unlabelled, 'row')} without a label"
    if not split.labels:
        return
    without = [name for name, count in split.labels.items() if not count]
    if without and len(without) < len(split.labels):
        names = ", ".join(without[:_NAMES_SHOWN])
        more = f" and {len(without) - _NAMES_SHOWN} more" if len(without) > _NAMES_SHOWN else ""
        yield f"no rows of {names}{more}"
    counts = {name: count for name, count in split.labels.items() if count}
    if not counts:
        return
    if len(counts) == 1:
        yield f"rows of one class only ({next(iter(counts))})"
        return
    most, least = max(counts, key=lambda name: counts[name]), min(counts, key=lambda n: counts[n])
    if counts[most] >= _UNEVEN * counts[least]:
        times = counts[most] / counts[least]
        yield f"{times:,.0f} times as many rows of {most} as of {least}"
