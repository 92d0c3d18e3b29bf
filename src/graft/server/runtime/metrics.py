"""What the Hub counts of its work, in the text format that Prometheus reads.

Each process counts for itself. Where several serve one Hub, each writes its counts to a file every
second, and whichever is asked adds up all of them; the files of processes that ended stay, so that
no sum ever goes down.
"""

import json
import os
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of a histogram's buckets, in seconds."""

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """One figure of the moment: `kind` is "gauge" or "counter"."""

    name: str
    value: float
    text: str
    labels: Labels = ()
    kind: str = "gauge"


@dataclass
class _Route:
    """What was seen of one method and route."""

    statuses: dict[str, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0
    received: int = 0
    sent: int = 0

    def counts(self) -> list[object]:
        """All fields, in order."""
        return [dict(self.statuses), self.buckets[:], self.seconds, self.received, self.sent]

    def add(self, other: "_Route") -> None:
        for status, count in other.statuses.items():
            self.statuses[status] = self.statuses.get(status, 0) + count
        self.buckets = [a + b for a, b in zip(self.buckets, other.buckets, strict=True)]
        self.seconds += other.seconds
        self.received += other.received
        self.sent += other.sent


class Metrics:
    """The counts of this process, and of the others where they have a folder in common."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is where processes of one Hub leave their counts; None: there is one process."""
        self._routes: dict[tuple[str, str], _Route] = {}
        self._events: dict[str, int] = {}
        self._lock = Lock()
        self._folder = folder
        self.in_flight = 0
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def note_request(
        self, method: str, route: str, status: int, seconds: float, received: int, sent: int
    ) -> None:
        """Counts a request that was answered. `route` is the template of its address."""
        with self._lock:
            seen = self._routes.get((method, route))
            if seen is None:
                seen = self._routes[method, route] = _Route()
            text = str(status)
            seen.statuses[text] = seen.statuses.get(text, 0) + 1
            seen.buckets[bisect_left(BUCKETS, seconds)] += 1
            seen.seconds += seconds
            seen.received += received
            seen.sent += sent

    def note(self, event: str, amount: int = 1) -> None:
        """Counts something else that happened: `graft_events_total{event="..."}`."""
        with self._lock:
            self._events[event] = self._events.get(event, 0) + amount

    @property
    def is_shared(self) -> bool:
        """Whether several processes count."""
        return self._folder is not None

    def save(self) -> None:
        """Leaves this process's counts for the others, where there are any."""
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._dump()))
        temporary.rename(path)

    def render(self, samples: Iterable[Sample] = ()) -> str:
        """All counts, and `samples` of the moment, as text."""
        routes, events, in_flight, processes = self._sum()
        lines = _render_routes(routes)
        lines += _family("graft_events_total", "counter", "Other things that happened.")
        lines += [
            f"graft_events_total{_labels((('event', name),))} {count}"
            for name, count in sorted(events.items())
        ]
        moment = [
            Sample("graft_requests_in_flight", in_flight, "Requests being answered now."),
            Sample("graft_processes", processes, "Processes that serve this Hub here."),
            *samples,
        ]
        last = ""
        for sample in moment:
            if sample.name != last:
                lines += _family(sample.name, sample.kind, sample.text)
                last = sample.name
            lines.append(f"{sample.name}{_labels(sample.labels)} {_number(sample.value)}")
        return "\n".join(lines) + "\n"

    def _dump(self) -> dict[str, object]:
        with self._lock:
            return {
                "in_flight": self.in_flight,
                "events": dict(self._events),
                "routes": [
                    [method, route, *seen.counts()]
                    for (method, route), seen in self._routes.items()
                ],
            }

    def _sum(self) -> tuple[dict[tuple[str, str], _Route], dict[str, int], int, int]:
        """Routes, events, requests in flight and processes, of all that share the folder."""
        dumps: list[Mapping[str, object]] = [self._dump()]
        alive = [True]
        for path in sorted(self._folder.glob("*.json")) if self._folder else []:
            pid = int(path.stem)
            if pid == os.getpid():
                continue
            dumps.append(json.loads(path.read_text()))
            alive.append(_is_alive(pid))
        routes: dict[tuple[str, str], _Route] = {}
        events: dict[str, int] = {}
        in_flight = 0
        for dump, lives in zip(dumps, alive, strict=True):
            for method, route, *counts in dump["routes"]:  # type: ignore[attr-defined]
                routes.setdefault((method, route), _Route()).add(_Route(*counts))
            for name, count in dump["events"].items():  # type: ignore[attr-defined]
                events[name] = events.get(name, 0) + count
            in_flight += int(str(dump["in_flight"])) if lives else 0
        return routes, events, in_flight, sum(alive)


def _render_routes(routes: Mapping[tuple[str, str], _Route]) -> list[str]:
    lines = _family("graft_requests_total", "counter", "Requests answered.")
    for (method, route), seen in sorted(routes.items()):
        for status, count in sorted(seen.statuses.items()):
            labels = (("method", method), ("route", route), ("status", status))
            lines.append(f"graft_requests_total{_labels(labels)} {count}")
    lines += _family("graft_request_seconds", "histogram", "From a request to its answer's end.")
    for (method, route), seen in sorted(routes.items()):
        base = (("method", method), ("route", route))
        total = 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), seen.buckets, strict=True):
            total += count
            lines.append(f"graft_request_seconds_bucket{_labels((*base, ('le', bound)))} {total}")
        lines.append(f"graft_request_seconds_sum{_labels(base)} {_number(seen.seconds)}")
        lines.append(f"graft_request_seconds_count{_labels(base)} {total}")
    for name, attribute, text in (
        ("graft_received_bytes_total", "received", "Bytes of requests' bodies."),
        ("graft_sent_bytes_total", "sent", "Bytes of answers' bodies."),
    ):
        lines += _family(name, "counter", text)
        for (method, route), seen in sorted(routes.items()):
            both = _labels((("method", method), ("route", route)))
            lines.append(f"{name}{both} {getattr(seen, attribute)}")
    return lines


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(round(value, 6))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
