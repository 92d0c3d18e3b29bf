"""`graft predict`: what does a trained model answer?"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from graft.cli.options import Precision, TrainedModel
from graft.cli.output import Json, print_json, print_table
from graft.errors import DataError, TaskError


def predict(
    model: TrainedModel,
    texts: Annotated[list[str] | None, typer.Argument(help="The texts to answer.")] = None,
    pair: Annotated[
        list[str] | None, typer.Option(help="The second text of each, for models that read pairs.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="A file of texts, one a line; '-' is standard input.")
    ] = None,
    precision: Precision = "auto",
    json: Json = False,
) -> None:
    """Answer texts with a trained model: the likeliest label and its probability.

    Examples:

    [bold]graft predict me/answers "Who wrote Hamlet?" "How far is the moon?"[/]

    [bold]graft predict reviews-model --file new-reviews.txt --json[/]
    """
    from dataclasses import asdict

    from graft.tasks.pipeline import pipeline

    inputs = _inputs(texts or [], pair or [], file)
    answers = pipeline(model, precision=precision)(inputs)
    if json:
        shown = zip(inputs, answers, strict=True)
        print_json([{"input": given, **asdict(answer)} for given, answer in shown])
        return
    print_table(
        ["answer", "score", "text"],
        [
            [", ".join(answer.labels) or "-", f"{answer.score:.3f}", _one_line(given)]
            for given, answer in zip(inputs, answers, strict=True)
        ],
    )


def _inputs(texts: list[str], pairs: list[str], file: Path | None) -> list[Any]:
    """The texts of the command line, or of a file, with their pairs where given."""
    if bool(texts) == (file is not None):
        raise TaskError(
            "Give texts, or --file FILE with one text a line ('-' reads standard input)."
        )
    if file is not None:
        texts = _lines(file)
    if pairs and len(pairs) != len(texts):
        raise TaskError(
            f"There are {len(texts)} texts and {len(pairs)} of --pair: give one for each."
        )
    return list(zip(texts, pairs, strict=True)) if pairs else texts


def _lines(file: Path) -> list[str]:
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig").removesuffix("\n")
        # Not splitlines, which also breaks at characters that a text may hold, such as U+2028.
        lines = [line.removesuffix("\r") for line in text.split("\n")]
    except FileNotFoundError:
        raise DataError(f"There is no file {file}.") from None
    except IsADirectoryError:
        raise DataError(f"{file} is a folder. Give a file with one text a line.") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8: byte {error.start} is {content[error.start]:#04x}. "
            "Convert it first, for example with iconv -f latin1 -t utf8."
        ) from None
    if not any(lines):
        raise DataError(f"{file} has no text in it.")
    return lines


def _one_line(given: Any) -> str:
    text = " | ".join(given) if isinstance(given, tuple) else given
    return text if len(text) <= 100 else text[:97] + "..."
