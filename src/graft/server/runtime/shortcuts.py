"""Finding the route of an address by its parts, instead of asking each of two hundred in turn."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class Shortcuts(BaseRoute):
    """Stands before all other routes and finds the one that would be the first to match.

    What it does not find, such as an address asked for with another method, it leaves to them.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        known = [_Known(route) for route in _plain(routes)]
        names = {route.parts[0] for route in known if route.parts[0] is not None}
        by_name: dict[str, list[_Known]] = defaultdict(list)
        for route in known:
            for name in names if route.parts[0] is None else (route.parts[0],):
                by_name[str(name)].append(route)
        self._by_name = dict(by_name)
        self._others = [route for route in known if route.parts[0] is None]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The match of the first route that fits; none where there is no such."""
        if scope["type"] != "http":
            return Match.NONE, {}
        parts = scope["path"].split("/")[1:]
        for route in self._by_name.get(parts[0], self._others):
            if route.fits(parts):
                match, found = route.route.matches(scope)
                if match is Match.FULL:
                    return match, {**found, "route": route.route}
        return Match.NONE, {}

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

    def fits(self, parts: list[str]) -> bool:
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
