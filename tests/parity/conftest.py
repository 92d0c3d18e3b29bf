"""What the tests against the oracle share."""

from collections.abc import Iterator

import pytest
import transformers


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keeps the oracle's bars and warnings off the screen."""
    level = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.set_verbosity(level)
