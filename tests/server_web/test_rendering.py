"""How numbers, sizes, times and addresses read on a page."""

from datetime import UTC, datetime, timedelta

import pytest

from graft.server.web.rendering import ago, human_bytes, human_figure, human_number, with_query

NOW = datetime(2025, 6, 15, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_500, "1.5 kB"), (90_868_376, "90.9 MB")],
)
def test_sizes(size: int, shown: str) -> None:
    assert human_bytes(size) == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(7, "7"), (1_234, "1,234"), (22_713_216, "22.7M"), (7_000_000_000, "7B")]
)
def test_numbers(number: int, shown: str) -> None:
    assert human_number(number) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.96812345, "0.9681"), (0.9, "0.9"), (12345, "12,345"), ("n/a", "n/a")]
)
def test_figures(value: object, shown: str) -> None:
    assert human_figure(value) == shown


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(seconds=5), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=5), "5 hours ago"),
        (timedelta(days=3), "3 days ago"),
        (timedelta(days=45), "1 May 2025"),
    ],
)
def test_times(age: timedelta, shown: str) -> None:
    assert ago(NOW - age, NOW) == shown


def test_empty_values_stay_out_of_addresses() -> None:
    assert with_query("/models", search="", author=None, filter=[]) == "/models"
    assert with_query("/models", filter=["a b", "c"]) == "/models?filter=a+b&filter=c"
