"""Reading ahead: the next items of an iterator are made while the last one is put to use."""

import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

T = TypeVar("T")

_WAIT = 0.1
_ALONE = 3


class _End:
    """Stands behind the last item, with the error that the iterator ended with."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def ahead(items: Iterator[T], most: int = 2) -> Iterator[T]:
    """The same items, of which up to `most` are made ahead in a thread of their own.

    Errors are raised where the item would have come. The thread begins behind the first few items,
    since it costs more than it saves where there are no others, and ends when this iterator is
    closed.
    """
    for number, item in enumerate(items, start=1):
        yield item
        if number == _ALONE:
            yield from _made_ahead(items, most)


def _made_ahead(items: Iterator[T], most: int) -> Iterator[T]:
    ready: Queue[T | _End] = Queue(most)
    stop = threading.Event()

    def put(item: T | _End) -> None:
        while not stop.is_set():
            try:
                ready.put(item, timeout=_WAIT)
                return
            except Full:
                continue

    def make() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    break
            put(_End(None))
        except BaseException as error:
            put(_End(error))

    thread = threading.Thread(target=make, name="graft-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        thread.join()
