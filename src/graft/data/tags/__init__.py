"""Tags of words: their scheme told and checked, and other schemes made of it.

Columns are `list<string>`, a tag a word, or `list<integer>` with the names of their classes. A null
word has no tag, and ends the span before it. All is done with arrays over the words of a chunk of
the column: no Python object per word.
"""

from graft.data.tags.conversion import check_tags, convert_tags, known_tags, scheme_of
from graft.data.tags.words import TagProblem

__all__ = ["TagProblem", "check_tags", "convert_tags", "known_tags", "scheme_of"]
