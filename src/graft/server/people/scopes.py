"""What a fine-grained token may do, and how that is kept: as JSON beside the token."""

import json

from graft.server.errors import BadRequestError
from graft.server.records import Grant, Scopes

READ_FILES = "repo.content.read"
WRITE = "repo.write"
READ_REQUESTS = "repo.access.read"
DISCUSS = "discussion.write"
READ_COLLECTIONS = "collection.read"
WRITE_COLLECTIONS = "collection.write"
READ_WEBHOOKS = "user.webhooks.read"
WRITE_WEBHOOKS = "user.webhooks.write"
READ_ORGANIZATION = "org.read"
WRITE_ORGANIZATION = "org.write"

PERMISSIONS = {
    READ_FILES: "read the files of private repositories",
    WRITE: "change files and settings of repositories, create and delete them",
    READ_REQUESTS: "see who asked for gated repositories",
    DISCUSS: "open discussions and pull requests, and comment",
    READ_COLLECTIONS: "read private collections",
    WRITE_COLLECTIONS: "change collections",
    READ_WEBHOOKS: "see the account's webhooks",
    WRITE_WEBHOOKS: "change the account's webhooks",
    READ_ORGANIZATION: "see an organization's settings",
    WRITE_ORGANIZATION: "change an organization's settings and members",
}
"""All permissions by the names that the field's hubs give them, and what each allows."""

EVERYWHERE = frozenset(
    {DISCUSS, READ_COLLECTIONS, WRITE_COLLECTIONS, READ_WEBHOOKS, WRITE_WEBHOOKS}
)
"""What can be given without naming a place; the rest needs a repository or an owner."""

# What one permission brings with it.
_IMPLIED = {
    READ_FILES: frozenset({WRITE}),
    READ_REQUESTS: frozenset({WRITE}),
    READ_COLLECTIONS: frozenset({WRITE_COLLECTIONS}),
    READ_WEBHOOKS: frozenset({WRITE_WEBHOOKS}),
    READ_ORGANIZATION: frozenset({WRITE_ORGANIZATION}),
}


def giving(permission: str) -> frozenset[str]:
    """The permissions that allow what `permission` allows: itself, and those that say more."""
    return _IMPLIED.get(permission, frozenset()) | {permission}


def check(scopes: Scopes) -> Scopes:
    """`scopes`, when all their permissions are known.

    Raises:
        BadRequestError: names the one that is not, and lists those that are; or the one that
            needs a repository or an owner to be named.
    """
    asked = scopes.everywhere.union(*(grant.permissions for grant in scopes.grants))
    for name in sorted(asked):
        if name not in PERMISSIONS:
            raise BadRequestError(
                f"There is no permission {name!r}; a token can have {', '.join(PERMISSIONS)}."
            )
    for name in sorted(scopes.everywhere - EVERYWHERE):
        raise BadRequestError(
            f"The permission {name!r} cannot be given everywhere: name a repository or an owner."
        )
    return scopes


def to_text(scopes: Scopes) -> str:
    """Scopes as the JSON that the database keeps."""
    return json.dumps(
        {
            "everywhere": sorted(scopes.everywhere),
            "gated": scopes.gated,
            "grants": [[g.entity, g.id, sorted(g.permissions)] for g in scopes.grants],
        }
    )


def from_text(text: str | None) -> Scopes:
    """What `to_text` wrote; no scopes at all where nothing was kept."""
    if not text:
        return Scopes()
    kept = json.loads(text)
    return Scopes(
        frozenset(kept["everywhere"]),
        kept["gated"],
        tuple(Grant(entity, id_, frozenset(names)) for entity, id_, names in kept["grants"]),
    )
