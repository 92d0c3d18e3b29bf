"""How a tokenizer splits texts: shown token by token, and in figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from rich.text import Text

from graft.text.tokenizer import Tokenizer

_COLOURS = ("black on cyan", "black on yellow", "black on green", "black on magenta")
_TEXTS_AT_ONCE = 1000


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


def coloured(tokenizer: Tokenizer, text: str) -> Text:
    """A text with its tokens in turns of colours, unknown ones in red."""
    found = tokenizer(text)
    shown = Text()
    end = number = 0
    for token_id, (start, stop), special in zip(found.ids, found.spans, found.special, strict=True):
        if special or stop <= end:
            continue
        shown.append(text[end:start] if start > end else "")
        unknown = token_id == tokenizer.unknown_id
        style = "white on red" if unknown else _COLOURS[number % len(_COLOURS)]
        shown.append(text[max(start, end) : stop].replace("\n", "\u21b5"), style)
        end, number = stop, number + 1
    shown.append(text[end:])
    return shown
