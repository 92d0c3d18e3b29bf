"""`graft tokenizer`: train a tokenizer, encode texts, and see how texts are split."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from graft.cli.options import Text
from graft.cli.output import Json, notices, print_json, print_table, results

tokenizer_app = typer.Typer(help="Train, use and inspect tokenizers.", no_args_is_help=True)

Source = Annotated[str, typer.Argument(help="A tokenizer: a folder or an id on the hub.")]
Texts = Annotated[list[str], typer.Argument(help="Text files, or data sets (CSV, Parquet, ids).")]


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

    from graft.text.tokenizer import Tokenizer

    with Progress(console=notices(), transient=True) as progress:
        task = progress.add_task("Learning", total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        made = Tokenizer.train(
            (row for source in sources for row in _rows(source, text)),
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
    show: Annotated[int, typer.Option(min=0, help="How many texts of each to show.")] = 3,
    text: Text = None,
    json: Json = False,
) -> None:
    """Show how texts are split, and whether the vocabulary suits them.

    Tokens per word and the share of unknown tokens tell: a vocabulary that suits has about 1.1 to
    1.5 tokens a word and next to nothing unknown.

    Examples:

    [bold]graft tokenizer inspect me/minilm reviews.csv[/]
    """
    from itertools import islice

    from graft.text.inspecting import coloured, measure
    from graft.text.tokenizer import Tokenizer

    loaded = Tokenizer.from_pretrained(tokenizer)
    found = {source: measure(loaded, _rows(source, text)) for source in sources}
    if json:
        print_json(
            {
                source: {
                    "texts": one.texts,
                    "words": one.words,
                    "tokens": one.tokens,
                    "tokens_per_word": one.tokens_per_word,
                    "share_unknown": one.share_unknown,
                }
                for source, one in found.items()
            }
        )
        return
    for source in sources:
        for row in islice(_rows(source, text), show):
            results().print(coloured(loaded, row))
    print_table(
        ["source", "texts", "words", "tokens", "tokens per word", "unknown"],
        [
            (
                source,
                f"{one.texts:,}",
                f"{one.words:,}",
                f"{one.tokens:,}",
                f"{one.tokens_per_word:.2f}",
                f"{one.share_unknown:.2%}",
            )
            for source, one in found.items()
        ],
    )


def _rows(source: str, column: str | None) -> Iterator[str]:
    """The texts of a source: the lines of a text file, or a data set's column of texts."""
    path = Path(source)
    if path.is_file() and path.suffix.lower() in (".txt", ".md", ".rst"):
        from graft.errors import DataError

        with path.open(encoding="utf-8") as file:
            try:
                yield from (line.rstrip("\n") for line in file)
            except UnicodeDecodeError as error:
                raise DataError(f"{path} is not UTF-8 text: {error.reason}.") from error
        return
    from graft.data.load import load_dataset

    data = load_dataset(source, text=column)
    for split in data.values():
        name = split.roles.text
        if name is not None:
            yield from split[name]
