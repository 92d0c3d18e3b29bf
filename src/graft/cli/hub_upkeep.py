"""`graft hub fsck`, `gc`, `backup`, `restore` and `stats`: keeping a hub in order.

All but `restore` work while it serves.
"""

from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.hub import Data, open_hub
from graft.cli.output import Json, notices, print_json, print_table, results

if TYPE_CHECKING:
    from graft.server.upkeep.findings import Report

# What a check that found problems ends with: what it was asked about cannot be relied on.
FOUND_PROBLEMS = 2

Folder = Annotated[Path, typer.Argument(help="The backup's folder.", file_okay=False)]


def fsck(
    data: Data = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every byte, and take every hash anew.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Put right what can be put right.")
    ] = False,
    json: Json = False,
) -> None:
    """Check that a hub is whole: git, large files and tables, each and against each other.

    Ends with 0 where it is, and with 2 where a problem is left.

    Examples:

    [bold]graft hub fsck[/]

    [bold]graft hub fsck --deep --repair --data /srv/graft[/]
    """
    hub = open_hub(data)
    from graft.server.upkeep.fsck import check

    report = check(hub, deep=deep, repair=repair, notify=_notify)
    hub.close()
    if json:
        print_json(asdict(report) | {"clean": report.is_clean})
    else:
        _show(report)
    if not report.is_clean:
        raise typer.Exit(FOUND_PROBLEMS)


def gc(
    data: Data = None,
    unused_days: Annotated[
        float,
        typer.Option(
            "--unused-days", min=0, help="What nobody sent or asked for since so many days may go."
        ),
    ] = 28.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    git: Annotated[bool, typer.Option(help="Pack git repositories, too.")] = True,
    json: Json = False,
) -> None:
    """Delete what nothing leads to any more: large files that no commit names, parts of uploads
    that broke off, deleted repositories, old objects of git.

    The hub may serve meanwhile. Xet clients remember for three weeks what they sent, and refer to
    it without asking: fewer days are for hubs that nobody uploads to by Xet.

    Examples:

    [bold]graft hub gc --dry-run[/]

    [bold]graft hub gc --unused-days 90 --data /srv/graft[/]
    """
    hub = open_hub(data)
    from graft.server.upkeep.garbage import collect

    age = timedelta(days=unused_days)
    freed = collect(hub, unused_for=age, dry_run=dry_run, git=git, notify=_notify)
    hub.close()
    if json:
        print_json(asdict(freed) | {"dry_run": dry_run})
        return
    print_table(
        ["would be deleted" if dry_run else "deleted", "count", "bytes"],
        [
            ["large files that no commit of a repository names", str(freed.links), ""],
            ["large files that no repository has", str(freed.objects), ""],
            ["xorbs of which no file is made", str(freed.xorbs), _size(freed.xorb_bytes)],
            ["files of writes that were cut off", str(freed.stray), _size(freed.stray_bytes)],
            ["parts of unfinished uploads", str(freed.uploads), _size(freed.upload_bytes)],
            ["git repositories without a row", str(freed.folders), ""],
            ["git repositories packed", str(freed.packed), ""],
        ],
    )
    for text in freed.damaged:
        notices().print(f"Not touched, for it cannot be read: {text}", markup=False)


def backup(folder: Folder, data: Data = None, json: Json = False) -> None:
    """Copy a whole hub into a folder: tables, git repositories, large files.

    The hub may serve meanwhile. Into the same folder again, only what is new is copied.

    Examples:

    [bold]graft hub backup /backups/hub[/]

    [bold]graft hub backup /backups/hub --data /srv/graft[/]
    """
    hub = open_hub(data)
    from graft.server.upkeep.backup import back_up

    copied = back_up(hub, folder, _notify)
    hub.close()
    if json:
        print_json(asdict(copied))
        return
    found = copied.manifest
    results().print(
        f"{folder} holds the hub as of {found.made_at}: {found.repositories} repositories and "
        f"{_size(found.bytes)} of large files. New were {copied.new_repositories} repositories "
        f"and {_size(copied.new_bytes)}.",
        markup=False,
    )


def restore(
    folder: Folder,
    data: Data = None,
    deep: Annotated[
        bool, typer.Option(help="Read every byte of what was restored, to check it.")
    ] = True,
    json: Json = False,
) -> None:
    """Make a new hub of a backup, and check it.

    It may keep its data elsewhere than the old one did: set GRAFT_DATABASE_URL and
    GRAFT_STORAGE_URL. Ends with 2 where the check finds a problem.

    Example:

    [bold]graft hub restore /backups/hub --data /srv/new-graft[/]
    """
    hub = open_hub(data, create=True)
    from graft.server.upkeep.restore import restore as fill

    restored = fill(hub, folder, deep=deep, notify=_notify)
    hub.close()
    if json:
        clean = {"clean": restored.report.is_clean}
        print_json(asdict(restored) | clean)
    else:
        results().print(f"Restored the backup of {restored.manifest.made_at}.", markup=False)
        _show(restored.report)
    if not restored.report.is_clean:
        raise typer.Exit(FOUND_PROBLEMS)


def stats(
    data: Data = None,
    git: Annotated[
        bool, typer.Option("--git", help="Count the bytes of git repositories, too.")
    ] = False,
    largest: Annotated[int, typer.Option(min=0, help="How many repositories to name.")] = 10,
    json: Json = False,
) -> None:
    """Count what a hub holds.

    Examples:

    [bold]graft hub stats[/]

    [bold]graft hub stats --git --json[/]
    """
    hub = open_hub(data)
    from graft.server.upkeep.stats import collect

    found = collect(hub, git=git, largest=largest)
    hub.close()
    if json:
        print_json(asdict(found) | {"dedup_ratio": found.dedup_ratio})
        return
    rows = [
        ["accounts", str(found.accounts)],
        *([kind, str(count)] for kind, count in found.repositories.items()),
        ["of them private", str(found.private)],
        ["downloads", str(found.downloads)],
        ["large files, each once", f"{found.objects}, {_size(found.unique_bytes)}"],
        ["as repositories hold them", _size(found.logical_bytes)],
        ["as they are stored", f"{found.xorbs} xorbs, {_size(found.stored_bytes)}"],
        ["stored bytes are used", f"{found.dedup_ratio:.2f} times"],
    ]
    if found.git_bytes is not None:
        rows.append(["git repositories", _size(found.git_bytes)])
    print_table(["", ""], rows)
    if found.largest:
        print_table(
            ["largest", "kind", "newest files", "all large files"],
            [[r.name, r.kind, _size(r.size), _size(r.stored)] for r in found.largest],
        )


def _show(report: "Report") -> None:
    for problem in report.problems:
        done = "repaired: " if problem.repaired else ""
        results().print(f"{done}{problem.where}: {problem.text} [{problem.kind}]", markup=False)
    for note in report.notes:
        notices().print(f"note: {note}", markup=False)
    left = sum(not problem.repaired for problem in report.problems)
    results().print(
        f"Looked at {report.repositories} repositories, {report.pointers} pointers, "
        f"{report.objects} large files and {report.xorbs} xorbs: "
        + (f"{left} problems." if left else "all is sound."),
        markup=False,
    )


def _notify(text: str) -> None:
    notices().print(text, markup=False)


def _size(count: int) -> str:
    """Bytes for people."""
    from graft.server.web.rendering import human_bytes

    return human_bytes(count)
