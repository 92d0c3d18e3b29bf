"""The errors Graft raises: each message says what was wrong, where, and what to do about it."""


class GraftError(Exception):
    """Anything Graft refuses to do; the command line prints it and exits with `exit_code`."""

    exit_code = 2


class DataError(GraftError):
    """A data set that cannot be read or used: the message names file, row and column."""


class ModelError(GraftError):
    """A model or tokenizer whose files are missing, damaged or of an unknown kind."""


class TaskError(GraftError):
    """A task that does not fit its data, model or arguments."""


class HubError(GraftError):
    """A hub that refused, was not reachable, or has no such repository."""


class MissingExtraError(GraftError):
    """An optional dependency that is not installed: the message names the extra to install."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs packages that are not installed. "
            f"Install them with: pip install 'graft-nlp[{extra}]'"
        )


class CardError(GraftError):
    """A card (README.md) whose YAML header cannot be read: the message names file and line."""
