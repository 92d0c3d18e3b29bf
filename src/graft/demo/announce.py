"""What a visitor reads while the demo runs: each step in words, with the code that does it."""

from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.text import Text


def announce(console: Console, number: int, title: str, source: str, language: str) -> None:
    """Prints a step's number and title, and the lines that do it.

    Args:
        console: Where to.
        number: The step's place in the journey, from 1.
        title: What it does, in plain words.
        source: Its code.
        language: What the code is written in: "python" or "shell".
    """
    console.print()
    console.print(Rule(Text(f"{number}. {title}", style="bold"), align="left", characters="─"))
    code = Syntax(source, language, theme="ansi_dark", background_color="default", word_wrap=True)
    console.print(Padding(code, (0, 0, 1, 2), expand=False))
