"""Writes the table of Unicode's scripts that descriptions of data sets read.

    python scripts/script_tables.py          writes src/graft/data/describe/script_table.py
    python scripts/script_tables.py --check  fails where that file is not what would be written

Letters and marks count for their script, digits for none. The package `regex`, which comes with the
tests' peers, says which script a character is of.
"""

import argparse
import sys
import textwrap
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import regex

OUTPUT = Path(__file__).parents[1] / "src/graft/data/describe/script_table.py"
LINE = 100
LONGEST = LINE - 10  # in a line of its own
WIDTH = LINE - 12
SCRIPTS = " ".join(
    (
        "Latin Cyrillic Greek Arabic Hebrew Han Hiragana Katakana Hangul Bopomofo Devanagari",
        "Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Khmer",
        "Myanmar Tibetan Ethiopic Georgian Armenian Mongolian Cherokee Canadian_Aboriginal Syriac",
        "Thaana Nko Tifinagh",
    )
).split()
OTHER = "other scripts"
DIGITS = "digits"
OF_SCRIPT = {name: regex.compile(rf"\p{{Script={name}}}") for name in SCRIPTS}
OF_NONE = regex.compile(r"[\p{Script=Common}\p{Script=Inherited}]")


def kind(code: int) -> str:
    """What a character counts for: a script, "digits", or "" for nothing."""
    character = chr(code)
    category = unicodedata.category(character)
    if category.startswith("N"):
        return DIGITS
    if category[0] not in "LM" or OF_NONE.match(character):
        return ""
    return next((name for name in SCRIPTS if OF_SCRIPT[name].match(character)), OTHER)


def ranges() -> Iterator[tuple[str, int, int]]:
    """Ranges of characters that count for the same: kind, first, last; unassigned ones go along."""
    assigned = (
        code for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) != "Cn"
    )
    for name, group in groupby(assigned, kind):
        codes = list(group)
        if name:
            yield name, codes[0], codes[-1]


def table() -> str:
    """The module."""
    found: dict[str, list[str]] = {name: [] for name in (*SCRIPTS, OTHER, DIGITS)}
    for name, first, last in ranges():
        found[name].append(f"{first:X}" if first == last else f"{first:X}-{last:X}")
    lines = ['"""Characters by script: scripts/script_tables.py writes this."""', "", "RANGES = {"]
    for name, texts in found.items():
        text = " ".join(texts)
        width = WIDTH if len(text) > LONGEST else LONGEST
        parts = textwrap.wrap(text, width, break_on_hyphens=False)
        parts = [f'"{part} "' for part in parts[:-1]] + [f'"{parts[-1]}"']
        key = f'    "{name.replace("_", " ")}":'
        if len(parts) == 1 and len(key) + len(text) + 4 <= LINE:
            lines.append(f"{key} {parts[0]},")
        else:
            lines += [f"{key} (", *(f"        {part}" for part in parts), "    ),"]
    return "\n".join([*lines, "}", ""])


def main() -> None:
    """Writes the file, or checks it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    content = table()
    if not check:
        OUTPUT.write_text(content)
    elif OUTPUT.read_text() != content:
        sys.exit(f"{OUTPUT} is not what this script writes: run it without --check.")


if __name__ == "__main__":
    main()
