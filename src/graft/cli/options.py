"""Options that several commands share, so that they mean and say the same everywhere."""

from typing import Annotated, Literal

import typer

Data = Annotated[str, typer.Argument(help="A file, a folder, or a data set's id on the hub.")]
TrainedModel = Annotated[str, typer.Argument(help="A trained model: a folder or an id on the hub.")]
Text = Annotated[str | None, typer.Option(help="The column of texts.")]
TextPair = Annotated[str | None, typer.Option(help="The column of second texts.")]
Label = Annotated[str | None, typer.Option(help="The column of labels.")]
Precision = Annotated[
    Literal["auto", "fp32", "bf16"], typer.Option(help="The format of matrix products.")
]
