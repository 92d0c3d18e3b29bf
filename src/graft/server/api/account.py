"""Who the token belongs to."""

from typing import Any

from fastapi import APIRouter

from graft.server.auth import LoggedInUser

router = APIRouter()


@router.get("/api/whoami-v2")
def whoami(user: LoggedInUser) -> dict[str, Any]:
    """The account, and what its token is called and may do."""
    return {
        "type": "user",
        "id": f"{user.account.id:024x}",
        "name": user.account.name,
        "fullname": user.account.full_name,
        "orgs": [],
        "auth": {
            "type": "access_token",
            "accessToken": {"displayName": user.token_name, "role": user.role},
        },
    }
