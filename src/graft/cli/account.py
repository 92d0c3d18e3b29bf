"""`graft login` and `graft whoami`: who you are on a hub."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from graft.cli.output import Json, notices, print_json, results


def login(
    token: Annotated[
        str | None,
        typer.Option(help="The access token. Left out, it is asked for, or read from a pipe."),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="The hub's address; HF_ENDPOINT when left out.")
    ] = None,
    json: Json = False,
) -> None:
    """Log in to a hub with an access token.

    The token is checked with the hub, then kept where huggingface_hub keeps it, so your other tools
    are logged in too. Your hub's administrator makes one with `graft hub token create NAME`, or you
    make one on the hub's page /settings/tokens.

    Examples:

    [bold]graft login --endpoint http://127.0.0.1:8080[/]

    [bold]graft login < token.txt[/]
    """
    from graft.hub.client import hub_endpoint, login

    if token is None and not sys.stdin.isatty():
        token = sys.stdin.readline()
    account = login(token, endpoint=endpoint)
    if json:
        print_json(asdict(account))
        return
    results().print(f"Logged in to {account.endpoint} as {account.name}.", markup=False)
    if account.endpoint != hub_endpoint():
        notices().print(
            f"To use this hub from now on: export HF_ENDPOINT={account.endpoint}", markup=False
        )


def whoami(json: Json = False) -> None:
    """Show the account you are logged in as, and on which hub.

    Examples:

    [bold]graft whoami[/]

    [bold]graft whoami --json[/]
    """
    from graft.hub.client import whoami

    account = whoami()
    if json:
        print_json(asdict(account))
        return
    results().print(f"{account.name} on {account.endpoint}", markup=False)
    if account.role:
        results().print(
            f"token {account.token_name or '(unnamed)'}, which may {account.role}", markup=False
        )
