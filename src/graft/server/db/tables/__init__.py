"""The database's tables, a module an area. A change needs a migration, in `migrations/versions`."""

from graft.server.db.tables.accounts import (
    AccessRequestRow,
    AccountRow,
    DeviceCodeRow,
    DeviceLoginRow,
    MemberRow,
    SessionRow,
    TokenRow,
)
from graft.server.db.tables.base import Base, Moment
from graft.server.db.tables.community import (
    CollectionItemRow,
    CollectionRow,
    CommentRevisionRow,
    DeliveryRow,
    DiscussionEventRow,
    DiscussionRow,
    EventRow,
    FollowRow,
    LikeRow,
    UpvoteRow,
    WatchRow,
    WebhookRow,
)
from graft.server.db.tables.content import ObjectRow, RepositoryObjectRow
from graft.server.db.tables.locks import GivenUpObjectRow, LockRow
from graft.server.db.tables.operations import SecretRow
from graft.server.db.tables.repositories import (
    BaseModelRow,
    ContentsRow,
    ConversionRow,
    EvaluationRow,
    RepositoryRow,
    ScanRow,
    TagRow,
)

__all__ = [
    "AccessRequestRow",
    "AccountRow",
    "Base",
    "BaseModelRow",
    "CollectionItemRow",
    "CollectionRow",
    "CommentRevisionRow",
    "ContentsRow",
    "ConversionRow",
    "DeliveryRow",
    "DeviceCodeRow",
    "DeviceLoginRow",
    "DiscussionEventRow",
    "DiscussionRow",
    "EvaluationRow",
    "EventRow",
    "FollowRow",
    "GivenUpObjectRow",
    "LikeRow",
    "LockRow",
    "MemberRow",
    "Moment",
    "ObjectRow",
    "RepositoryObjectRow",
    "RepositoryRow",
    "ScanRow",
    "SecretRow",
    "SessionRow",
    "TagRow",
    "TokenRow",
    "UpvoteRow",
    "WatchRow",
    "WebhookRow",
]
