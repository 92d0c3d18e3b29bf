"""`describe` among the methods of data sets."""

from typing import TYPE_CHECKING, cast

from graft.data.base import DatasetBase

if TYPE_CHECKING:
    from graft.data.dataset import Dataset
    from graft.data.describe.figures import Description
    from graft.text.tokenizer import Tokenizer


class DescribeVerbs(DatasetBase):
    """Looking at rows before anything is trained on them."""

    def describe(
        self,
        tokenizer: "Tokenizer | None" = None,
        *,
        max_length: int | None = None,
        near: float | None = None,
    ) -> "Description":
        """What the rows are like: lengths, labels, scripts, repeated and empty texts, columns.

        It prints as tables, is HTML in a notebook, and plain values by `.as_dict()`. All is read
        batch by batch and kept in the cache; 16 bytes a row are held in memory meanwhile.

        Args:
            tokenizer: Counts lengths in tokens too, special ones included.
            max_length: Tokens beyond which a row is too long; by default what the tokenizer says.
            near: Compares texts for being almost the same too, from 0 to 1 such as 0.8: see
                `deduplicate`. It takes longer than all else.

        Raises `DataError` when the tokenizer cannot read a text, and for a `max_length` below 1.
        """
        from graft.data.describe.compute import describe

        one = cast("Dataset", self)
        return describe({"": one}, self._source, tokenizer, max_length, near)
