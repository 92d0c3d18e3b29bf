"""Schemes of tags for words: how B, I, E, S and O mark where labelled spans begin and end.

- IOB1 (also IOB): I in a span; B only where it begins right after another one of its kind.
  Ramshaw and Marcus, "Text chunking using transformation-based learning", 1995.
- IOB2 (also BIO): every span begins with B. Tjong Kim Sang and Veenstra, "Representing text
  chunks", 1999.
- BIOES (also IOBES), and the same in other letters, BILOU and BMES: the last word of a span has a
  letter of its own, and so has a span of one word. Ratinov and Roth, "Design challenges and
  misconceptions in named entity recognition", 2009.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graft.errors import DataError

OUTSIDE, BEGIN, INSIDE, END, SINGLE = range(5)
"""What a word is to a span, whatever the scheme's letter for it."""

_LETTERS = {
    "IOB1": {INSIDE: "I", BEGIN: "B"},
    "IOB2": {BEGIN: "B", INSIDE: "I"},
    "BIOES": {BEGIN: "B", INSIDE: "I", END: "E", SINGLE: "S"},
    "BILOU": {BEGIN: "B", INSIDE: "I", END: "L", SINGLE: "U"},
    "BMES": {BEGIN: "B", INSIDE: "M", END: "E", SINGLE: "S"},
}
_OTHER_NAMES = {"IOB": "IOB1", "BIO": "IOB2", "IOBES": "BIOES", "BIESO": "BIOES"}
_PLACES = {letter: place for letters in _LETTERS.values() for place, letter in letters.items()}
_TAG = re.compile(r"([BIESLUM])(?:([-_:])(.+))?", re.DOTALL)
_OUTSIDE_TAG = "O"

SCHEMES = tuple(_LETTERS)
"""The names of the schemes."""


@dataclass(frozen=True)
class Tagset:
    """The tags of a column, taken apart. A tag is "O", or a letter and the label of a span.

    Attributes:
        names: the tags as they are written.
        letters: the letter of each.
        places: `int8[tags]`, what each says of a word: OUTSIDE, BEGIN, INSIDE, END or SINGLE.
        kinds: `int32[tags]`, the label of each as a number in `labels`; -1 for "O".
        labels: the labels of spans, in the order in which they first occur.
        separator: what stands between letter and label.
    """

    names: list[str]
    letters: list[str]
    places: npt.NDArray[np.int8]
    kinds: npt.NDArray[np.int32]
    labels: list[str]
    separator: str

    def of_scheme(self, scheme: str) -> npt.NDArray[np.bool_]:
        """Whether each is a tag of a scheme: `bool[tags]`."""
        letters = {_OUTSIDE_TAG, *_LETTERS[scheme].values()}
        return np.array([letter in letters for letter in self.letters], np.bool_)

    def numbers(self, scheme: str, names: Sequence[str]) -> npt.NDArray[np.int32]:
        """Where a scheme's tags for the labels are among `names`: `int32[labels + 1, places]`.

        -1 where there is none such. The places are the numbers of OUTSIDE, BEGIN and so on; the
        last line is for words outside, which have the tag 0.
        """
        position = {name: number for number, name in enumerate(names)}
        table = np.full((len(self.labels) + 1, SINGLE + 1), -1, np.int32)
        table[-1] = 0
        for kind, label in enumerate(self.labels):
            for place, letter in _LETTERS[scheme].items():
                name = f"{letter}{self.separator}{label}" if label else letter
                table[kind, place] = position.get(name, -1)
        return table


def ends_have_letters(scheme: str) -> bool:
    """Whether the last word of a span has a letter of its own in a scheme."""
    return END in _LETTERS[scheme]


def scheme_named(name: str) -> str:
    """The scheme that a name means, such as IOB2 for "bio". Raises `DataError` for any other."""
    upper = name.upper()
    found = _OTHER_NAMES.get(upper, upper)
    if found not in _LETTERS:
        raise DataError(f"There is no tag scheme {name!r}. There are: {', '.join(SCHEMES)}.")
    return found


def tagset_of(names: Iterable[str]) -> Tagset | None:
    """The tags taken apart; None where they are not of any scheme (parts of speech, say)."""
    written = list(names)
    parts = [("O", "", "") if name == _OUTSIDE_TAG else _parse(name) for name in written]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    inside = [part for part in known if part[0] != _OUTSIDE_TAG]
    labels = list(dict.fromkeys(label for _, _, label in inside))
    number = {label: position for position, label in enumerate(labels)}
    return Tagset(
        names=written,
        letters=[letter for letter, _, _ in known],
        places=np.array([_PLACES.get(letter, OUTSIDE) for letter, _, _ in known], np.int8),
        kinds=np.array([-1 if a == "O" else number[c] for a, _, c in known], np.int32),
        labels=labels,
        separator=next((separator for _, separator, _ in inside if separator), "-"),
    )


def schemes_by_letters(letters: Iterable[str]) -> list[str]:
    """The schemes that have all these letters, those with the fewest others first."""
    wanted = set(letters) - {_OUTSIDE_TAG}
    fitting = [name for name in SCHEMES if wanted <= set(_LETTERS[name].values())]
    return sorted(fitting, key=lambda name: len(_LETTERS[name]))


def tag_names(labels: Iterable[str], scheme: str, separator: str = "-") -> list[str]:
    """Every tag that a scheme has for these labels: "O", then B, I, E, S of a label at a time."""
    letters = _LETTERS[scheme]
    names = [_OUTSIDE_TAG]
    order = [letters[place] for place in (BEGIN, INSIDE, END, SINGLE) if place in letters]
    for label in labels:
        names += [f"{letter}{separator}{label}" if label else letter for letter in order]
    return names


def in_order(names: Iterable[str]) -> list[str] | None:
    """Tags in the order that classes have: "O" first, then B, I, E, S of a label at a time.

    None where they are of no scheme.
    """
    tags = tagset_of(names)
    if tags is None or not tags.labels:
        return None
    by_label = [tags.labels[kind] if kind >= 0 else "" for kind in tags.kinds.tolist()]
    ranks = zip(tags.places.tolist(), by_label, tags.names, strict=True)
    ordered = sorted(ranks, key=lambda rank: (rank[0] != OUTSIDE, rank[1], rank[0]))
    return [name for _, _, name in ordered]


def _parse(name: str) -> tuple[str, str, str] | None:
    """Letter, separator and label."""
    match = _TAG.fullmatch(name)
    return None if match is None else (match[1], match[2] or "", match[3] or "")
