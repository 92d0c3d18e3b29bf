"""`graft evaluate`: how good is a trained model on some data?"""

from typing import Annotated

import typer

from graft.cli.output import Json, print_json, results


def evaluate(
    model: Annotated[str, typer.Argument(help="A trained model: a folder or an id on the hub.")],
    data: Annotated[str, typer.Argument(help="A file, a folder, or a data set's id on the hub.")],
    split: Annotated[str, typer.Option(help="The split to evaluate on.")] = "test",
    text: Annotated[str | None, typer.Option(help="The column of texts.")] = None,
    text_pair: Annotated[str | None, typer.Option(help="The column of second texts.")] = None,
    label: Annotated[str | None, typer.Option(help="The column of labels.")] = None,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
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
