"""`graft hub`: running a Hub, and its accounts and tokens."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from graft.cli.output import Json, notices, print_json, print_table, results
from graft.errors import HubError, MissingExtraError

if TYPE_CHECKING:
    from graft.server.hub import Hub
    from graft.server.settings import Settings

hub_app = typer.Typer(
    no_args_is_help=True,
    help="Run a hub of your own, and look after its accounts and tokens.",
    epilog="First: graft hub serve. Then, in another terminal: graft hub user add YOUR_NAME",
)
user_app = typer.Typer(no_args_is_help=True, help="The accounts of a hub.")
token_app = typer.Typer(no_args_is_help=True, help="The access tokens of an account.")
hub_app.add_typer(user_app, name="user")
hub_app.add_typer(token_app, name="token")

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="The hub's data folder; GRAFT_DATA_FOLDER, or ./graft-hub, when left out.",
        file_okay=False,
    ),
]
Name = Annotated[str, typer.Argument(help="The account's name.")]
RoleOption = Annotated[
    Literal["read", "write"], typer.Option(help="What the token may do on the hub.")
]
Days = Annotated[
    int | None,
    typer.Option("--expires-in-days", min=1, help="When it ends; never, when left out."),
]


@hub_app.command()
def serve(
    data: Data = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen at; 0.0.0.0 for all. [127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port to listen at. [8080]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that answer requests. [1]")
    ] = None,
) -> None:
    """Run a hub until you press Ctrl-C.

    All it keeps lies in one folder; `graft hub backup` copies it, also while the hub serves.
    Everything else can be set in the environment: GRAFT_PUBLIC_URL, GRAFT_ALLOW_SIGN_UP,
    GRAFT_MAX_OBJECT_BYTES, ...

    Examples:

    [bold]graft hub serve[/]

    [bold]graft hub serve --data /srv/graft --host 0.0.0.0 --port 8080[/]
    """
    settings = _settings(data, host=host, port=port, workers=workers)
    from graft.server.runtime.serving import serve

    serve(settings, announce=lambda url, accounts: _announce(settings, url, accounts))


@user_app.command("add")
def add_user(
    name: Name,
    data: Data = None,
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, instead of making one.")
    ] = False,
    full_name: Annotated[str, typer.Option(help="The name to show beside the account's.")] = "",
    json: Json = False,
) -> None:
    """Make an account, and print its password for the pages and a token that may write.

    Both are shown only now; the token alone goes to standard output.

    Examples:

    [bold]graft hub user add ada[/]

    [bold]graft hub user add ada --password --full-name "Ada Lovelace"[/]
    """
    secret = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        if password
        else token_urlsafe(12)
    )
    hub = open_hub(data, create=True)
    from graft.server.people import accounts

    account = accounts.create_account(hub, name, password=secret, full_name=full_name)
    _, token = accounts.create_token(hub, account, name="first token", role="write")
    hub.close()
    made = {} if password else {"password": secret}
    if json:
        print_json({"name": account.name, "token": token, "role": "write"} | made)
        return
    if made:
        notices().print(f"The password to log in with on the pages: {secret}", markup=False)
    _print_secret(f"Made the account {account.name}. Its token, shown only now:", token)


@user_app.command("list")
def list_users(data: Data = None, json: Json = False) -> None:
    """List the accounts.

    Example:

    [bold]graft hub user list[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts

    found = accounts.list_accounts(hub)
    hub.close()
    if json:
        print_json(
            [
                {"name": a.name, "full_name": a.full_name, "created_at": a.created_at.isoformat()}
                for a in found
            ]
        )
        return
    print_table(
        ["name", "full name", "since"],
        [[a.name, a.full_name, f"{a.created_at:%Y-%m-%d}"] for a in found],
    )


@token_app.command("create")
def create_token(
    account: Name,
    data: Data = None,
    name: Annotated[str | None, typer.Option(help="What to call it; the date if left out.")] = None,
    role: RoleOption = "write",
    expires_in_days: Days = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            help="Make a fine-grained token that may do only this; repeat it for more places. "
            "PLACE: PERMISSION, ... where the place is a repository, an owner, or * for all."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Make another token for an account. It is shown only now.

    Examples:

    [bold]graft hub token create ada[/]

    [bold]graft hub token create ada --role read --expires-in-days 30 --name "the build server"[/]

    [bold]graft hub token create ada --allow "ada/model: repo.write, discussion.write"[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts, tokens

    now = datetime.now(UTC)
    expires_at = now + timedelta(days=expires_in_days) if expires_in_days else None
    owner = accounts.find_account(hub, account)
    token, secret = accounts.create_token(
        hub,
        owner,
        name=name or f"made {now:%Y-%m-%d %H:%M:%S}",
        role="fine-grained" if allow else role,
        expires_at=expires_at,
        scopes=tokens.parse_for(hub, owner, allow) if allow else None,
    )
    hub.close()
    if json:
        made = {"name": token.name, "token": secret, "role": token.role}
        print_json(made | {"expires_at": token.expires_at})
        return
    _print_secret(f"Made the token {token.name!r} for {account}, shown only now:", secret)


@token_app.command("list")
def list_tokens(account: Name, data: Data = None, json: Json = False) -> None:
    """List an account's tokens: never the secrets, which nobody keeps.

    Example:

    [bold]graft hub token list ada[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts, tokens

    found = accounts.list_tokens(hub, accounts.find_account(hub, account))
    may = {t.id: tokens.describe(hub, t.scopes) if t.scopes else [] for t in found}
    hub.close()
    if json:
        print_json([vars(token) | {"scopes": may[token.id]} for token in found])
        return
    print_table(
        ["number", "name", "ends in", "may", "made", "expires", "last used"],
        [
            [
                str(t.id),
                t.name,
                t.hint,
                "\n".join(may[t.id]) or t.role,
                f"{t.created_at:%Y-%m-%d}",
                f"{t.expires_at:%Y-%m-%d}" if t.expires_at else "never",
                f"{t.last_used_at:%Y-%m-%d}" if t.last_used_at else "never",
            ]
            for t in found
        ],
    )


@token_app.command("delete")
def delete_token(
    account: Name,
    number: Annotated[int, typer.Argument(help="Its number, from `graft hub token list`.")],
    data: Data = None,
) -> None:
    """Delete a token: whoever uses it is locked out at once.

    Example:

    [bold]graft hub token delete ada 3[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts

    accounts.delete_token(hub, accounts.find_account(hub, account), number)
    hub.close()
    results().print(f"Deleted token {number} of {account}.", markup=False)


def _settings(data: Path | None, **given: Any) -> "Settings":
    try:
        import graft.server.hub  # noqa: F401  (asks whether the extra is installed)
        from graft.server.runtime.starting import keep_to_ourselves
        from graft.server.settings import Settings
    except ModuleNotFoundError as error:
        raise MissingExtraError("Running a hub", "hub") from error
    keep_to_ourselves()
    return Settings.from_environment(data_folder=data, **given)


def open_hub(data: Path | None, *, create: bool = False) -> "Hub":
    """The hub in a data folder, for a command that looks after it.

    Raises:
        HubError: there is none, and none is to be created; or it is another user's.
    """
    settings = _settings(data)
    from graft.server.hub import Hub
    from graft.server.runtime.starting import check_folder

    check_folder(settings)
    folder = settings.data_folder.absolute()
    if not (folder / "repositories").is_dir():
        if not create:
            raise HubError(f"There is no hub in {folder}. Name its data folder with --data.")
        notices().print(f"This begins a new hub in {folder}.", markup=False)
    return Hub(settings)


def _print_secret(message: str, token: str) -> None:
    notices().print(message, markup=False)
    results().print(token, markup=False)
    notices().print("Log in with it: graft login --endpoint THE_HUBS_ADDRESS", markup=False)


def _announce(settings: "Settings", url: str, accounts: int) -> None:
    folder = settings.data_folder
    results().print(f"{settings.name} is at [bold]{url}[/], its data in {folder.absolute()}")
    if accounts == 0:
        results().print(
            "It has no accounts yet. Make one in another terminal:\n"
            f"  graft hub user add YOUR_NAME --data {folder}",
            markup=False,
        )
    results().print(
        f"Log in:  graft login --endpoint {url}\n"
        f"Use it:  export HF_ENDPOINT={url}\n"
        "Stop it: Ctrl-C",
        markup=False,
    )
