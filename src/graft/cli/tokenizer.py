"""`graft tokenizer`: train a tokenizer, encode texts, and see how texts are split."""

from functools import reduce
from operator import add
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.options import Text
from graft.cli.output import Json, notices, print_json, print_table, results

if TYPE_CHECKING:
    from graft.cli.text_sources import TextFile
    from graft.text.inspecting import Fertility
    from graft.text.tokenizer import Tokenizer

_MOST_SHOWN = 500  # characters of a text

tokenizer_app = typer.Typer(help="Train, use and inspect tokenizers.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="A tokenizer: a folder or an id on the hub.")]
Texts = Annotated[
    list[str],
    typer.Argument(help="Text files, data sets (CSV, Parquet, ids), folders of them, patterns."),
]


@tokenizer_app.callback()
def _group() -> None:
    """Train, use and inspect tokenizers."""


@tokenizer_app.command()
def train(
    sources: Texts,
    output: Annotated[Path, typer.Option(help="The folder to write the tokenizer to.")],
    kind: Annotated[
        str, typer.Option(help="wordpiece, bpe, byte-level-bpe or unigram.")
    ] = "byte-level-bpe",
    vocab_size: Annotated[int, typer.Option(min=1, help="Tokens, special ones included.")] = 30_000,
    min_frequency: Annotated[int, typer.Option(min=0, help="Rarer pairs are not joined.")] = 2,
    limit_alphabet: Annotated[
        int | None, typer.Option(min=1, help="Different characters to keep.")
    ] = None,
    special: Annotated[
        list[str] | None, typer.Option(help="Special tokens, in place of the kind's own.")
    ] = None,
    cased: Annotated[bool, typer.Option(help="WordPiece keeps upper case and accents.")] = False,
    text: Text = None,
) -> None:
    """Learn a vocabulary from texts.

    Examples:

    [bold]graft tokenizer train reviews.csv --kind wordpiece --output my-tokenizer[/]
    """
    from rich.progress import Progress

    from graft.cli.text_sources import text_files
    from graft.text.tokenizer import Tokenizer

    files = [file for source in sources for file in text_files(source, text)]
    console = notices()
    # Where nobody watches, not even the empty line that a bar leaves.
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("Learning", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        made = Tokenizer.train(
            (row for file in files for row in file.texts()),
            kind,  # type: ignore[arg-type]  # checked there
            vocab_size=vocab_size,
            min_frequency=min_frequency,
            limit_alphabet=limit_alphabet,
            special_tokens=special or None,
            lowercase=not cased,
            progress=show,
        )
    made.save_pretrained(output)
    notices().print(f"{made.vocab_size} tokens in {output}")


@tokenizer_app.command()
def encode(
    tokenizer: Source,
    texts: Annotated[list[str], typer.Argument(help="Texts.")],
    max_length: Annotated[int | None, typer.Option(help="Cut to this many tokens.")] = None,
    json: Json = False,
) -> None:
    """Print the tokens and ids of texts.

    Examples:

    [bold]graft tokenizer encode me/question-sorter "Who wrote Hamlet?"[/]
    """
    from graft.text.tokenizer import Tokenizer

    loaded = Tokenizer.from_pretrained(tokenizer)
    found = loaded.encode_batch(texts, max_length=max_length)
    rows = [[int(token_id) for token_id in row] for row in found]
    if json:
        print_json(
            [
                {"text": text, "ids": row, "tokens": [loaded.id_to_token(i) for i in row]}
                for text, row in zip(texts, rows, strict=True)
            ]
        )
        return
    for row in rows:
        print_table(["token", "id"], [(str(loaded.id_to_token(i)), str(i)) for i in row])


@tokenizer_app.command()
def inspect(
    tokenizer: Source,
    sources: Texts,
    show: Annotated[int, typer.Option(min=0, help="How many texts of each file to show.")] = 3,
    text: Text = None,
    json: Json = False,
) -> None:
    """Show how texts are split, and whether the vocabulary suits them.

    In a terminal, tokens take turns in colours and unknown ones are red; elsewhere, a bar stands
    between tokens and unknown ones are in double brackets. The table has a row for each file. A
    vocabulary that suits has about 1.1 to 1.5 tokens a word and next to nothing unknown.

    Examples:

    [bold]graft tokenizer inspect me/minilm reviews.csv[/]

    [bold]graft tokenizer inspect me/minilm 'notes/**/*.txt' --show 1[/]
    """
    from graft.cli.text_sources import text_files
    from graft.text.inspecting import measure
    from graft.text.tokenizer import Tokenizer

    loaded = Tokenizer.from_pretrained(tokenizer)
    files = [file for source in sources for file in text_files(source, text)]
    found = [(file, measure(loaded, file.texts())) for file in files]
    if json:
        print_json(
            [
                {
                    "file": file.name,
                    "column": file.column,
                    "texts": one.texts,
                    "words": one.words,
                    "tokens": one.tokens,
                    "unknown": one.unknown,
                    "tokens_per_word": one.tokens_per_word,
                    "share_unknown": one.share_unknown,
                }
                for file, one in found
            ]
        )
        return
    _show_splits(loaded, files, show)
    _print_figures(found)


def _show_splits(tokenizer: "Tokenizer", files: "list[TextFile]", count: int) -> None:
    """The first texts of each file as they are split: in colours, or with marks where none are."""
    from itertools import islice

    from rich.text import Text

    from graft.text.inspecting import coloured, marked

    console = results()
    plain = console.no_color or not console.is_terminal
    for file in files if count else ():
        if len(files) > 1:
            console.print(Text(f"{file.name}:", "bold"), soft_wrap=True)
        texts = (row for row in file.texts() if row.strip())
        for row in islice(texts, count):
            start = row if len(row) <= _MOST_SHOWN else row[:_MOST_SHOWN].rsplit(None, 1)[0] + " …"
            console.print((marked if plain else coloured)(tokenizer, start), soft_wrap=True)
            console.print()


def _print_figures(found: "list[tuple[TextFile, Fertility]]") -> None:
    rows = [(file.name, file.column, one) for file, one in found]
    if len(found) > 1:
        rows.append(("all", "", reduce(add, (one for _, one in found))))
    print_table(
        ["file", "column", "texts", "words", "tokens", "tokens per word", "unknown"],
        [
            (
                name,
                column,
                f"{one.texts:,}",
                f"{one.words:,}",
                f"{one.tokens:,}",
                f"{one.tokens_per_word:.2f}",
                f"{one.share_unknown:.2%}",
            )
            for name, column, one in rows
        ],
    )
