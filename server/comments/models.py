"""Tables of public comments: what people write below a page's posts, mention it in, or recommend it with; and our replies."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.kit.db import Base, TenantRow, Wall, walled


class PublicKind(StrEnum):
    """How a public text concerns the page."""

    COMMENT = "COMMENT"
    MENTION = "MENTION"
    REVIEW = "REVIEW"


class Visibility(StrEnum):
    """Whether the public sees it, as far as the platform told us."""

    VISIBLE = "VISIBLE"
    HIDDEN = "HIDDEN"
    REMOVED = "REMOVED"


class PublicCommentRow(TenantRow, Base):
    """One public text about a page. What the platform says about it may come in any order."""

    __tablename__ = "public_comment"
    __table_args__ = (
        ForeignKeyConstraint(["organization_id", "unit_id"], ["unit.organization_id", "unit.id"]),
        ForeignKeyConstraint(["organization_id", "page_id"], ["page.organization_id", "page.id"]),
        ForeignKeyConstraint(["organization_id", "contact_id"], ["contact.organization_id", "contact.id"]),
        UniqueConstraint("organization_id", "page_id", "platform_id"),
        Index("public_comment_latest_idx", "organization_id", "occurred_at", "id"),
        Index("public_comment_unit_latest_idx", "organization_id", "unit_id", "occurred_at", "id"),
        Index("public_comment_contact_idx", "organization_id", "contact_id"),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    page_id: Mapped[UUID]
    platform_id: Mapped[str]
    kind: Mapped[PublicKind]
    post_id: Mapped[str | None]
    parent_id: Mapped[str | None]
    contact_id: Mapped[UUID | None]
    """Who wrote it; None for the page itself, and where the platform does not tell."""
    person_name: Mapped[str | None]
    is_own: Mapped[bool]
    text: Mapped[str | None] = mapped_column(Text)
    rating: Mapped[int | None]
    recommendation: Mapped[str | None]
    visibility: Mapped[Visibility]
    occurred_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    """When, by the platform's clock, the wording that stands here was written; an older one changes nothing."""
    shown_at: Mapped[datetime | None]
    """When, by the platform's clock, it was last hidden or shown again; an older word about that changes nothing."""
    is_edited: Mapped[bool] = mapped_column(default=False, server_default="false")
    text_until: Mapped[datetime | None]
    """When the text must be forgotten, where the platform's terms say so."""
    name_until: Mapped[datetime | None]
    """The same for the name of the person who wrote it."""
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[UUID | None]


class CommentReplyRow(TenantRow, Base):
    """One reply of ours to a public text; the send carries it out and knows how it stands."""

    __tablename__ = "comment_reply"
    __table_args__ = (
        ForeignKeyConstraint(
            ["organization_id", "comment_id"], ["public_comment.organization_id", "public_comment.id"]
        ),
        ForeignKeyConstraint(["organization_id", "send_id"], ["send_intent.organization_id", "send_intent.id"]),
        Index("comment_reply_comment_idx", "organization_id", "comment_id", "id"),
        Index(
            "comment_reply_private_key",
            "organization_id",
            "comment_id",
            unique=True,
            postgresql_where="is_private",
        ),
        {"info": walled(Wall.UNIT)},
    )

    unit_id: Mapped[UUID]
    comment_id: Mapped[UUID]
    send_id: Mapped[UUID]
    author_id: Mapped[UUID | None]
    is_private: Mapped[bool]
