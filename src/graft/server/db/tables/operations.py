"""What the processes of one Hub share."""

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from graft.server.db.tables.base import Base


class SecretRow(Base):
    """A random key that all processes of one Hub share."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[bytes] = mapped_column(LargeBinary(64))
