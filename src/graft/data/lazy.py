"""A batch as the dict of lists that a user's function takes; a list is made when it is read."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

_NOT_YET: Any = object()


def _reading_all(method: str) -> Callable[..., Any]:
    of_dict = getattr(dict, method)

    def read(self: Any, *arguments: Any) -> Any:
        return of_dict(self._filled(), *arguments)

    read.__name__ = method
    return read


class LazyColumns(dict[str, list[Any]]):
    """The columns of a batch as lists. One that nobody looks at stays in Arrow.

    It is a dict in every way; whatever reads all of it makes all lists first.
    """

    values = _reading_all("values")
    items = _reading_all("items")
    copy = _reading_all("copy")
    pop = _reading_all("pop")
    popitem = _reading_all("popitem")
    setdefault = _reading_all("setdefault")
    __eq__ = _reading_all("__eq__")
    __ne__ = _reading_all("__ne__")
    __or__ = _reading_all("__or__")
    __ror__ = _reading_all("__ror__")
    __repr__ = _reading_all("__repr__")

    def __init__(self, batch: pa.RecordBatch) -> None:
        super().__init__(dict.fromkeys(batch.schema.names, _NOT_YET))
        self._batch = batch

    def untouched(self, name: str) -> pa.Array | None:
        """The column as Arrow holds it, where nobody has looked at it or replaced it."""
        return self._batch.column(name) if super().get(name) is _NOT_YET else None

    def __getitem__(self, name: str) -> list[Any]:
        value = super().__getitem__(name)
        if value is _NOT_YET:
            value = self._batch.column(name).to_pylist()
            self[name] = value
        return value

    def __iter__(self) -> Iterator[str]:
        # With an __iter__ of ours, dict(columns) and f(**columns) read by our __getitem__.
        return super().__iter__()

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def __reduce__(self) -> tuple[type, tuple[Any]]:
        return dict, (list(self.items()),)

    def _filled(self) -> "LazyColumns":
        for name in self:
            self[name]
        return self
