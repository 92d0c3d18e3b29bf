"""The accounts and repositories that the client's own tests expect to find on a hub."""

from graft.server import accounts
from graft.server.running import RunningHub

Constants = dict[str, str]
"""Names of `tests/testing_constants.py`, with what they are for one Hub."""


def seed(hub: RunningHub) -> Constants:
    """Makes what the tests expect, and answers the constants that name it."""
    return {
        "ENDPOINT_STAGING": hub.url,
        "ENDPOINT_PRODUCTION": hub.url,
        "ENDPOINT_PRODUCTION_URL_SCHEME": f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
        "TOKEN": _add_user(hub, "__DUMMY_HUB_USER__", "Dummy User"),
        "OTHER_TOKEN": _add_user(hub, "DVUser"),
        "ENTERPRISE_TOKEN": _add_user(hub, "EnterpriseAdmin"),
    }


def _add_user(hub: RunningHub, name: str, full_name: str = "") -> str:
    account = accounts.create_account(hub.hub, name, full_name=full_name)
    return accounts.create_token(hub.hub, account, name="conformance")[1]
