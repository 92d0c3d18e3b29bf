"""Xet, which this Hub does not speak yet: the answer tells how to do without."""

from typing import NoReturn

from fastapi import APIRouter

from graft.server.api.repository import REPOSITORY, PathRepository
from graft.server.errors import NotFoundError

router = APIRouter()


@router.get(f"{REPOSITORY}/xet-read-token/{{revision:path}}", response_model=None)
@router.get(f"{REPOSITORY}/xet-write-token/{{revision:path}}", response_model=None)
def token(repository: PathRepository, revision: str) -> NoReturn:
    """Refuses, in words that a client shows to its user."""
    raise NotFoundError(
        f"This Hub does not serve Xet for {repository.full_name} at {revision!r}. Set "
        "HF_HUB_DISABLE_XET=1 in the environment, and files travel by Git LFS instead."
    )
