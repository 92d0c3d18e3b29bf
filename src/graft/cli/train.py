"""`graft train`: from a data set and a pretrained model to a trained one."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.options import Data, Label, Precision, Text, TextPair
from graft.cli.output import Json, notices, print_json, results

if TYPE_CHECKING:
    from graft.train.learner import Learner


def train(
    task: Annotated[str, typer.Argument(help="The task, such as text-classification.")],
    data: Data,
    base: Annotated[str, typer.Option(help="The pretrained model: a folder or an id.")],
    output: Annotated[Path | None, typer.Option(help="The folder to save the model in.")] = None,
    push: Annotated[str | None, typer.Option(help="The repository to share it in.")] = None,
    private: Annotated[bool, typer.Option(help="Make that repository private.")] = False,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training rows.")] = 3,
    rate: Annotated[float, typer.Option("--rate", "--lr", help="Peak learning rate.")] = 1e-4,
    schedule: Annotated[str, typer.Option(help="one-cycle, linear or constant.")] = "linear",
    batch_size: Annotated[int, typer.Option(min=1, help="Rows in a batch, on average.")] = 16,
    accumulate: Annotated[int, typer.Option(min=1, help="Batches for each update.")] = 1,
    max_length: Annotated[int | None, typer.Option(help="Cut rows to so many tokens.")] = None,
    subset: Annotated[float | None, typer.Option(help="Train on this share of the rows.")] = None,
    balanced: Annotated[bool, typer.Option(help="Let rare labels weigh as much.")] = False,
    precision: Precision = "auto",
    seed: Annotated[int, typer.Option(help="Decides everything that is random.")] = 0,
    text: Text = None,
    text_pair: TextPair = None,
    label: Label = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of the base.")] = None,
    quiet: Annotated[bool, typer.Option(help="No progress display.")] = False,
    json: Json = False,
) -> None:
    """Fine-tune a pretrained model, evaluate it, and save or share it.

    The figures are of the test split where it has labels, else of the validation split.

    Examples:

    [bold]graft train text-classification reviews/ --base me/minilm --output reviews-model[/]

    [bold]graft train text-classification me/questions --base me/minilm --push me/answers --json[/]
    """
    from graft.data.load import load_dataset
    from graft.train.learner import Learner
    from graft.train.validation import split_to_report

    _check_places(output, push)
    dataset = load_dataset(data, text=text, text_pair=text_pair, label=label)
    if not (quiet or json):
        notices().print(dataset)
    learn = Learner(
        task,
        dataset,
        base,
        batch_size=batch_size,
        max_length=max_length,
        subset=subset,
        class_weights="balanced" if balanced else None,
        precision=precision,
        seed=seed,
        revision=revision,
        progress=not quiet,
    )
    split = split_to_report(learn.data)
    learn.encoded(split)  # so that rows that cannot be evaluated are found before training
    learn.fit(epochs, rate, schedule=schedule, accumulate=accumulate)
    learn.evaluate(split)
    _finish(learn, split, output, push, private=private, json=json)


def _check_places(output: Path | None, push: str | None) -> None:
    """Finds out before training what would stand in the way of saving or sharing after it."""
    from graft.errors import TaskError

    if output is None and push is None:
        raise TaskError(
            "Where should the model go? Give --output FOLDER, --push OWNER/NAME, or both."
        )
    if output is not None:
        place = next(p for p in (output.absolute(), *output.absolute().parents) if p.exists())
        if not place.is_dir():
            raise TaskError(f"--output {output}: {place} is a file. Give a folder.")
        if not os.access(place, os.W_OK):
            raise TaskError(f"--output {output}: you may not write in {place}. Give another one.")
    if push is not None:
        from graft.hub.client import whoami
        from graft.hub.names import check_repo_id

        check_repo_id(push)
        whoami()


def _finish(
    learn: "Learner",
    split: str,
    output: Path | None,
    push: str | None,
    *,
    private: bool,
    json: bool,
) -> None:
    """Saves, shares and tells."""
    from dataclasses import asdict

    if output is not None:
        learn.save(output)
    page = learn.push_to_hub(push, private=private) if push is not None else None
    found = learn.evaluations[split]
    if json:
        print_json(
            {
                "task": learn.task.name,
                "labels": learn.task.labels,
                "output": output,
                "page": page,
                "fits": learn.record.fits,
                "epochs": learn.record.epochs,
                "evaluation": asdict(found),
            }
        )
        return
    results().print(found)
    for place in (output, page):
        if place is not None:
            results().print(f"saved in {place}" if place is output else f"shared at {place}")
