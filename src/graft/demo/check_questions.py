"""Checks the demo's questions: `python -m graft.demo.check_questions [FOLDER] [--against CSV ...]`.

Finds what would make the data set dishonest: questions that are there twice or nearly twice, within
a split, across splits or in another data set; questions that are one frame with a word swapped;
openings and endings that return too often in a class; classes that are too small.
Exit code 0 when nothing was found, 1 with every finding listed, 2 when a file cannot be read.
"""

import argparse
import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from graft.errors import DataError

FOLDER = Path(__file__).parent / "questions"
LABELS = ("abbreviation", "description", "entity", "human", "location", "number")
MINIMUM = {"train": 90, "test": 25}  # questions a class

WORD_JACCARD = 0.6  # two questions whose sets of words overlap this much are the same question
TRIGRAM_JACCARD = 0.5  # the same for their sets of three characters, which sees typos and plurals
SWAPPED_WORDS = 2  # "what does ... stand for": up to this many words in a row differ,
FRAME_WORDS = 4  # and at least this many are shared
EDGE_LIMIT = 3  # how often a class may open with the same 4 words, or end with the same 3
OPENING, ENDING = 4, 3
WORDS = (2, 40)  # the shortest and the longest question, in words
CONTRACTION = re.compile(r"\b(what|who|where|when|how)\s?'?s\b")
LONGEST_RUN = 8  # rows of one class in a row: more means that a file is not shuffled


@dataclass(frozen=True)
class Question:
    """One row of a CSV file; `line` is the line it ends on, counted from 1."""

    file: str
    line: int
    text: str
    label: str

    @property
    def words(self) -> list[str]:
        """The words in lower case, "what's" as "what is", without punctuation."""
        text = CONTRACTION.sub(r"\1 is", self.text.lower())
        return re.findall(r"[a-z0-9]+", text.replace("'", ""))

    @property
    def trigrams(self) -> set[str]:
        """Every three characters in a row of the words joined by spaces."""
        text = f" {' '.join(self.words)} "
        return {text[i : i + 3] for i in range(len(text) - 2)}

    def __str__(self) -> str:
        return f'{self.file}:{self.line} [{self.label}] "{self.text}"'


def read_questions(path: Path) -> list[Question]:
    """The rows of a CSV file with the columns `text` and `label` (others are left out).

    Raises DataError naming file and line: no such file or column, not UTF-8, a ragged row.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file, strict=True)
            header = next(rows, [])
            missing = [name for name in ("text", "label") if name not in header]
            if missing:
                raise DataError(
                    f"{path} has no column {missing[0]!r}: its first line must name `text` and "
                    f"`label`, and names {', '.join(header) or 'nothing'}."
                )
            text, label = header.index("text"), header.index("label")
            questions = []
            for row in rows:
                if len(row) != len(header):
                    raise DataError(
                        f"{path}, line {rows.line_num}: {len(row)} columns instead of "
                        f"{len(header)}. Put a text that holds a comma in double quotes."
                    )
                questions.append(Question(path.name, rows.line_num, row[text], row[label]))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}): save it as UTF-8.") from error
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: {error}. Check the quotes.") from error
    return questions


def find_repeats(questions: Sequence[Question], others: Sequence[Question] = ()) -> Iterator[str]:
    """Duplicates and near-duplicates among `questions`, and between them and `others`."""
    everything = [*questions, *others]
    words = _jaccard(len(questions), [set(q.words) for q in everything])
    trigrams = _jaccard(len(questions), [q.trigrams for q in everything])
    close = (words >= WORD_JACCARD) | (trigrams >= TRIGRAM_JACCARD)
    for row, question in enumerate(questions):
        for column in np.flatnonzero(close[row]):
            if column > row:
                other = everything[column]
                kind = "duplicate" if question.words == other.words else "near-duplicate"
                figures = f"words {words[row, column]:.2f}, trigrams {trigrams[row, column]:.2f}"
                yield f"{kind} ({figures}):\n  {question}\n  {other}"


def _jaccard(rows: int, sets: Sequence[set[str]]) -> NDArray[np.float32]:
    """Shared parts over all parts of each pair: float32 `[rows, len(sets)]`."""
    columns = {part: n for n, part in enumerate(sorted(set().union(*sets)))}
    parts = np.zeros((len(sets), len(columns)), dtype=np.float32)
    for row, members in enumerate(sets):
        parts[row, [columns[member] for member in members]] = 1
    sizes = parts.sum(axis=1)
    shared = parts[:rows] @ parts.T
    together = sizes[:rows, None] + sizes[None, :] - shared
    overlap: NDArray[np.float32] = shared / np.maximum(together, 1)
    return overlap


def find_frames(questions: Iterable[Question]) -> Iterator[str]:
    """Questions that become the same when a word or two in a row are taken out of each."""
    frames: defaultdict[tuple[tuple[str, ...], tuple[str, ...]], list[Question]] = defaultdict(list)
    for question in questions:
        words = tuple(question.words)
        for width in range(1, SWAPPED_WORDS + 1):
            if len(words) - width >= FRAME_WORDS:
                for start in range(len(words) - width + 1):
                    frames[words[:start], words[start + width :]].append(question)
    reported: set[frozenset[Question]] = set()
    for (before, after), members in frames.items():
        different = frozenset(members)
        if len(different) > 1 and different not in reported:
            reported.add(different)
            frame = " ".join([*before, "...", *after])
            yield f'frame "{frame}":' + "".join(f"\n  {member}" for member in _in_order(different))


def _in_order(questions: Iterable[Question]) -> list[Question]:
    """In the order of file and line."""
    return sorted(questions, key=lambda question: (question.file, question.line))


def find_habits(questions: Iterable[Question]) -> Iterator[str]:
    """Openings and endings that return more than EDGE_LIMIT times within a class."""
    edges: defaultdict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in questions:
        words = question.words
        if len(words) >= OPENING:
            edges[question.label, " ".join(words[:OPENING]) + " ..."].append(question)
            edges[question.label, "... " + " ".join(words[-ENDING:])].append(question)
    for (label, edge), members in edges.items():
        if len(members) > EDGE_LIMIT:
            listing = "".join(f"\n  {member}" for member in members)
            yield f'{len(members)} questions of {label} share "{edge}":{listing}'


def find_bad_rows(questions: Iterable[Question]) -> Iterator[str]:
    """Rows with an unknown label, stray white space, or a length that no question has."""
    for question in questions:
        if question.label not in LABELS:
            yield f"unknown label (known: {', '.join(LABELS)}):\n  {question}"
        if question.text != " ".join(question.text.split()):
            yield f"stray white space:\n  {question}"
        if not WORDS[0] <= len(question.words) <= WORDS[1]:
            yield f"{len(question.words)} words, not {WORDS[0]} to {WORDS[1]}:\n  {question}"


def find_imbalance(split: str, questions: Sequence[Question]) -> Iterator[str]:
    """Classes with fewer questions than MINIMUM, and rows that are sorted by class."""
    counts = Counter(question.label for question in questions)
    for label in LABELS:
        if counts[label] < MINIMUM[split]:
            yield f"{split}: {counts[label]} questions of {label}, not {MINIMUM[split]} or more"
    for label, run in groupby(questions, key=lambda question: question.label):
        length = len(list(run))
        if length > LONGEST_RUN:
            yield f"{split}: {length} rows of {label} in a row: shuffle the file"


def check(folder: Path, against: Iterable[Path] = ()) -> list[str]:
    """Everything wrong with `train.csv` and `test.csv` in `folder`: empty when all is well.

    Raises DataError when a file cannot be read.
    """
    splits = {split: read_questions(folder / f"{split}.csv") for split in MINIMUM}
    questions = [question for rows in splits.values() for question in rows]
    others = [question for path in against for question in read_questions(path)]
    findings = [
        finding for split, rows in splits.items() for finding in find_imbalance(split, rows)
    ]
    findings += find_bad_rows(questions)
    findings += find_repeats(questions, others)
    findings += find_frames(questions)
    findings += find_habits(questions)
    return findings


def summary(folder: Path) -> str:
    """Questions a class and their lengths in words, a line for each split and class."""
    lines = [f"{'split':6} {'label':13} questions  words: shortest median longest"]
    for split in MINIMUM:
        rows = read_questions(folder / f"{split}.csv")
        for label in sorted({row.label for row in rows}):
            lengths = [len(row.words) for row in rows if row.label == label]
            figures = f"{min(lengths):15} {median(lengths):6g} {max(lengths):7}"
            lines.append(f"{split:6} {label:13} {len(lengths):9} {figures}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m graft.demo.check_questions",
        description="Check the demo's questions for repeats, templates and balance.",
    )
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    parser.add_argument(
        "--against",
        type=Path,
        nargs="+",
        default=[],
        metavar="CSV",
        help="other data sets (columns text and label) that must hold none of the questions",
    )
    options = parser.parse_args(arguments)
    try:
        findings = check(options.folder, options.against)
        print(summary(options.folder))
    except DataError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    print(*findings, sep="\n", end="\n" if findings else "")
    print(f"{len(findings)} findings" if findings else "Nothing found.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
