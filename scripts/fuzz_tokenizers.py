"""Compares Graft's tokenizers with their oracles on random Unicode: ids, and spans where known.

Oracles are the `tokenizers` package, and `sentencepiece` for `.model` files. The strings come from
a seed: all planes, combining marks, zero-width characters, right-to-left text, emoji sequences,
controls, white space of all kinds, the tokenizers' own words, and mixtures of these.

    python scripts/fuzz_tokenizers.py --count 1000000 --seed 0
"""

import argparse
import random
import sys
import time
from pathlib import Path

import numpy as np

from oracles import Subject, subjects

ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u180e"
SPACES = " \t\n\r\x0b\x0c\x1c\x85\xa0\u1680\u2000\u2003\u2028\u2029\u202f\u205f\u3000"
EMOJI = ["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "1️⃣", "🧑🏿‍🚀", "❤️", "☺️", "🏴󠁧󠁢󠁳󠁣󠁴󠁿"]
WORDS = [
    "Don't",
    "we'LL",
    "HELLO",
    "naïve",
    "İstanbul",
    "straße",
    "ﬁne",
    "ﷺ",
    "Å",
    "가각",
    "각",
    "한국어",
    "東京",
    "ไทย",
    "हिन्दी",
    "العربية",
    "עִבְרִית",
    "ǅ",
    "ΑΣ",
    "x²",
    "½",
    "①",
    "12345",
    "3.14",
    "[CLS]",
    "[MASK]",
    "<s>",
    "</s>",
    "<unk>",
    "<|endoftext|>",
    "##ing",
    "▁",
    "Ġ",
    "...",
    "--",
    "e\u0301",
]
RANGES = [
    (0x20, 0x7F),
    (0x80, 0x250),
    (0x300, 0x370),
    (0x370, 0x600),
    (0x600, 0x900),
    (0x900, 0x1200),
    (0x1100, 0x1200),
    (0x1E00, 0x2100),
    (0x2000, 0x2C00),
    (0x2E80, 0x3400),
    (0x3400, 0xA000),
    (0xA000, 0xD800),
    (0xE000, 0x10000),
    (0x10000, 0x20000),
    (0x1F000, 0x1FB00),
    (0x20000, 0x31350),
    (0xE0000, 0xE0200),
    (0xF0000, 0x110000),
]


def random_text(source: random.Random) -> str:
    """One string, mostly short."""
    parts = []
    for _ in range(source.choice((0, 1, 1, 2, 3, 5, 8, 13))):
        kind = source.randrange(8)
        if kind == 0:
            parts.append(source.choice(SPACES) * source.randint(1, 3))
        elif kind == 1:
            parts.append(source.choice(WORDS))
        elif kind == 2:
            parts.append(source.choice(EMOJI))
        elif kind == 3:
            parts.append(source.choice(ZERO_WIDTH))
        elif kind == 4:
            parts.append("".join(chr(source.randrange(0, 0x20)) for _ in range(2)))
        elif kind == 5:
            parts.append("".join(source.choices("abcdefghijklmnop TESTING,.'!?0123", k=8)))
        else:
            first, end = source.choice(RANGES)
            codes = [source.randrange(first, end) for _ in range(source.randint(1, 6))]
            parts.append("".join(chr(code) for code in codes if not 0xD800 <= code < 0xE000))
    return "".join(parts)


def differences(subject: Subject, texts: list[str]) -> list[tuple[str, object, object]]:
    """The texts on which a tokenizer and its oracle differ, with what each says."""
    batch = subject.ours.encode_batch(texts, spans=subject.has_spans)
    found = []
    for row, (text, expected) in enumerate(zip(texts, subject.oracle(texts), strict=True)):
        place = slice(batch.offsets[row], batch.offsets[row + 1])
        ids = batch.ids[place].tolist()
        spans = None
        if subject.has_spans and batch.spans is not None:
            spans = [tuple(span) for span in batch.spans[place].tolist()]
        if (ids, spans) != expected:
            found.append((text, expected, (ids, spans)))
    return found


def main() -> int:
    """Runs the comparison; returns how many differences there are, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="strings, for each tokenizer")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="tokenizers whose name has this in it")
    data = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=data)
    options = parser.parse_args()
    total = 0
    for subject in subjects(options.data):
        if options.only not in subject.name:
            continue
        source = random.Random(options.seed)
        started, count = time.perf_counter(), 0
        for start in range(0, options.count, 10_000):
            size = min(10_000, options.count - start)
            texts = [random_text(source) for _ in range(size)]
            for text, expected, found in differences(subject, texts):
                count += 1
                if count <= 5:
                    print(f"{subject.name}: {text!a}\n  oracle {expected}\n  Graft  {found}")
        seconds = time.perf_counter() - started
        print(f"{subject.name}: {options.count} strings, {count} differences, {seconds:.0f} s")
        total += count
    return int(total > 0)


if __name__ == "__main__":
    np.seterr(all="raise")
    sys.exit(main())
