"""The command line's root: its groups, and what an error looks like to a user.

Command modules are imported at start-up and keep heavy imports (PyTorch, Arrow, the server) inside
the functions that need them, so that `graft --help` is quick.
"""

import errno
import os
import sys
import traceback
from typing import Annotated

import typer

from graft import __version__
from graft.cli import (
    account,
    dataset,
    demo,
    evaluate,
    hub,
    hub_people,
    hub_upkeep,
    predict,
    search,
    tokenizer,
    train,
)
from graft.cli.output import print_error
from graft.errors import GraftError

# What a full disk, a missing permission or a read-only folder says: the user's to put right.
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}

app = typer.Typer(
    name="graft",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Set HF_ENDPOINT to the address of your hub, for example http://127.0.0.1:8080.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graft {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Transfer learning for text, end to end, on a hub of your own."""


app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(predict.predict)
app.add_typer(hub.hub_app, name="hub")
hub.hub_app.add_typer(hub_people.org_app, name="org")
for upkeep in (
    hub_upkeep.fsck,
    hub_upkeep.gc,
    hub_upkeep.backup,
    hub_upkeep.restore,
    hub_upkeep.stats,
):
    hub.hub_app.command()(upkeep)
app.command()(account.login)
app.command()(account.whoami)
app.add_typer(search.search_app, name="search")
app.add_typer(dataset.dataset_app, name="dataset")
app.add_typer(tokenizer.tokenizer_app, name="tokenizer")
app.command()(demo.demo)


def main() -> None:
    """Runs the command line and exits.

    Exit codes: 0 done; 1 a bug in Graft; 2 input or a request that was refused; 130 interrupted.
    `GRAFT_DEBUG=1` adds the traceback to any error.
    """
    # Threads that wait by spinning bring training to a crawl where another program wants a core;
    # to be said before PyTorch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    as_json = "--json" in sys.argv[1:]
    try:
        sys.exit(app(prog_name="graft", standalone_mode=False) or 0)
    except GraftError as error:
        _fail(str(error), error.exit_code, as_json)
    except typer.TyperException as error:
        if not error.format_message():
            sys.exit(2)  # a group without a command: its help has been printed
        _fail(_usage_message(error), 2, as_json)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130, as_json)
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            _fail_unexpectedly(error, as_json)
        place = f"{error.filename}: " if error.filename else ""
        _fail(f"{place}{error.strerror}. Free some space or use another folder.", 2, as_json)
    except Exception as error:
        _fail_unexpectedly(error, as_json)


def _usage_message(error: typer.TyperException) -> str:
    """What was wrong with the arguments, and where the right ones are told."""
    context: typer.Context | None = getattr(error, "ctx", None)
    hint = f"\nSee: {context.command_path} --help" if context else ""
    return f"{error.format_message()}{hint}"


def _fail(message: str, code: int, as_json: bool) -> None:
    if os.environ.get("GRAFT_DEBUG") == "1":
        traceback.print_exc()
    print_error(message, as_json=as_json)
    sys.exit(code)


def _fail_unexpectedly(error: Exception, as_json: bool) -> None:
    message = (
        f"{type(error).__name__}: {error}\n"
        "This is a bug in Graft. Run the command again with GRAFT_DEBUG=1 to see where, "
        "and report it."
    )
    _fail(message, 1, as_json)
