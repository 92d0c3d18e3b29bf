"""`graft search models` and `graft search datasets`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.output import Json, notices, print_json, print_table

if TYPE_CHECKING:
    from graft.hub.client import Found

search_app = typer.Typer(help="Find models and data sets on a hub.", no_args_is_help=True)

Words = Annotated[list[str] | None, typer.Argument(help="Words of the name, the tags or the card.")]
Task = Annotated[str | None, typer.Option(help="Only this task, such as text-classification.")]
Language = Annotated[str | None, typer.Option(help="Only this language, such as en.")]
Author = Annotated[str | None, typer.Option(help="Only this owner's.")]
Limit = Annotated[int, typer.Option(min=1, help="At most so many.")]


@search_app.command()
def models(
    words: Words = None,
    task: Task = None,
    language: Language = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only models trained on this data set.")
    ] = None,
    library: Annotated[str | None, typer.Option(help="Only this library, such as graft.")] = None,
    author: Author = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Find models by words, task, language, data set, library or owner.

    Examples:

    [bold]graft search models minilm[/]

    [bold]graft search models --task text-classification --dataset me/questions --json[/]
    """
    from graft.hub.client import search_models

    found = search_models(
        " ".join(words or []),
        task=task,
        language=language,
        dataset=dataset,
        library=library,
        author=author,
        limit=limit,
    )
    _show("models", found, json)


@search_app.command()
def datasets(
    words: Words = None,
    task: Task = None,
    language: Language = None,
    author: Author = None,
    limit: Limit = 20,
    json: Json = False,
) -> None:
    """Find data sets by words, task, language or owner.

    Examples:

    [bold]graft search datasets questions[/]

    [bold]graft search datasets --language en --limit 5 --json[/]
    """
    from graft.hub.client import search_datasets

    found = search_datasets(
        " ".join(words or []), task=task, language=language, author=author, limit=limit
    )
    _show("data sets", found, json)


def _show(kind: str, found: "list[Found]", json: bool) -> None:
    if json:
        print_json([asdict(item) for item in found])
        return
    if not found:
        notices().print(f"No {kind} found. Use fewer words or filters.", markup=False)
        return
    print_table(
        ["name", "task", "language", "license", "downloads", "updated"],
        [
            [
                f"{item.id} (private)" if item.private else item.id,
                ", ".join(item.tasks),
                ", ".join(item.languages),
                item.license or "",
                str(item.downloads),
                item.updated[:10] if item.updated else "",
            ]
            for item in found
        ],
    )
