"""Finding the route of an address by its parts, instead of asking each of two hundred in turn."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

KEPT_SHAPES = 5000
"""Most requests are for a few dozen shapes of addresses; who makes up others gets no more."""


class Shortcuts(BaseRoute):
    """Stands before all other routes and finds the one that would be the first to match.

    What it does not find, such as an address asked for with another method, it leaves to them.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._known = [_Known(route) for route in _plain(routes)]
        self._names = {part for route in self._known for part in route.parts if part is not None}
        # What is longer than this differs by no more than that.
        self._longest = 1 + max(len(route.parts) for route in self._known)
        self._fitting = lru_cache(KEPT_SHAPES)(self._find_fitting)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The match of the first route that fits; none where there is no such."""
        if scope["type"] != "http":
            return Match.NONE, {}
        parts = scope["path"].split("/")[1:]
        shape = tuple(part if part in self._names else "" for part in parts[: self._longest])
        for route in self._fitting(shape):
            match, found = route.matches(scope)
            if match is Match.FULL:
                return match, {**found, "route": route}
        return Match.NONE, {}

    def _find_fitting(self, shape: tuple[str, ...]) -> list[Route]:
        """The routes of all addresses whose parts are these, where they are a part of some route's
        address; "" stands for any other."""
        return [route.route for route in self._known if route.fits(shape)]

    def methods(self, scope: Scope) -> list[str]:
        """All methods that an address can be asked for with, whichever routes answer them."""
        routes = [known.route for known in self._known]
        found = [route for route in routes if route.matches(scope)[0] is not Match.NONE]
        return sorted({method for route in found for method in route.methods or ()})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hands the request to the route that was found."""
        await scope["route"].handle(scope, receive, send)


class _Known:
    """A route, and the parts of its address: None where anything may stand."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.parts: list[str | None] = []
        self._is_open = False
        for part in route.path.split("/")[1:]:
            self.parts.append(None if "{" in part else part)
            if ":path}" in part:  # whatever follows, it may be of any length
                self._is_open = True
                break
        self._literals = [(at, part) for at, part in enumerate(self.parts) if part is not None]

    def fits(self, parts: Sequence[str]) -> bool:
        """Whether an address of these parts may be the route's."""
        length = len(self.parts)
        if len(parts) < length or (len(parts) > length and not self._is_open):
            return False
        return all(parts[at] == part for at, part in self._literals)


def _plain(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """The routes with addresses, in order; those of routers that were included, too."""
    for route in routes:
        included = getattr(route, "original_router", None)  # how FastAPI keeps them
        if included is not None:
            yield from _plain(included.routes)
        elif isinstance(route, Route):
            yield route
