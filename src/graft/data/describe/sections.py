"""A description as tables of words and bars, for whatever shows them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graft.data.describe.columns import Column
from graft.data.describe.lengths import Lengths

if TYPE_CHECKING:
    from graft.data.describe.figures import Description, SplitFigures


@dataclass(frozen=True)
class Bar:
    """A share of something, from 0 to 1, and what it says beside the bar."""

    share: float
    text: str


Cell = str | Bar


@dataclass(frozen=True)
class Section:
    """A table. A heading that ends in a space is of numbers, which are set flush right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


def sections(description: "Description", most: int) -> list[Section]:
    """All tables of a description; long ones show `most` rows, and how many more there are."""
    splits = description.splits
    found = [_overview(description)]
    found += [_histogram(splits, unit) for unit in _units(splits)]
    found += _counts("Rows by label", "label", splits, lambda split: split.labels, most)
    are_entities = all(split.are_entities for split in splits.values())
    title = ("Entities by label", "entity") if are_entities else ("Words by tag", "tag")
    found += _counts(*title, splits, lambda split: split.entities, most)
    found += _counts(
        "Rows by the script that most letters are of",
        "script",
        splits,
        lambda split: split.scripts,
        most,
    )
    found += [*_leaks(description), *_repeated(splits), *_alike(description)]
    found.append(_columns(splits, most))
    return [section for section in found if section.rows]


def percent(share: float) -> str:
    """A share as people read it: "12.3 %", "< 0.1 %"."""
    return "< 0.1 %" if 0 < share < 0.001 else f"{100 * share:.1f} %"


def _overview(description: "Description") -> Section:
    splits = description.splits
    units = _units(splits)
    limit = description.max_length
    with_limit = any(split.too_long is not None for split in splits.values())
    columns = [*_split_heading(splits), "rows ", "empty ", "repeated "]
    columns += [f"over {limit:,} tokens "] if limit is not None and with_limit else []
    for unit in units:
        columns += [f"{unit}: median ", "95 % ", "longest "]
    rows = []
    for name, split in splits.items():
        repeated = "" if split.repeats is None else f"{split.repeats.normalised:,}"
        row = [*_named(splits, name), f"{split.rows:,}", f"{split.empty:,}", repeated]
        row += [f"{split.too_long or 0:,}"] if with_limit else []
        for unit in units:
            row += _three(split.lengths.get(unit))
        rows.append(row)
    return Section("Rows and the lengths of their texts", columns, rows)


def _three(lengths: Lengths | None) -> list[str]:
    if lengths is None:
        return ["", "", ""]
    return [f"{lengths.median:,.0f}", f"{lengths.p95:,.0f}", f"{lengths.max:,}"]


def _histogram(splits: "Mapping[str, SplitFigures]", unit: str) -> Section:
    """Rows by length: a bar for each split, the longest bar full."""
    found = {name: split.lengths.get(unit) for name, split in splits.items()}
    bins = {(one.start, one.stop) for lengths in found.values() if lengths for one in lengths.bins}
    counts = {
        name: {one.start: one.rows for one in lengths.bins} if lengths else {}
        for name, lengths in found.items()
    }
    rows: list[list[Cell]] = []
    for start, stop in sorted(bins):
        row: list[Cell] = [_range(start, stop)]
        row += [_bar(counts[name].get(start, 0), counts[name].values()) for name in splits]
        rows.append(row)
    heading = [f"{unit} ", *(name or "rows" for name in splits)]
    return Section(f"Rows by length in {unit}", heading, rows)


def _range(start: int, stop: int) -> str:
    return f"{start:,}" if stop == start + 1 else f"{start:,} to {stop - 1:,}"


def _counts(
    title: str,
    heading: str,
    splits: "Mapping[str, SplitFigures]",
    of: "Callable[[SplitFigures], Mapping[str, int]]",
    most: int,
) -> Iterator[Section]:
    """Counts by name, the most first; nothing where there are none."""
    totals: dict[str, int] = {}
    for split in splits.values():
        for name, count in of(split).items():
            totals[name] = totals.get(name, 0) + count
    names = sorted(totals, key=lambda name: -totals[name])
    if not names:
        return
    counts = {split: of(figures) for split, figures in splits.items()}
    rows: list[list[Cell]] = [
        [name, *(_bar(counts[split].get(name, 0), counts[split].values()) for split in splits)]
        for name in names[:most]
    ]
    if len(names) > most:
        rest = [sum(counts[split].get(name, 0) for name in names[most:]) for split in splits]
        rows.append([f"({len(names) - most:,} more)", *(f"{count:,}" for count in rest)])
    yield Section(title, [heading, *(split or "rows" for split in splits)], rows)


def _bar(count: int, counts: Iterable[int]) -> Cell:
    """A count among others of its split: the highest has a full bar."""
    every = list(counts)
    total, highest = sum(every), max(every, default=0)
    return Bar(count / highest, f"{count:,} ({percent(count / total)})") if count else "0"


def _leaks(description: "Description") -> Iterator[Section]:
    rows = [
        [
            leak.split,
            leak.other,
            f"{leak.exact:,}",
            f"{leak.normalised:,}",
            percent(leak.normalised / leak.rows),
        ]
        for leak in description.leaks
    ]
    columns = ["rows of", "are also in", "same text ", "same letters and digits ", "share "]
    yield Section("Texts of one split that are in another", columns, rows)
    examples = [
        [leak.split, f"{one.row:,}", leak.other, f"{one.first_row:,}", one.text]
        for leak in description.leaks
        for one in leak.examples
    ]
    columns = ["split", "row ", "is in", "row ", "text"]
    yield Section("Some of them (rows count from 0)", columns, examples)


def _repeated(splits: "Mapping[str, SplitFigures]") -> Iterator[Section]:
    with_some = {
        name: split.repeats
        for name, split in splits.items()
        if split.repeats is not None and split.repeats.normalised
    }
    heading = _split_heading(splits)
    rows = [
        [
            *_named(splits, name),
            f"{one.exact:,}",
            f"{one.normalised:,}",
            f"{one.contradicting:,}",
        ]
        for name, one in with_some.items()
    ]
    columns = [*heading, "same text ", "same letters and digits ", "with several labels "]
    yield Section("Rows whose text an earlier row of the split has", columns, rows)
    examples = [
        [*_named(splits, name), f"{one.rows:,}", f"{one.row:,}", one.text]
        for name, repeats in with_some.items()
        for one in repeats.examples
    ]
    columns = [*heading, "rows ", "the first ", "text"]
    yield Section("The texts that come most often", columns, examples)


def _alike(description: "Description") -> Iterator[Section]:
    found = description.alike
    named = any(description.splits)
    rows = [
        [
            *([one.split, one.other] if named else []),
            f"{one.rows:,}",
            percent(one.rows / one.of_rows),
        ]
        for one in found
    ]
    heading = ["rows of", "are almost rows of"] if named else []
    title = f"Texts almost like an earlier one ({description.near or 0:g} or more of 1)"
    yield Section(title, [*heading, "rows ", "share "], rows)
    examples = [
        [
            *([one.split] if named else []),
            f"{pair.row:,}",
            pair.text,
            *([one.other] if named else []),
            f"{pair.of:,}",
            pair.of_text,
            f"{pair.similarity:.2f}",
        ]
        for one in found
        for pair in one.examples
    ]
    split = ["split"] if named else []
    columns = [*split, "row ", "text", *split, "row ", "text", "similarity "]
    yield Section("The least alike of them", columns, examples)


def _columns(splits: "Mapping[str, SplitFigures]", most: int) -> Section:
    names = list(dict.fromkeys(one.name for split in splits.values() for one in split.columns))
    rows = []
    for name in names[:most]:
        for split, figures in splits.items():
            rows += [
                [column.name, *_named(splits, split), *_column(column)]
                for column in figures.columns
                if column.name == name
            ]
    if len(names) > most:
        rows.append([f"({len(names) - most:,} more)", *_named(splits, ""), *[""] * 8])
    columns = ["column", *_split_heading(splits), "role", "type", "missing ", "different "]
    return Section("Columns", [*columns, "least ", "mean ", "median ", "greatest "], rows)


def _column(column: Column) -> list[str]:
    distinct = "" if column.distinct is None else f"{column.distinct:,}"
    told = [(column.role or "").replace("_", " "), column.kind, f"{column.missing:,}", distinct]
    if column.numbers is not None:
        one = column.numbers
        return [*told, *(number(value) for value in (one.min, one.mean, one.median, one.max))]
    if column.lengths is not None:
        length = column.lengths
        values = (length.min, length.mean, length.median, length.max)
        texts = [f"{value:,.0f}" for value in values]
        return [*told, *texts[:3], f"{texts[3]} {length.unit}"]
    return [*told, "", "", "", ""]


def number(value: float) -> str:
    """A number in a few digits."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.3f}" if 0.001 <= abs(value) < 1e6 else f"{value:.3g}"


def _units(splits: "Mapping[str, SplitFigures]") -> list[str]:
    return list(dict.fromkeys(unit for split in splits.values() for unit in split.lengths))


def _split_heading(splits: "Mapping[str, SplitFigures]") -> list[str]:
    return ["split"] if any(splits) else []


def _named(splits: "Mapping[str, SplitFigures]", name: str) -> list[str]:
    return [name] if any(splits) else []
