"""How a tokenizer splits texts: shown token by token, and in figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from rich.text import Text

from graft.text.tokenizer import Tokenizer

_COLOURS = ("black on cyan", "black on yellow", "black on green", "black on magenta")
_UNKNOWN = "white on red"
_CONTROLS = {
    **{code: 0x2400 + code for code in range(0x20)},
    ord("\n"): 0x21B5,
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}
_TEXTS_AT_ONCE = 1000

Cut = Literal["token", "unknown", "between"]
"""What a piece of a text is."""


@dataclass(frozen=True)
class Fertility:
    """How well a vocabulary suits texts.

    Attributes:
        texts: How many there are.
        words: Runs of characters between white space.
        tokens: Without special ones.
        unknown: Tokens that stand for what the vocabulary cannot spell.
    """

    texts: int
    words: int
    tokens: int
    unknown: int

    def __add__(self, other: "Fertility") -> "Fertility":
        return Fertility(
            self.texts + other.texts,
            self.words + other.words,
            self.tokens + other.tokens,
            self.unknown + other.unknown,
        )

    @property
    def tokens_per_word(self) -> float:
        """How many pieces a word is cut into, on average."""
        return self.tokens / self.words if self.words else 0.0

    @property
    def share_unknown(self) -> float:
        """Unknown tokens among all: 0 to 1."""
        return self.unknown / self.tokens if self.tokens else 0.0


def measure(tokenizer: Tokenizer, texts: Iterable[str]) -> Fertility:
    """Counts the tokens and words of texts, some at a time."""
    unknown_id = tokenizer.unknown_id
    count = words = tokens = unknown = 0
    source = iter(texts)
    while rows := list(islice(source, _TEXTS_AT_ONCE)):
        batch = tokenizer.encode_batch(rows, add_special_tokens=False)
        count += len(rows)
        words += sum(len(text.split()) for text in rows)
        tokens += len(batch.ids)
        unknown += int((batch.ids == unknown_id).sum()) if unknown_id is not None else 0
    return Fertility(count, words, tokens, unknown)


def cut(tokenizer: Tokenizer, text: str) -> list[tuple[str, Cut]]:
    """A text cut as its tokens are: pieces that, laid end to end, are the text.

    White space that no token stands for is a piece too, and so is a character that several tokens
    share. Special tokens are left out.
    """
    found = tokenizer(text)
    pieces: list[tuple[str, Cut]] = []
    end = 0
    for token_id, (start, stop), special in zip(found.ids, found.spans, found.special, strict=True):
        if special or stop <= end:
            continue
        if start > end:
            pieces.append((text[end:start], "between"))
        kind: Cut = "unknown" if token_id == tokenizer.unknown_id else "token"
        pieces.append((text[max(start, end) : stop], kind))
        end = stop
    if end < len(text):
        pieces.append((text[end:], "between"))
    return pieces


def coloured(tokenizer: Tokenizer, text: str) -> Text:
    """A text with its tokens in turns of colours, unknown ones in red."""
    shown = Text()
    number = 0
    for piece, kind in cut(tokenizer, text):
        if kind == "token":
            shown.append(_visible(piece), _COLOURS[number % len(_COLOURS)])
            number += 1
        else:
            shown.append(_visible(piece), _UNKNOWN if kind == "unknown" else "")
    return shown


def marked(tokenizer: Tokenizer, text: str) -> Text:
    """A text with `|` between tokens that touch, and unknown ones in double brackets."""
    shown = Text()
    before: Cut = "between"
    for piece, kind in cut(tokenizer, text):
        if kind != "between" and before != "between":
            shown.append("|")
        shown.append(f"\u27e6{_visible(piece)}\u27e7" if kind == "unknown" else _visible(piece))
        before = kind
    return shown


def _visible(text: str) -> str:
    """Line ends as arrows, and other controls, which a terminal would obey, as signs for them."""
    return text.translate(_CONTROLS)
