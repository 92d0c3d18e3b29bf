"""`graft hub org` and `graft hub user password`: organizations, members, forgotten passwords."""

from secrets import token_urlsafe
from typing import Annotated, Literal

import typer

from graft.cli.hub import Data, Name, open_hub, user_app
from graft.cli.output import Json, notices, print_json, print_table, results

org_app = typer.Typer(no_args_is_help=True, help="The organizations of a hub, and their members.")

Organization = Annotated[str, typer.Argument(help="The organization's name.")]
MemberOption = Annotated[
    Literal["read", "contribute", "write", "admin"],
    typer.Option(
        help="What they may: see all repositories; create some and write to these; write to all; "
        "look after the organization too."
    ),
]


@user_app.command("password")
def set_password(
    name: Name,
    data: Data = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask for the password, instead of making one.")
    ] = False,
    json: Json = False,
) -> None:
    """Give an account a new password, and log it out wherever it is logged in with the old one.

    Its tokens still work: see `graft hub token list`. The password alone goes to standard output.

    Examples:

    [bold]graft hub user password ada[/]

    [bold]graft hub user password ada --ask[/]
    """
    secret = (
        typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        if ask
        else token_urlsafe(12)
    )
    hub = open_hub(data)
    from graft.server.people import accounts

    accounts.set_password(hub, accounts.find_account(hub, name), secret)
    hub.close()
    if json:
        print_json({"name": name} | ({} if ask else {"password": secret}))
        return
    notices().print(f"{name} has a new password, and is logged out everywhere.", markup=False)
    if not ask:
        results().print(secret, markup=False)


@org_app.command("create")
def create(
    name: Organization,
    admin: Annotated[str, typer.Option(help="The account that looks after it.")],
    data: Data = None,
    full_name: Annotated[str, typer.Option(help="The name to show beside its own.")] = "",
    json: Json = False,
) -> None:
    """Make an organization.

    Example:

    [bold]graft hub org create lab --admin ada --full-name "The Lab"[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts, organizations

    founder = accounts.find_person(hub, admin)
    made = organizations.create(hub, name, founder=founder, full_name=full_name)
    hub.close()
    if json:
        print_json({"name": made.name, "full_name": made.full_name, "admin": founder.name})
        return
    results().print(f"Made the organization {made.name}; {founder.name} is its admin.")


@org_app.command("list")
def list_organizations(data: Data = None, json: Json = False) -> None:
    """List the organizations.

    Example:

    [bold]graft hub org list[/]
    """
    hub = open_hub(data)
    from graft.server.people import organizations

    found = [(org, len(organizations.members(hub, org))) for org in organizations.list_all(hub)]
    hub.close()
    if json:
        print_json(
            [{"name": o.name, "full_name": o.full_name, "members": count} for o, count in found]
        )
        return
    print_table(
        ["name", "full name", "members"],
        [[o.name, o.full_name, str(count)] for o, count in found],
    )


@org_app.command("members")
def members(name: Organization, data: Data = None, json: Json = False) -> None:
    """List the members of an organization, and what each may.

    Example:

    [bold]graft hub org members lab[/]
    """
    hub = open_hub(data)
    from graft.server.people import organizations

    found = organizations.members(hub, organizations.find(hub, name))
    hub.close()
    if json:
        print_json([{"name": m.account.name, "role": m.role} for m in found])
        return
    print_table(
        ["name", "may", "since"],
        [[m.account.name, m.role, f"{m.since:%Y-%m-%d}"] for m in found],
    )


@org_app.command("add")
def add_member(
    name: Organization, account: Name, role: MemberOption = "write", data: Data = None
) -> None:
    """Add an account to an organization, or give a member another role.

    Example:

    [bold]graft hub org add lab bob --role contribute[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts, organizations

    organization = organizations.find(hub, name)
    member = organizations.put_member(hub, organization, accounts.find_person(hub, account), role)
    hub.close()
    results().print(f"{member.account.name} may {role} in {organization.name}.", markup=False)


@org_app.command("remove")
def remove_member(name: Organization, account: Name, data: Data = None) -> None:
    """Remove an account from an organization. Its last admin cannot go.

    Example:

    [bold]graft hub org remove lab bob[/]
    """
    hub = open_hub(data)
    from graft.server.people import accounts, organizations

    organization = organizations.find(hub, name)
    person = accounts.find_person(hub, account)
    organizations.drop_member(hub, organization, person)
    hub.close()
    results().print(f"{person.name} is no member of {organization.name} any more.", markup=False)


@org_app.command("delete")
def delete(name: Organization, data: Data = None) -> None:
    """Delete an organization that owns no repositories.

    Example:

    [bold]graft hub org delete lab[/]
    """
    hub = open_hub(data)
    from graft.server.people import organizations

    organizations.delete_empty(hub, organizations.find(hub, name))
    hub.close()
    results().print(f"Deleted the organization {name}.", markup=False)
