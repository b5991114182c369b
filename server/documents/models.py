"""Tables of known documents: what client builds registered, and how often each document was asked for."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Date, Index, LargeBinary, PrimaryKeyConstraint, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from server.documents.rules import ClientBuild, OperationType
from server.documents.rules import document_id as written
from server.kit.db import Base, TenantRow, Wall, walled


class KnownDocumentRow(TenantRow, Base):
    """One document as one build of a client registered it. Served to the whole organization until it is withdrawn.

    The same text of another build is a row of its own: a document lives as long as one of the builds that have it.
    """

    __tablename__ = "known_document"
    __table_args__ = (
        Index(
            "known_document_live_idx",
            "organization_id",
            "digest",
            "app",
            "version",
            unique=True,
            postgresql_where=text("withdrawn_at IS NULL"),
        ),
        {"info": walled(Wall.ORGANIZATION) | {"rights": "SELECT, INSERT, DELETE, UPDATE (withdrawn_at, withdrawn_by)"}},
    )

    digest: Mapped[bytes] = mapped_column(LargeBinary)
    """SHA-256 of the text in UTF-8."""
    text: Mapped[str] = mapped_column(Text)
    operation_name: Mapped[str]
    operation_type: Mapped[OperationType]
    app: Mapped[str]
    version: Mapped[str]
    registered_by: Mapped[UUID]
    """The member or the app that registered it."""
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None]

    @property
    def document_id(self) -> str:
        """Return the id that a client sends."""
        return written(bytes(self.digest))

    @property
    def build(self) -> ClientBuild:
        """Return the build that registered it."""
        return ClientBuild(self.app, self.version)


class DocumentUseRow(Base):
    """How often one organization asked for one document with one build on one day (UTC).

    Shipped documents are counted too, so the digest need not be one of `known_document`.
    """

    __tablename__ = "document_use"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "digest", "day", "operation_name", "app", "version"),
        Index("document_use_day_idx", "organization_id", "day"),
        {"info": walled(Wall.HEADQUARTERS, system="SELECT, INSERT, UPDATE")},
    )

    organization_id: Mapped[UUID]
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    day: Mapped[date] = mapped_column(Date)
    operation_name: Mapped[str]
    app: Mapped[str]
    """As the caller says in its headers; empty if it says nothing."""
    version: Mapped[str]
    uses: Mapped[int] = mapped_column(BigInteger)
    last_used_at: Mapped[datetime]
