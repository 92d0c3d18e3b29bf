"""Tags of words: their scheme, what goes against it, and another scheme instead."""

from typing import Self

from graft.data.column_verbs import ColumnVerbs
from graft.data.features import ClassLabel, Feature, Sequence, Value, class_label_in
from graft.data.tags import TagProblem, check_tags, convert_tags, scheme_of
from graft.errors import DataError


class TagVerbs(ColumnVerbs):
    """What a data set does with a column that holds a tag for every word."""

    def tag_scheme(self, column: str | None = None) -> str | None:
        """The scheme of a column of tags: "IOB1", "IOB2", "BIOES", "BILOU" or "BMES".

        `column` is that of the role "tags" when None. None for tags of no scheme, such as parts of
        speech. Raises `DataError` when there is no such column, or it holds no lists.
        """
        name = self.tag_column(column)
        return scheme_of(self.column(name), self.tag_names(name))

    def check_tags(
        self, column: str | None = None, *, scheme: str | None = None, limit: int = 100
    ) -> list[TagProblem]:
        """The tags that their scheme does not allow where they stand, by row and word from 0.

        Args:
            column: that of the role "tags" when None.
            scheme: the one that counts; that of the column when None.
            limit: at most so many.

        Raises `DataError` when the tags are of no scheme.
        """
        name = self.tag_column(column)
        return check_tags(self.column(name), scheme, self.tag_names(name), limit=limit)

    def convert_tags(
        self,
        scheme: str,
        column: str | None = None,
        *,
        source: str | None = None,
        repair: bool = False,
    ) -> Self:
        """The tags in another scheme, the same spans: convert_tags("BIOES").

        Args:
            scheme: "IOB1", "IOB2", "BIOES", "BILOU" or "BMES".
            column: that of the role "tags" when None. Classes stay classes, with the new names.
            source: the scheme that they are in; told from the tags when None.
            repair: whether tags that are not legal become legal; else they are an error.

        Raises `DataError` naming the row and word of the first tag that is not legal.
        """
        name = self.tag_column(column)
        names = self.tag_names(name)
        try:
            tags, new = convert_tags(self.column(name), scheme, source, names, repair=repair)
        except DataError as error:
            raise DataError(f"{self._source}, column {name!r}: {error}") from error
        feature: Feature = Sequence(Value("string") if names is None else ClassLabel(new))
        then = self._identity.then("convert_tags", name, scheme, source, repair)
        return self._with(name, tags, feature, then)

    def tag_column(self, column: str | None = None) -> str:
        """The column of tags: `column`, else that of the role. Raises `DataError` without one."""
        name = self._roles.tags if column is None else column
        if name is None:
            raise DataError(
                f"{self._source} has no column of tags. Its columns are: "
                f"{', '.join(self.column_names)}. Give the one that has them: column='<column>'."
            )
        self._check_column(name)
        return name

    def tag_names(self, column: str | None = None) -> list[str] | None:
        """The names of the tags in the order of their numbers; None where they are text."""
        label = class_label_in(self._features[self.tag_column(column)])
        return None if label is None else list(label.names)
