"""`graft evaluate`: how good is a trained model on some data?"""

from typing import Annotated

import typer

from graft.cli.options import Data, Label, Precision, Text, TextPair, TrainedModel
from graft.cli.output import Json, print_json, results


def evaluate(
    model: TrainedModel,
    data: Data,
    split: Annotated[
        str | None, typer.Option(help="The split to evaluate on: test, or the only one there is.")
    ] = None,
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Evaluate a trained model on a split: accuracy, F1, and figures for each label.

    Examples:

    [bold]graft evaluate me/answers me/questions[/]

    [bold]graft evaluate reviews-model reviews.csv --json[/]
    """
    from dataclasses import asdict

    from graft.data.load import load_dataset
    from graft.tasks.pipeline import pipeline

    splits = load_dataset(data, text=text, text_pair=text_pair, label=label)
    if split is None:
        split = next(iter(splits)) if len(splits) == 1 else "test"
    dataset = splits[split]
    found = pipeline(model, precision=precision).evaluate(dataset, split=split)
    if json:
        print_json(asdict(found))
    else:
        results().print(found)
