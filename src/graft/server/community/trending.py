"""What is liked and fetched of late: a score in which everything counts half after each week.

Were each thing's weight halved every week, all scores would have to be written anew all the time,
and their order would never change by it. So things count more the later they happen instead:
`2 ** (weeks since the epoch)`. A score is the logarithm of the sum of all that counts, which
changes only when something happens and can be kept in order by an index. (Forward decay: Cormode,
Shkapenyuk, Srivastava and Xu, "Forward Decay", ICDE 2009.)
"""

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from graft.server.db.tables import RepositoryRow

HALF_LIFE = timedelta(days=7)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
LIKE = 1.0
DOWNLOAD = 0.02

STEPS = 1_000_000
"""Into which a half-life is divided: a score is a whole number of these, 32 bits for 40 years."""
LEAST = 16.0
"""Added to every logarithm, so that the least thing at the epoch is above 0, which is nothing."""


def after(score: int, weight: float, now: datetime) -> int:
    """The score once something of that weight has happened at `now`."""
    new = math.log2(weight) + _age(now) + LEAST
    if score <= 0:
        return max(1, math.ceil(new * STEPS))
    old = score / STEPS
    high, low = max(old, new), min(old, new)
    # Rounded up: else what happens to something very much liked would count for nothing.
    return math.ceil((high + math.log2(1 + 2 ** (low - high))) * STEPS)


def without(score: int, weight: float, then: datetime) -> int:
    """The score as if something of that weight had not happened at `then`."""
    old, gone = score / STEPS, math.log2(weight) + _age(then) + LEAST
    left = 1 - 2 ** (gone - old)
    # What is so little is what rounding has left.
    return max(0, round((old + math.log2(left)) * STEPS)) if left > 1e-4 else 0


def shown(score: int, now: datetime | None = None) -> int:
    """A score as clients see it: about how many likes of today it is worth."""
    if score <= 0:
        return 0
    exponent = score / STEPS - LEAST - _age(now or datetime.now(UTC))
    return round(2 ** min(exponent, 30.0))


def add(session: Session, repository_id: int, weight: float) -> None:
    """Notes that a repository was liked or fetched just now."""
    mine = RepositoryRow.id == repository_id
    score = session.scalar(select(RepositoryRow.trending_score).where(mine).with_for_update())
    if score is not None:
        changed = after(score, weight, datetime.now(UTC))
        session.execute(update(RepositoryRow).where(mine).values(trending_score=changed))


def _age(moment: datetime) -> float:
    """Half-lives since the epoch."""
    return (moment - EPOCH) / HALF_LIFE
