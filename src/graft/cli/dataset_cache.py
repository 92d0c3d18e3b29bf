"""`graft dataset cache`: what was computed once and kept, why a step hit or missed, clearing it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.output import Json, notices, print_json, print_table, results

if TYPE_CHECKING:
    from graft.data.cache.folder import Stored

cache_app = typer.Typer(
    help="Steps that were computed once and kept: list, explain, clear.", no_args_is_help=True
)

Step = Annotated[str | None, typer.Option(help="Only steps of this name, such as map.")]


@cache_app.command("list")
def list_(step: Step = None, json: Json = False) -> None:
    """List the steps that are kept, the last used first.

    Examples:

    [bold]graft dataset cache list[/]

    [bold]graft dataset cache list --step map --json[/]
    """
    from graft.data.cache import cache_folder, entries, size_limit

    found = entries(step=step)
    if json:
        print_json([_as_json(entry) for entry in found])
        return
    if found:
        print_table(
            ("step", "rows", "size", "made", "last used", "fingerprint"),
            [_as_row(entry) for entry in found],
        )
    total = sum(entry.bytes for entry in found)
    notices().print(
        f"{_steps(len(found))}, {_size(total)}, in {cache_folder()}; "
        f"it may grow to {_size(size_limit())} (GRAFT_CACHE_SIZE)"
    )


@cache_app.command()
def explain(
    step: Step = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 20,
    json: Json = False,
) -> None:
    """Tell why the latest steps hit or missed: which part of a step was another one.

    Examples:

    [bold]graft dataset cache explain[/]

    [bold]graft dataset cache explain --step tokenize --limit 5 --json[/]
    """
    from dataclasses import asdict

    from graft.data.cache import explain

    found = explain(limit, step=step)
    if json:
        print_json([asdict(look) for look in found])
    else:
        results().print(found)


@cache_app.command()
def clear(
    older_than: Annotated[
        str | None, typer.Option(help="Only what was not used for so long, such as 12h or 7d.")
    ] = None,
    step: Step = None,
    json: Json = False,
) -> None:
    """Remove what is kept, except what a process reads or writes just now.

    Examples:

    [bold]graft dataset cache clear[/]

    [bold]graft dataset cache clear --older-than 7d --step map[/]
    """
    from dataclasses import asdict

    from graft.data.cache import clear

    done = clear(older_than, step=step)
    if json:
        print_json(asdict(done))
        return
    kept = f"; {done.in_use} in use were left" if done.in_use else ""
    results().print(f"Removed {_steps(done.entries)}, {_size(done.bytes)}{kept}.")


def _steps(number: int) -> str:
    return f"{number:,} step{'' if number == 1 else 's'}"


def _as_row(entry: "Stored") -> tuple[str, ...]:
    from graft.data.cache.history import ago

    about = entry.about
    size = _size(entry.bytes)
    return (
        about.step,
        f"{about.rows:,}",
        size,
        ago(about.created),
        ago(entry.used),
        about.fingerprint,
    )


def _as_json(entry: "Stored") -> dict[str, Any]:
    about = entry.about
    return {
        "fingerprint": about.fingerprint,
        "step": about.step,
        "rows": about.rows,
        "bytes": entry.bytes,
        "created": about.created,
        "used": entry.used,
        "seconds": about.seconds,
        "tables": {table.name: table.rows for table in about.tables},
        "parts": dict(about.parts),
    }


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
