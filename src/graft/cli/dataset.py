"""`graft dataset show`: what a data set holds, before anything is trained on it."""

from typing import Annotated

import typer

from graft.cli.dataset_cache import cache_app
from graft.cli.options import Data, Label, Text, TextPair
from graft.cli.output import Json, print_json, results

dataset_app = typer.Typer(help="Look at data sets.", no_args_is_help=True)
dataset_app.add_typer(cache_app, name="cache")


@dataset_app.callback()
def _group() -> None:
    """Look at data sets."""


@dataset_app.command()
def show(
    source: Data,
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit on the hub.")] = None,
    config: Annotated[str | None, typer.Option(help="A configuration that the card lists.")] = None,
    json: Json = False,
) -> None:
    """Show splits, columns with their roles, and labels with their counts.

    Examples:

    [bold]graft dataset show reviews.csv[/]

    [bold]graft dataset show me/questions --label fine_label --json[/]
    """
    from graft.data.load import load_dataset
    from graft.data.show import as_json

    data = load_dataset(
        source, text=text, text_pair=text_pair, label=label, revision=revision, config=config
    )
    if json:
        print_json(as_json(data))
    else:
        results().print(data)
