"""The sample models on a running Hub."""

from hub_samples import garden  # noqa: F401  the fixture
