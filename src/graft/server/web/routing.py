"""The router of the Hub's pages."""

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute

Page = TypeVar("Page", bound=Callable[..., Any])


class PageRoute(APIRoute):
    """A route that answers HEAD wherever it answers GET, as HTTP asks of every page.

    The server leaves out the body. Clients use it to see whether a hub is there.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        methods = self.methods or set()
        self.methods = methods | {"HEAD"} if "GET" in methods else methods


def page_router() -> APIRouter:
    """A router for pages: they are for people, so the API's description leaves them out."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def for_both_kinds(
    method: Callable[[str], Callable[[Any], Any]], path: str
) -> Callable[[Page], Page]:
    """A decorator of pages of repositories: at `path` below a model's owner, and the same below
    `/datasets`; `method` is the router's, as in `router.get`."""

    def add(page: Page) -> Page:
        method(f"/datasets{path}")(page)
        method(path)(page)
        return page

    return add
