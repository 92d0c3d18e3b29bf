"""Writes the engine's tables of Unicode data, from Python's `unicodedata` and the exceptions to it.

    python scripts/unicode_tables.py          writes src/graft/text/engine/unicode_tables.cpp
    python scripts/unicode_tables.py --check  fails where that file is not what would be written

Both need a Python whose `unicodedata` is of version 14.0.0 (Python 3.11), as the exceptions are
said relative to it.
"""

import argparse
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

import unicode_exceptions as exceptions

OUTPUT = Path(__file__).parents[1] / "src/graft/text/engine/unicode_tables.cpp"
BASE_VERSION = "14.0.0"
VERSION = "16.0.0"  # with the exceptions, of the general category
LIMIT = 0x110000
BLOCK = 128


def words(text: str) -> list[str]:
    return text.split()


CATEGORIES = words(
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn"
)
GRAPHEMES = words(
    "Other Control Extend ZeroWidthJoiner Regional Prepend SpacingMark L V T LV LVT Pictograph "
    "Consonant Linker IndicExtend"
)
FLAGS = words(
    "white_space alphanumeric combining_mark bert_control bert_accent bert_ideograph "
    "bert_punctuation has_lower_case active_nfc active_nfd active_nfkc active_nfkd numeric"
)

Record = tuple[int, int, int, int]
Mapping = tuple[str, str, str]
Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
FORMS: tuple[Form, ...] = get_args(Form)


def read_ranges(text: str) -> set[int]:
    """The characters of ranges such as "41-5A 61"."""
    found: set[int] = set()
    for part in text.split():
        first, _, last = part.partition("-")
        found.update(range(int(first, 16), int(last or first, 16) + 1))
    return found


def may_decompose(c: int) -> bool:
    return bool(unicodedata.decomposition(chr(c))) or 0xAC00 <= c < 0xD7A4


class Unicode:
    """What the tables say of each character."""

    def __init__(self) -> None:
        self.category = [unicodedata.category(chr(c)) for c in range(LIMIT)]
        for category, ranges in exceptions.ASSIGNED_SINCE.items():
            for c in read_ranges(ranges):
                self.category[c] = category
        self.by_category: dict[str, set[int]] = {}
        for c, category in enumerate(self.category):
            self.by_category.setdefault(category, set()).add(c)
        self.lower = {c: lower for c in range(LIMIT) if (lower := chr(c).lower()) != chr(c)}
        for first, last, becomes in exceptions.LOWER_CASE_SINCE:
            self.lower.update((c, chr(becomes + c - first)) for c in range(first, last + 1))
        self.not_decomposed = read_ranges(exceptions.NOT_DECOMPOSED)
        self.combining_marks = self.apply("M", "COMBINING_MARKS")
        self.compositions = dict(self._compositions())
        self.seconds = {second for _, second in self.compositions} | self._hangul_seconds()
        self.flags = self._flags()
        self.graphemes = self._graphemes()

    def of(self, *categories: str) -> set[int]:
        """All characters whose category starts with one of these letters."""
        chosen = (found for name, found in self.by_category.items() if name.startswith(categories))
        return set().union(*chosen)

    def apply(self, category: str, name: str) -> set[int]:
        """Those of a category, but for the exceptions NO_name and name_TOO."""
        without = read_ranges(getattr(exceptions, f"NO_{name}", ""))
        return self.of(category) - without | read_ranges(getattr(exceptions, f"{name}_TOO", ""))

    def combining_class(self, c: int) -> int:
        return unicodedata.combining(chr(c)) if c in self.combining_marks else 0

    def normalized(self, form: Form, c: int) -> str:
        return chr(c) if c in self.not_decomposed else unicodedata.normalize(form, chr(c))

    def decomposition(self, form: Form, c: int) -> str:
        """The full decomposition, empty where a character is its own; Hangul's is computed."""
        if not unicodedata.decomposition(chr(c)):
            return ""
        result = self.normalized(form, c)
        return "" if result == chr(c) else result

    def is_active(self, form: Form, c: int) -> bool:
        """Whether a form may change `c`, or something before it because of it."""
        if not may_decompose(c) and c not in self.combining_marks:
            return c in self.seconds and form in ("NFC", "NFKC")
        if self.combining_class(c) or self.normalized(form, c) != chr(c):
            return True
        if form in ("NFD", "NFKD"):
            return False
        return ord(self.normalized("NFD", c)[0]) in self.seconds

    def record(self, c: int) -> Record:
        category = CATEGORIES.index(self.category[c])
        grapheme = GRAPHEMES.index(self.graphemes[c])
        return category, self.combining_class(c), grapheme, self.flags[c]

    def mapping(self, c: int) -> Mapping:
        lower = self.lower.get(c, "")
        return self.decomposition("NFD", c), self.decomposition("NFKD", c), lower

    def _compositions(self) -> Iterator[tuple[tuple[int, int], int]]:
        for c in range(LIMIT):
            parts = unicodedata.decomposition(chr(c)).split()
            if len(parts) != 2 or parts[0].startswith("<") or c in self.not_decomposed:
                continue
            if unicodedata.normalize("NFC", chr(c)) == chr(c):
                yield (int(parts[0], 16), int(parts[1], 16)), c

    @staticmethod
    def _hangul_seconds() -> set[int]:
        return {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}

    def _sets(self) -> dict[str, set[int]]:
        numbers = self.of("N")
        joined = {0x9, 0xA, 0xD}  # BERT takes these for spaces
        sets = {
            "white_space": self.of("Z") | {*range(0x9, 0xE), 0x85},
            "alphanumeric": self.of("L") | numbers | read_ranges(exceptions.ALPHABETIC_SYMBOLS),
            "combining_mark": self.combining_marks,
            "bert_control": self.of("Cc", "Cf", "Co")
            - read_ranges(exceptions.NO_BERT_CONTROLS)
            - joined
            | {0xFFFD},
            "bert_accent": self.apply("Mn", "BERT_ACCENTS"),
            "bert_ideograph": read_ranges(exceptions.BERT_IDEOGRAPHS),
            "bert_punctuation": self.apply("P", "BERT_PUNCTUATION"),
            "has_lower_case": set(self.lower),
            "numeric": numbers | read_ranges(exceptions.NUMBERS_SINCE),
        }
        for form in FORMS:
            sets[f"active_{form.lower()}"] = {c for c in range(LIMIT) if self.is_active(form, c)}
        return sets

    def _flags(self) -> list[int]:
        flags = [0] * LIMIT
        sets = self._sets()
        for bit, name in enumerate(FLAGS):
            for c in sets[name]:
                flags[c] |= 1 << bit
        return flags

    def _graphemes(self) -> list[str]:
        kinds = ["Other"] * LIMIT
        prepended = read_ranges(exceptions.PREPENDED)
        controls = self.of("Cc", "Cf", "Zl", "Zp") | read_ranges(exceptions.CONTROLS_TOO)
        controls -= read_ranges(exceptions.NO_CONTROLS) | prepended
        extending = self.of("Mn", "Me") | read_ranges(exceptions.EXTENDING_TOO)
        spacing = self.apply("Mc", "SPACING_MARKS") - extending
        kinds_of: list[tuple[str, Iterable[int]]] = [
            ("Prepend", prepended),
            ("Control", controls),
            ("IndicExtend", extending),
            ("SpacingMark", spacing),
            ("Extend", [0x200C]),
            ("ZeroWidthJoiner", [0x200D]),
            ("Linker", read_ranges(exceptions.LINKERS)),
            ("Consonant", read_ranges(exceptions.CONSONANTS)),
            ("Pictograph", read_ranges(exceptions.PICTOGRAPHS)),
            ("Regional", range(0x1F1E6, 0x1F200)),
            ("L", [*range(0x1100, 0x1160), *range(0xA960, 0xA97D)]),
            ("V", [*range(0x1160, 0x11A8), *range(0xD7B0, 0xD7C7)]),
            ("V", read_ranges(exceptions.VOWEL_LETTERS)),
            ("T", [*range(0x11A8, 0x1200), *range(0xD7CB, 0xD7FC)]),
            ("LVT", range(0xAC00, 0xD7A4)),  # the engine tells LV by arithmetic
        ]
        for kind, characters in kinds_of:
            for c in characters:
                kinds[c] = kind
        return kinds


def two_stages(values: Sequence[int]) -> tuple[list[int], list[int]]:
    """The number of each block of characters, and the values of all blocks that differ."""
    blocks: dict[tuple[int, ...], int] = {}
    numbers = [
        blocks.setdefault(tuple(values[start : start + BLOCK]), len(blocks))
        for start in range(0, LIMIT, BLOCK)
    ]
    return numbers, [value for block in blocks for value in block]


def braced(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def lay_out(mappings: Iterable[Mapping]) -> tuple[list[str], str]:
    """The mappings as rows of C++, and the pool of characters that they point into."""
    pool = ""
    rows = []
    for mapping in mappings:
        places = []
        for text in mapping:
            if text not in pool:
                pool += text
            places.append(pool.index(text))
        rows.append(braced([*places, *map(len, mapping)]))
    return rows, pool


def array(kind: str, name: str, items: Iterable[object]) -> str:
    """An array of C++, in lines of at most 110 columns."""
    lines = [""]
    for item in items:
        text = f"{item},"
        if len(lines[-1]) + len(text) + 2 > 110:
            lines.append("")
        lines[-1] += text
    body = "\n".join("  " + line for line in lines)
    return f"const {kind} {name}[] = {{\n{body}\n}};\n"


def render() -> str:
    """The whole file."""
    data = Unicode()
    records: dict[Record, int] = {}
    record_of = [records.setdefault(data.record(c), len(records)) for c in range(LIMIT)]
    mappings: dict[Mapping, int] = {("", "", ""): 0}
    mapping_of = [mappings.setdefault(data.mapping(c), len(mappings)) for c in range(LIMIT)]
    record_blocks, record_indexes = two_stages(record_of)
    mapping_blocks, mapping_indexes = two_stages(mapping_of)
    rows, pool = lay_out(mappings)
    compositions = [(*pair, c) for pair, c in sorted(data.compositions.items())]
    parts = [
        "// Written by scripts/unicode_tables.py, not to be edited: Python's unicodedata "
        f"{BASE_VERSION},\n// and what Unicode {VERSION} and reference tokenizers have otherwise.\n"
        '#include "unicode.h"\n\nnamespace graft::unicode {\n',
        f'const char* const kVersion = "{VERSION}";\n',
        "namespace tables {\n",
        array("std::uint16_t", "kRecordBlocks", record_blocks),
        array("std::uint16_t", "kRecordIndexes", record_indexes),
        array("Record", "kRecords", map(braced, records)),
        array("std::uint16_t", "kMappingBlocks", mapping_blocks),
        array("std::uint16_t", "kMappingIndexes", mapping_indexes),
        array("Mapping", "kMappings", rows),
        array("char32_t", "kPool", map(ord, pool)),
        array("Composition", "kCompositions", map(braced, compositions)),
        f"const std::size_t kCompositionCount = {len(compositions)};\n",
        "}  // namespace tables\n\n}  // namespace graft::unicode\n",
    ]
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is current")
    check = parser.parse_args().check
    if unicodedata.unidata_version != BASE_VERSION:
        sys.stderr.write(
            f"This Python's unicodedata is {unicodedata.unidata_version}; the tables are written "
            f"with {BASE_VERSION}, which Python 3.11 has.\n"
        )
        return 2
    text = render()
    if not check:
        OUTPUT.write_text(text, encoding="utf-8")
        return 0
    if OUTPUT.is_file() and OUTPUT.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{OUTPUT} is not current; run python scripts/unicode_tables.py.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
