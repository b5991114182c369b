"""GraphQL types of public comments."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from server.comments import rules
from server.comments.models import CommentReplyRow, PublicCommentRow
from server.platforms.capabilities import catalogue
from server.schema.channels.types import Page
from server.schema.contacts.types import Contact
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, loaded
from server.schema.declarations import readable
from server.schema.enums import PublicKind, SendState, Visibility
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.tenants.types import Member
from server.tenants.rules import Permission


@readable(Permission.INBOX_READ)
@strawberry.type(description="One reply of ours to a public text.")
class PublicCommentReply:
    """A reply, with the state of the send that carries it out."""

    is_private: bool = strawberry.field(description="Whether it went to the author alone.")
    created_at: datetime = strawberry.field(description="When it was queued.")
    send_id: strawberry.Private[UUID]
    author_id: strawberry.Private[UUID | None]

    @strawberry.field(description="Where it stands on our side; null once the send was erased.", directives=LOADED)
    async def state(self, info: Info) -> SendState | None:
        """Resolve the state."""
        row = await info.context.loaders.sends_of_comments.load(self.send_id)
        return None if row is None else row.state

    @strawberry.field(description="What was said; null once the send was erased.", directives=LOADED)
    async def text(self, info: Info) -> str | None:
        """Resolve the words."""
        row = await info.context.loaders.sends_of_comments.load(self.send_id)
        return None if row is None else row.text

    @strawberry.field(
        description="Why it was not sent, in one word; null while nothing speaks against it.", directives=LOADED
    )
    async def reason(self, info: Info) -> str | None:
        """Resolve the reason."""
        row = await info.context.loaders.sends_of_comments.load(self.send_id)
        return None if row is None else row.reason

    @strawberry.field(description="Who wrote it; null for an app.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        row = None if self.author_id is None else await info.context.loaders.members.load(self.author_id)
        return None if row is None else Member.of(row)

    @classmethod
    def of(cls, row: CommentReplyRow) -> PublicCommentReply:
        """Show a reply."""
        return cls(is_private=row.is_private, created_at=row.created_at, send_id=row.send_id, author_id=row.author_id)


@readable(Permission.INBOX_READ)
@strawberry.type(
    description="A public text about a page: a comment below one of its posts, a mention elsewhere, or a review."
)
class PublicComment(Node):
    """A public text."""

    kind: PublicKind = strawberry.field(description="How it concerns the page.")
    visibility: Visibility = strawberry.field(description="Whether the public sees it, as far as the network told us.")
    external_id: str = strawberry.field(description="The network's own id of it.")
    post_id: str | None = strawberry.field(description="The network's own id of the post it stands below.")
    parent_id: str | None = strawberry.field(description="The network's own id of what it answers.")
    person_name: str | None = strawberry.field(
        description="The author's name as the network told it; null where it told none, or its terms no longer let us keep it."
    )
    is_own: bool = strawberry.field(description="Whether the page itself wrote it.")
    text: str | None = strawberry.field(
        description="Its words; null once it was removed, or when the network's terms no longer let us keep them."
    )
    rating: int | None = strawberry.field(description="The stars of a review, where the network has stars.")
    recommendation: str | None = strawberry.field(
        description="POSITIVE or NEGATIVE for a review, in the network's words."
    )
    occurred_at: datetime = strawberry.field(description="When it was written.")
    is_edited: bool = strawberry.field(description="Whether its words were changed since.")
    text_until: datetime | None = strawberry.field(
        description="When its words will be forgotten, because the network's terms say so; null if they may stay."
    )
    handled_at: datetime | None = strawberry.field(description="Since when it needs nothing more of us.")
    page_id: strawberry.Private[UUID]
    contact_id: strawberry.Private[UUID | None]
    handled_by_id: strawberry.Private[UUID | None]
    comment_id: strawberry.Private[UUID]

    @strawberry.field(description="The page that it is about.", directives=LOADED)
    async def page(self, info: Info) -> Page | None:
        """Resolve the page."""
        row = await info.context.loaders.pages.load(self.page_id)
        return None if row is None else Page.of(row)

    @strawberry.field(
        description="Its author, where the network tells who it is. Needs contact:read.", directives=LOADED
    )
    async def contact(self, info: Info) -> Contact | None:
        """Resolve the contact."""
        row = None if self.contact_id is None else await info.context.loaders.contacts.load(self.contact_id)
        return None if row is None else Contact.of(row)

    @strawberry.field(description="Who said that it needs nothing more; null for an app.", directives=LOADED)
    async def handled_by(self, info: Info) -> Member | None:
        """Resolve the member."""
        row = None if self.handled_by_id is None else await info.context.loaders.members.load(self.handled_by_id)
        return None if row is None else Member.of(row)

    @strawberry.field(
        description="Until when one private reply to it is possible; null where the network offers none to this.",
        directives=LOADED,
    )
    async def private_reply_until(self, info: Info) -> datetime | None:
        """Work the end out from what the channel allows."""
        row = await info.context.loaders.pages.load(self.page_id)
        if row is None or self.kind is not PublicKind.COMMENT or self.is_own:
            return None
        return rules.private_reply_until(catalogue.at(row.channel, self.occurred_at), self.occurred_at)

    @strawberry.field(description="Our replies, oldest first.", directives=loaded(10))
    async def replies(self, info: Info) -> list[PublicCommentReply]:
        """Resolve the replies."""
        rows = await info.context.loaders.replies_of_comments.load(self.comment_id)
        return [PublicCommentReply.of(row) for row in rows or []]

    @classmethod
    def of(cls, row: PublicCommentRow) -> PublicComment:
        """Show a public text."""
        return cls(
            id=gid(Kind.PUBLIC_COMMENT, row.id),
            kind=row.kind,
            visibility=row.visibility,
            external_id=row.platform_id,
            post_id=row.post_id,
            parent_id=row.parent_id,
            person_name=row.person_name,
            is_own=row.is_own,
            text=row.text,
            rating=row.rating,
            recommendation=row.recommendation,
            occurred_at=row.occurred_at,
            is_edited=row.is_edited,
            text_until=row.text_until,
            handled_at=row.handled_at,
            page_id=row.page_id,
            contact_id=row.contact_id,
            handled_by_id=row.handled_by,
            comment_id=row.id,
        )


@finder(Kind.PUBLIC_COMMENT)
async def _comment(context: ApiContext, value: UUID) -> PublicComment | None:
    row = await context.loaders.public_comments.load(value)
    return None if row is None else PublicComment.of(row)
