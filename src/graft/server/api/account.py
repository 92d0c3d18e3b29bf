"""Who the token belongs to."""

from typing import Any

from fastapi import APIRouter, Request

from graft.server.api import wire
from graft.server.api.profiles import avatar_url
from graft.server.hub import Hub
from graft.server.people import tokens
from graft.server.people.auth import CurrentHub, LoggedInUser, base_url
from graft.server.records import Membership, Role, User

router = APIRouter()

_ROLE_NAMES: dict[Role, str] = {"read": "read", "write": "write", "fine-grained": "fineGrained"}


@router.get("/api/whoami-v2")
def whoami(request: Request, hub: CurrentHub, user: LoggedInUser) -> dict[str, Any]:
    """The account, its organizations, and what its token is called and may do."""
    base = base_url(request)
    return {
        "type": "user",
        "id": f"{user.account.id:024x}",
        "name": user.account.name,
        "fullname": user.account.full_name,
        "avatarUrl": avatar_url(base, user.account.name),
        "isPro": False,
        "canPay": False,
        "orgs": [_organization(base, membership) for membership in user.memberships],
        "auth": _authentication(hub, user),
    }


def _organization(base: str, membership: Membership) -> dict[str, Any]:
    organization = membership.organization
    return {
        "type": "org",
        "id": f"{organization.id:024x}",
        "name": organization.name,
        "fullname": organization.full_name,
        "avatarUrl": avatar_url(base, organization.name),
        "roleInOrg": membership.role,
        "isEnterprise": False,
        "canPay": False,
    }


def _authentication(hub: Hub, user: User) -> dict[str, Any]:
    token: dict[str, Any] = {"role": _ROLE_NAMES[user.role]}
    if not user.from_device:  # clients then keep it as `oauth-NAME`, one for all logins
        token["displayName"] = user.token_name
    if user.role == "fine-grained":
        token["fineGrained"] = _scopes(hub, user)
    answer: dict[str, Any] = {"type": "access_token", "accessToken": token}
    if user.expires_at is not None:
        answer["expiresAt"] = wire.moment(user.expires_at)
    return answer


def _scopes(hub: Hub, user: User) -> dict[str, Any]:
    """What a fine-grained token may do, by the names that the places have now."""
    names = tokens.names_of(hub, user.scopes.grants)
    return {
        "canReadGatedRepos": user.scopes.gated,
        "global": sorted(user.scopes.everywhere),
        "scoped": [
            {
                "entity": {"_id": f"{grant.id:024x}", "type": grant.entity, "name": name},
                "permissions": sorted(grant.permissions),
            }
            for grant, name in names
        ],
    }
