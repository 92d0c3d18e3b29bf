"""Finding the route of an address by its parts, instead of asking each of two hundred in turn."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

KEPT_SHAPES = 5000
"""Most requests are for a few dozen shapes of addresses; who makes up others gets no more."""


class Shortcuts(BaseRoute):
    """Stands before all other routes and finds the one that would be the first to match.

    An address of the Hub's own (`/logout`) hides those that it would be by chance as well
    (`/{owner}`), whichever methods they answer: it refuses those that it does not know itself.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._known = [_Known(route) for route in plain_routes(routes)]
        self._names = {part for known in self._known for part in known.parts if part is not None}
        # What is longer than this differs by no more than that.
        self._longest = 1 + max(len(known.parts) for known in self._known)
        self._fitting = lru_cache(KEPT_SHAPES)(self._find_fitting)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The match of the first route that fits; where none takes the method, of the first that
        would take another one, which says so; none where there is no such."""
        refusing: Scope | None = None
        for route, match, found in self._matching(scope):
            if match is Match.FULL:
                return match, {**found, "route": route}
            refusing = refusing or {**found, "route": route}
        return (Match.FULL, refusing) if refusing else (Match.NONE, {})

    def methods(self, scope: Scope) -> list[str]:
        """All methods that an address can be asked for with, whichever routes answer them."""
        routes = [route for route, _, _ in self._matching(scope)]
        return sorted({method for route in routes for method in route.methods or ()})

    def _matching(self, scope: Scope) -> Iterator[tuple[Route, Match, Scope]]:
        """The routes whose address this is, in order, whether or not they take its method; less
        those that another one hides."""
        if scope["type"] != "http":
            return
        parts = scope["path"].split("/")[1:]
        shape = tuple(part if part in self._names else "" for part in parts[: self._longest])
        passed: list[_Known] = []
        for known in self._fitting(shape):
            match, found = known.route.matches(scope)
            if match is not Match.NONE and not any(other.hides(known) for other in passed):
                passed.append(known)
                yield known.route, match, found

    def _find_fitting(self, shape: tuple[str, ...]) -> list["_Known"]:
        """The routes of all addresses whose parts are these, where they are a part of some route's
        address; "" stands for any other. What begins with a word of the Hub's own is no owner's:
        nobody can be called so."""
        fitting = [known for known in self._known if known.fits(shape)]
        return [known for known in fitting if known.parts[0]] or fitting

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
        self._literals = {(at, part) for at, part in enumerate(self.parts) if part is not None}

    def hides(self, other: "_Known") -> bool:
        """Whether all that the other one's address names is named by this one's too, and more."""
        return self._literals > other._literals

    def fits(self, parts: Sequence[str]) -> bool:
        """Whether an address of these parts may be the route's."""
        length = len(self.parts)
        if len(parts) < length or (len(parts) > length and not self._is_open):
            return False
        return all(parts[at] == part for at, part in self._literals)


def plain_routes(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """The routes with addresses, in order; those of routers that were included, too."""
    for route in routes:
        included = getattr(route, "original_router", None)  # how FastAPI keeps them
        if included is not None:
            yield from plain_routes(included.routes)
        elif isinstance(route, Route):
            yield route
