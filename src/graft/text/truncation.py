"""How long rows may be, and what is cut where texts are longer."""

from typing import Literal, get_args

from graft.errors import DataError

Truncation = Literal["longest_first", "only_first", "only_second"]
"""What is cut of a pair that is too long."""

_MOST = 2**31


def check_lengths(
    max_length: int | None, stride: int | None, truncation: Truncation, special: int
) -> None:
    """Says what is wrong with the options of `Tokenizer.encode_batch`.

    Args:
        max_length: Of a row, in tokens.
        stride: How many tokens a row repeats of the one before.
        truncation: What is cut.
        special: How many tokens of each row are special ones.

    Raises:
        DataError: They make no sense, or leave no room for texts.
    """
    for name, value in (("max_length", max_length), ("stride", stride)):
        if value is not None and not (isinstance(value, int) and abs(value) < _MOST):
            raise DataError(f"{name} is {value!r}; give a number of tokens.")
    if truncation not in get_args(Truncation):
        choices = ", ".join(get_args(Truncation))
        raise DataError(f"truncation is {truncation!r}; it may be {choices}.")
    if max_length is not None and max_length <= special:
        raise DataError(
            f"max_length is {max_length}, but {special} tokens of each row are special ones: "
            f"give {special + 1} or more."
        )
    if stride is not None and (max_length is None or not 0 <= stride < max_length - special):
        raise DataError(
            f"stride is {stride}, which needs a max_length of more than {special} special "
            f"tokens and the stride; it is {max_length}."
        )
