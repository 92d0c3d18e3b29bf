"""`graft dataset`: what a data set holds, before anything is trained on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.dataset_cache import cache_app
from graft.cli.options import Data, Label, Text, TextPair
from graft.cli.output import Json, notices, print_json, results

if TYPE_CHECKING:
    from graft.data.dataset import DatasetDict

dataset_app = typer.Typer(help="Look at data sets.", no_args_is_help=True)
dataset_app.add_typer(cache_app, name="cache")

Revision = Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")]
Config = Annotated[str | None, typer.Option(help="A configuration that the card lists.")]
Split = Annotated[str | None, typer.Option(help="Only this split.")]


@dataset_app.callback()
def _group() -> None:
    """Look at data sets."""


@dataset_app.command()
def show(
    source: Data,
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    revision: Revision = None,
    config: Config = None,
    split: Split = None,
    rows: Annotated[int, typer.Option(min=0, help="Show the first rows, so many.")] = 5,
    json: Json = False,
) -> None:
    """Show splits, columns with their roles, labels with their counts, and the first rows.

    Examples:

    [bold]graft dataset show reviews.csv[/]

    [bold]graft dataset show me/questions --split test --rows 20[/]

    [bold]graft dataset show me/questions --label fine_label --json[/]
    """
    from graft.data.first_rows import as_json as rows_as_json
    from graft.data.first_rows import as_table
    from graft.data.show import as_json

    data = _load(source, text, text_pair, label, revision, config, split)
    if json:
        print_json({**as_json(data), "rows": rows_as_json(data, rows)})
        return
    results().print(data)
    if rows:
        results().print(as_table(data, rows))


@dataset_app.command()
def stats(
    source: Data,
    tokenizer: Annotated[
        str | None, typer.Option(help="Count tokens too: a folder, a file or an id on the hub.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Rows of more tokens are too long.")
    ] = None,
    near: Annotated[
        float | None,
        typer.Option(help="Find texts that are almost the same too: 0.8 finds small changes."),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page to this file.")] = None,
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    revision: Revision = None,
    config: Config = None,
    split: Split = None,
    json: Json = False,
) -> None:
    """Show lengths, label balance, scripts, repeated texts, texts of two splits, and columns.

    Examples:

    [bold]graft dataset stats reviews.csv[/]

    [bold]graft dataset stats me/questions --tokenizer me/minilm --max-length 128[/]

    [bold]graft dataset stats me/questions --near 0.8 --html report.html[/]
    """
    data = _load(source, text, text_pair, label, revision, config, split)
    counting = None
    if tokenizer is not None:
        from graft.text.tokenizer import Tokenizer

        counting = Tokenizer.from_pretrained(tokenizer)
    found = data.describe(counting, max_length=max_length, near=near)
    if html is not None:
        found.save_html(html)
        notices().print(f"Wrote {html}", markup=False)
    if json:
        print_json(found.as_dict())
    elif html is None:
        results().print(found)


def _load(
    source: str,
    text: str | None,
    text_pair: str | None,
    label: str | None,
    revision: str | None,
    config: str | None,
    split: str | None,
) -> "DatasetDict":
    """All splits, or the one that is asked for."""
    from graft.data.dataset import DatasetDict
    from graft.data.load import load_dataset

    data = load_dataset(
        source, text=text, text_pair=text_pair, label=label, revision=revision, config=config
    )
    if split is None:
        return data
    return DatasetDict({split: data[split]}, source=data.source, metadata=data.metadata)
