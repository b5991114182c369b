"""Tables of contacts: people, their identity on each page, and labels."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, LargeBinary, PrimaryKeyConstraint, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class ContactRow(TenantRow, Base):
    """One end customer of one unit."""

    __tablename__ = "contact"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        Index("contact_newest_idx", "organization_id", "unit_id", "id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str | None]
    first_name: Mapped[str | None]
    locale: Mapped[str | None]
    time_zone: Mapped[str | None]
    attributes: Mapped[dict[str, object]] = mapped_column(default=dict, server_default="{}")
    profile_read_at: Mapped[datetime | None]
    was_erased: Mapped[bool] = mapped_column(default=False, server_default="false")
    """The person is on the list of those who were erased, and came back by writing to us."""


class ContactIdentityRow(TenantRow, Base):
    """How one page's platform names a contact."""

    __tablename__ = "contact_identity"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        UniqueConstraint("organization_id", "page_id", "external_id"),
        Index("contact_identity_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    page_id: Mapped[UUID]
    external_id: Mapped[str]
    thread_external_id: Mapped[str | None]
    """How the platform names the conversation, where sends need it."""


class LabelRow(TenantRow, Base):
    """One label that a unit, and everything under it, may put on contacts and conversations."""

    __tablename__ = "label"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        UniqueConstraint("organization_id", "unit_id", "name"),
        {"info": walled(Wall.LINEAGE)},
    )

    unit_id: Mapped[UUID]
    name: Mapped[str]
    color: Mapped[str]


class ContactLabelRow(Base):
    """One label on one contact."""

    __tablename__ = "contact_label"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "contact_id", "label_id"),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        ForeignKeyConstraint(["organization_id", "label_id"], ["label.organization_id", "label.id"]),
        Index("contact_label_label_idx", "organization_id", "label_id"),
        {"info": walled(Wall.UNIT)},
    )

    organization_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    label_id: Mapped[UUID]
    unit_id: Mapped[UUID] = mapped_column()


class ErasedIdentityRow(Base):
    """That somebody of this page-scoped id was erased, or asked a client that left to be left alone. Names nobody.

    `identity_hash` is keyed, so that it tells nothing without our keys and still recognises who comes back.
    """

    __tablename__ = "erased_identity"
    __table_args__ = (
        PrimaryKeyConstraint("organization_id", "identity_hash"),
        {"info": walled(Wall.ORGANIZATION)},
    )

    organization_id: Mapped[UUID]
    identity_hash: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
