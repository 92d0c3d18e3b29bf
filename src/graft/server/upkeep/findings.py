"""What a check of a Hub finds."""

from collections.abc import Callable
from dataclasses import dataclass, field

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Problem:
    """Something that is not as it should be."""

    kind: str
    """A word for programs: `object-missing`, `index-behind`, ..."""
    where: str
    """The repository, or the name in storage."""
    text: str
    repaired: bool = False


@dataclass
class Report:
    """What was looked at, and what was found. The Hub is sound where no problem is left."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is no fault: space that can be freed, files that were deleted on purpose."""
    repositories: int = 0
    pointers: int = 0
    """Different pointers to large files, in all commits."""
    objects: int = 0
    xorbs: int = 0
    bytes_read: int = 0

    @property
    def is_clean(self) -> bool:
        return all(problem.repaired for problem in self.problems)
