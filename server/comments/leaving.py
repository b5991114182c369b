"""How public comments leave."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from server.comments.models import CommentReplyRow, PublicCommentRow
from server.sends.models import SendIntentRow
from server.tenants.leaving import How, Leaving, of_contact, of_units


def _replies_of_contact(contact_id: UUID) -> ColumnElement[bool]:
    """Choose replies to what the person wrote, and those whose send names the person: that one is erased after them."""
    written = select(PublicCommentRow.id).where(
        PublicCommentRow.organization_id == CommentReplyRow.organization_id, PublicCommentRow.contact_id == contact_id
    )
    sent = select(SendIntentRow.id).where(
        SendIntentRow.organization_id == CommentReplyRow.organization_id, SendIntentRow.contact_id == contact_id
    )
    return or_(CommentReplyRow.comment_id.in_(written), CommentReplyRow.send_id.in_(sent))


LEAVING = (
    Leaving(CommentReplyRow, How.ROWS, of_units(CommentReplyRow.unit_id), _replies_of_contact),
    Leaving(PublicCommentRow, How.ROWS, of_units(PublicCommentRow.unit_id), of_contact(PublicCommentRow.contact_id)),
)
