"""GraphQL types of the inbox: conversations, messages, notes, owners."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import strawberry

from server.consent.models import WindowRow
from server.inbox.models import AssignmentRow, MessageRow, NoteRow, ParticipantRow
from server.inbox.views import ConversationView, LastMessagePart
from server.kit.pagination import PageArguments
from server.schema.channels.types import Page
from server.schema.contacts.types import Contact, Label
from server.schema.context import ApiContext, Info
from server.schema.cost import LOADED, PAGED, held, loaded
from server.schema.declarations import readable
from server.schema.enums import (
    Category,
    ConversationKind,
    ConversationStatus,
    Direction,
    Folder,
    MessageState,
    UnsendState,
)
from server.schema.inbox.attachments import Attachment
from server.schema.inbox.attachments import shown as shown_attachment
from server.schema.inbox.traces import trace_rows, trace_views
from server.schema.nodes import Kind, Node, finder, gid
from server.schema.pages import After, Before, Connection, First, Last, connection
from server.schema.partial import partial
from server.schema.tenants.types import Member
from server.sends import taxonomy
from server.tenants.rules import Permission

_LINK_LIFE = timedelta(hours=1)


@readable(Permission.INBOX_READ)
@strawberry.type(description="One message of a conversation, in or out. Needs inbox:read.")
class Message(Node):
    """A message."""

    direction: Direction = strawberry.field(description="Who wrote it.")
    state: MessageState = strawberry.field(description="What is known of it.")
    state_reason: str | None = strawberry.field(description="Why it was not sent, skipped or is unknown, in one word.")
    state_text: str | None = strawberry.field(description="The same in a sentence that says what to do.")
    text: str | None = strawberry.field(description="The text; null for media alone and for unsent messages.")
    has_attachments: bool = strawberry.field(description="Whether there is media.")
    attachments: list[Attachment] = strawberry.field(description="The media.", directives=held(5))
    occurred_at: datetime = strawberry.field(description="The platform's time; messages are ordered by it.")
    seq: int = strawberry.field(description="The order of arrival within the conversation, from 1.")
    template_version_id: strawberry.ID | None = strawberry.field(
        description="The version of the reply template that it was made from."
    )
    reaction: str | None = strawberry.field(description="The emoji that the other side reacted with.")
    edit_number: int = strawberry.field(description="How often its writer edited it.")
    is_unsent: bool = strawberry.field(description="Whether its writer took it back; its content is gone then.")
    unsend: UnsendState | None = strawberry.field(
        description="Where the wish to take it back stands at the platform; null if nobody asked. isUnsent says what"
        " became of our own copy."
    )
    unsend_detail: str | None = strawberry.field(description="What the platform said if it did not take it back.")
    author_id: strawberry.Private[UUID | None]
    writer_id: strawberry.Private[UUID | None]

    @strawberry.field(description="The member who wrote it in Switchboard; null for everybody else.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        return await _member(info, self.author_id)

    @strawberry.field(
        description="Which of a group's people wrote it; null in a conversation of two, and for what the page wrote.",
        directives=LOADED,
    )
    async def writer(self, info: Info) -> Contact | None:
        """Resolve the writer."""
        return await _contact_of(info, self.writer_id)

    @classmethod
    def of(cls, row: MessageRow) -> Message:
        """Show a message."""
        return cls(
            id=gid(Kind.MESSAGE, row.id),
            direction=row.direction,
            state=row.state,
            state_reason=row.state_reason,
            state_text=taxonomy.text_of(row.state_reason),
            unsend=row.unsend,
            unsend_detail=row.unsend_detail,
            text=row.text,
            has_attachments=bool(row.attachments),
            attachments=[shown_attachment(row.id, place, one) for place, one in enumerate(row.attachments)],
            occurred_at=row.occurred_at,
            seq=row.seq,
            template_version_id=_gid_or_none(Kind.TEMPLATE_VERSION, row.template_version_id),
            reaction=row.reaction,
            edit_number=row.edit_number,
            is_unsent=row.unsent_at is not None,
            author_id=row.author_id,
            writer_id=row.writer_id,
        )

    @classmethod
    def part(cls, part: LastMessagePart) -> Message:
        """Show what a page of conversations fetched of its newest message."""
        return partial(
            cls,
            id=gid(Kind.MESSAGE, part.id),
            direction=part.direction,
            state=part.state,
            text=part.text,
            has_attachments=part.has_attachments,
            occurred_at=part.occurred_at,
            is_unsent=part.unsent_at is not None,
        )


@readable(Permission.INBOX_READ)
@strawberry.type(description="An internal remark on a conversation; never sent to anybody. Needs inbox:read.")
class Note(Node):
    """A note."""

    text: str = strawberry.field(description="1 to 10,000 characters.")
    created_at: datetime = strawberry.field(description="When it was written.")
    author_id: strawberry.Private[UUID | None]

    @strawberry.field(description="The member who wrote it; null for an app.", directives=LOADED)
    async def author(self, info: Info) -> Member | None:
        """Resolve the author."""
        return await _member(info, self.author_id)

    @classmethod
    def of(cls, row: NoteRow) -> Note:
        """Show a note."""
        return cls(id=gid(Kind.NOTE, row.id), text=row.text, created_at=row.created_at, author_id=row.author_id)


@readable(Permission.INBOX_READ)
@strawberry.type(description="One entry of a conversation's history of owners.")
class Assignment:
    """An assignment."""

    created_at: datetime = strawberry.field(description="When it was given.")
    assignee_id: strawberry.Private[UUID | None]
    actor_id: strawberry.Private[UUID | None]

    @strawberry.field(description="Whom it was given to; null is a release.", directives=LOADED)
    async def assignee(self, info: Info) -> Member | None:
        """Resolve the new owner."""
        return await _member(info, self.assignee_id)

    @strawberry.field(description="The member who gave it; null for an app.", directives=LOADED)
    async def actor(self, info: Info) -> Member | None:
        """Resolve who gave it."""
        return await _member(info, self.actor_id)

    @classmethod
    def of(cls, row: AssignmentRow) -> Assignment:
        """Show an entry."""
        return cls(created_at=row.created_at, assignee_id=row.assignee_id, actor_id=row.actor_id)


@readable(Permission.INBOX_READ)
@strawberry.type(description="One of the people of a group.")
class Participant:
    """A participant."""

    since: datetime | None = strawberry.field(
        description="The earliest moment at which they are known to have been there."
    )
    left_at: datetime | None = strawberry.field(description="When they left; null while they are there.")
    contact_id: strawberry.Private[UUID]

    @strawberry.field(description="Who it is.", directives=LOADED)
    async def contact(self, info: Info) -> Contact | None:
        """Resolve the contact."""
        return await _contact_of(info, self.contact_id)

    @classmethod
    def of(cls, row: ParticipantRow) -> Participant:
        """Show a participant."""
        is_back = row.left_at is not None and row.seen_at is not None and row.seen_at > row.left_at
        return cls(since=row.since, left_at=None if is_back else row.left_at, contact_id=row.contact_id)


@readable(Permission.INBOX_READ)
@strawberry.type(
    description="Until when the page may write to the contact freely: the contact's last action and the rules."
)
class MessagingWindow:
    """A window."""

    closes_at: datetime = strawberry.field(description="When replies end.")
    human_agent_closes_at: datetime = strawberry.field(
        description="When replies end that are marked humanAgent, on platforms that give people more time."
    )

    @classmethod
    def of(cls, row: WindowRow) -> MessagingWindow:
        """Show a window."""
        return cls(closes_at=row.closes_at, human_agent_closes_at=row.human_agent_closes_at)


@readable(Permission.INBOX_READ)
@strawberry.type(description="The one exchange of a page with a contact. Needs inbox:read on its unit.")
class Conversation(Node):
    """A conversation. What a list fetched with its own statement is in the `shown_` attributes; loaders do the rest."""

    kind: ConversationKind = strawberry.field(description="Whether it is with one person or with a group.")
    status: ConversationStatus = strawberry.field(description="Where our work on it stands.")
    folder: Folder = strawberry.field(description="Where the platform put it.")
    category: Category | None = strawberry.field(description="What it is about; needed before it can be resolved.")
    unread_count: int = strawberry.field(description="How many inbound messages nobody has marked as read.")
    last_message_at: datetime = strawberry.field(description="The platform's time of the newest message.")
    last_inbound_at: datetime | None = strawberry.field(description="The platform's time of the newest inbound one.")
    revision: int = strawberry.field(
        description="Raised with every change; give it as expectedRevision to be refused rather than to overwrite."
    )
    created_at: datetime = strawberry.field(description="When it began.")
    view: strawberry.Private[ConversationView]
    shown_page: strawberry.Private[Page | None] = None
    shown_contact: strawberry.Private[Contact | None] = None
    shown_assignee: strawberry.Private[Member | None] = None
    shown_last_message: strawberry.Private[Message | None] = None

    # These four answer at once when the list fetched the object; a coroutine per row would cost more than the rest of it.
    @strawberry.field(description="The page that holds it.", directives=LOADED)
    def page(self, info: Info) -> Page | None:
        """Resolve the page."""
        return self.shown_page or cast("Page | None", self._page(info))

    @strawberry.field(
        description="Who it is with; in a GROUP the contact stands for the group as a whole.", directives=LOADED
    )
    def contact(self, info: Info) -> Contact | None:
        """Resolve the contact."""
        return self.shown_contact or cast("Contact | None", self._contact(info))

    @strawberry.field(description="The member who owns it; null while nobody does.", directives=LOADED)
    def assignee(self, info: Info) -> Member | None:
        """Resolve the owner."""
        if self.view.assignee_id is None:
            return None
        return self.shown_assignee or cast("Member | None", _member(info, self.view.assignee_id))

    @strawberry.field(description="The newest message by the platform's time.", directives=LOADED)
    def last_message(self, info: Info) -> Message | None:
        """Resolve the newest message."""
        if self.view.last_message_id is None:
            return None
        return self.shown_last_message or cast("Message | None", self._last_message(info))

    @strawberry.field(description="The labels, by name.", directives=held(10))
    def labels(self) -> list[Label]:
        """Show the labels."""
        return [Label.of(part) for part in self.view.labels]

    @strawberry.field(
        description="The people of a GROUP besides the page, as far as they wrote or the network told of them; those who left"
        " are among them. Empty for a DIRECT conversation.",
        directives=loaded(60),
    )
    async def participants(self, info: Info) -> list[Participant]:
        """List the people."""
        rows = await info.context.loaders.participants.load(self.view.contact_id)
        return [Participant.of(row) for row in rows or ()]

    @strawberry.field(description="Until when replies may go out; null if the contact never acted.", directives=LOADED)
    async def window(self, info: Info) -> MessagingWindow | None:
        """Resolve the window."""
        row = await info.context.loaders.windows.load((self.view.page_id, self.view.contact_id))
        return None if row is None else MessagingWindow.of(row)

    @strawberry.field(
        description="When the oldest message that nobody answered yet should be answered, by the setting FIRST_RESPONSE_SLA"
        " of the unit as it is now; null if nobody waits, the conversation is resolved, or nothing is promised.",
        directives=LOADED,
    )
    async def first_response_due_at(self, info: Info) -> datetime | None:
        """Resolve when an answer is due."""
        due = await info.context.loaders.answers_due.load(self.view.id)
        return None if due is None else due.at

    @strawberry.field(description="Whether firstResponseDueAt has passed, by the database's clock.", directives=LOADED)
    async def is_overdue(self, info: Info) -> bool:
        """Say whether an answer is late."""
        due = await info.context.loaders.answers_due.load(self.view.id)
        return due is not None and due.is_overdue

    @strawberry.field(
        description="Messages by the platform's time, oldest first; without arguments the newest 25.", directives=PAGED
    )
    async def messages(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Message]:
        """List the messages."""
        trace_views(info.context, [self.view])
        wanted = (self.view.id, PageArguments(first, after, last, before))
        page = await info.context.loaders.messages_of.load(wanted)
        return connection(page, Message.of)

    @strawberry.field(description="Internal remarks, oldest first; without arguments the newest 25.", directives=PAGED)
    async def notes(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> Connection[Note]:
        """List the notes."""
        trace_views(info.context, [self.view])
        wanted = (self.view.id, PageArguments(first, after, last, before))
        page = await info.context.loaders.notes_of.load(wanted)
        return connection(page, Note.of)

    @strawberry.field(description="The history of owners, newest first, at most 100 entries.", directives=loaded(100))
    async def assignments(self, info: Info) -> list[Assignment]:
        """List the history of owners."""
        return [Assignment.of(row) for row in await info.context.loaders.assignments_of.load(self.view.id)]

    async def _page(self, info: Info) -> Page | None:
        row = await info.context.loaders.pages.load(self.view.page_id)
        return None if row is None else Page.of(row)

    async def _contact(self, info: Info) -> Contact | None:
        return await _contact_of(info, self.view.contact_id)

    async def _last_message(self, info: Info) -> Message | None:
        if self.view.last_message_id is None:
            return None
        trace_views(info.context, [self.view])
        row = await info.context.loaders.messages.load(self.view.last_message_id)
        return None if row is None else Message.of(row)

    @classmethod
    def of(cls, view: ConversationView, enough: frozenset[str] = frozenset()) -> Conversation:
        """Show a conversation; `enough` names the parts of which nothing is selected that the view does not have."""
        made = cls(
            id=gid(Kind.CONVERSATION, view.id),
            kind=view.kind,
            status=view.status,
            folder=view.folder,
            category=view.category,
            unread_count=view.unread_count,
            last_message_at=view.last_message_at,
            last_inbound_at=view.last_inbound_at,
            revision=view.revision,
            created_at=view.created_at,
            view=view,
        )
        if view.contact is not None:
            made.shown_contact = Contact.of(view.contact)
        if view.page is not None and "page" in enough:
            made.shown_page = Page.part(view.page)
        if view.assignee is not None and "assignee" in enough:
            made.shown_assignee = partial(Member, id=gid(Kind.MEMBER, view.assignee.id), name=view.assignee.name)
        if view.last_message is not None and "lastMessage" in enough:
            made.shown_last_message = Message.part(view.last_message)
        return made


async def _member(info: Info, member_id: UUID | None) -> Member | None:
    row = None if member_id is None else await info.context.loaders.members.load(member_id)
    return None if row is None else Member.of(row)


async def _contact_of(info: Info, contact_id: UUID | None) -> Contact | None:
    row = None if contact_id is None else await info.context.loaders.contacts.load(contact_id)
    return None if row is None else Contact.of(row)


def _gid_or_none(kind: Kind, value: UUID | None) -> strawberry.ID | None:
    return None if value is None else gid(kind, value)


@finder(Kind.CONVERSATION)
async def _conversation(context: ApiContext, value: UUID) -> Conversation | None:
    view = await context.loaders.conversations.load(value)
    return None if view is None else Conversation.of(view)


@finder(Kind.MESSAGE)
async def _message(context: ApiContext, value: UUID) -> Message | None:
    row = await context.loaders.messages.load(value)
    if row is None:
        return None
    trace_rows(context, [row])
    return Message.of(row)


@finder(Kind.NOTE)
async def _note(context: ApiContext, value: UUID) -> Note | None:
    row = await context.loaders.notes.load(value)
    if row is None:
        return None
    trace_rows(context, [row])
    return Note.of(row)
