"""`graft evaluate`: how good is a trained model on some data?"""

from typing import Annotated

import typer

from graft.cli.options import Data, Label, Precision, Text, TextPair, TrainedModel
from graft.cli.output import Json, print_json, results


def evaluate(
    model: TrainedModel,
    data: Data,
    split: Annotated[str, typer.Option(help="The split to evaluate on.")] = "test",
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Evaluate a trained model on a split: accuracy, F1, and figures for each label.

    Examples:

    [bold]graft evaluate me/answers me/questions[/]

    [bold]graft evaluate reviews-model reviews.csv --split train --json[/]
    """
    from dataclasses import asdict

    from graft.data.load import load_dataset
    from graft.tasks.pipeline import pipeline

    dataset = load_dataset(data, split=split, text=text, text_pair=text_pair, label=label)
    found = pipeline(model, precision=precision).evaluate(dataset, split=split)
    if json:
        print_json(asdict(found))
    else:
        results().print(found)
