"""Inputs and payloads of the inbox's mutations."""

from __future__ import annotations

import strawberry

from server.schema.cost import USER_ERRORS
from server.schema.enums import Category, ConversationStatus, Folder
from server.schema.inbox.types import Conversation, Message, Note
from server.schema.results import UserError

_REVISION = "The revision that the caller saw; if it is older than the conversation's, nothing is changed."


@strawberry.type
class ConversationChange:
    """What payloads about one conversation have in common; not a type of the schema itself."""

    conversation: Conversation | None = strawberry.field(default=None, description="The conversation as it is now.")
    user_errors: list[UserError] = strawberry.field(
        default_factory=list, description="Why nothing was changed.", directives=USER_ERRORS
    )


@strawberry.type(description="The queued reply, or why there is none.")
class ConversationReplyPayload(ConversationChange):
    """Result of conversationReply."""

    message: Message | None = strawberry.field(default=None, description="The reply; its state tells how it goes on.")


@strawberry.type(description="The given conversation, or why it was not.")
class ConversationAssignPayload(ConversationChange):
    """Result of conversationAssign."""


@strawberry.type(description="The conversation with its status, or why it was not changed.")
class ConversationSetStatusPayload(ConversationChange):
    """Result of conversationSetStatus."""


@strawberry.type(description="The conversation with its category, or why it was not changed.")
class ConversationSetCategoryPayload(ConversationChange):
    """Result of conversationSetCategory."""


@strawberry.type(description="The conversation with its folder, or why it was not changed.")
class ConversationFolderChangePayload(ConversationChange):
    """Result of conversationFolderChange."""


@strawberry.type(description="The read conversation, or why it was not.")
class ConversationMarkReadPayload(ConversationChange):
    """Result of conversationMarkRead."""


@strawberry.type(description="The labelled conversation, or why it was not.")
class ConversationLabelPayload(ConversationChange):
    """Result of conversationLabel."""


@strawberry.type(description="The conversation without the label, or why nothing was changed.")
class ConversationUnlabelPayload(ConversationChange):
    """Result of conversationUnlabel."""


@strawberry.type(description="The new note, or why there is none.")
class NoteCreatePayload(ConversationChange):
    """Result of noteCreate."""

    note: Note | None = strawberry.field(default=None, description="The new note.")


@strawberry.input(description="A value for one variable of a template.")
class TemplateValue:
    """A name and its value."""

    name: str = strawberry.field(description='The variable, for example "custom.order_number".')
    value: str = strawberry.field(description="What stands in its place.")


@strawberry.input(description="One suggested answer below a message.")
class QuickReplyInput:
    """A quick reply."""

    title: str = strawberry.field(description="What it says; 1 character to the channel's limit.")
    payload: str = strawberry.field(description="What comes back with it; 1 to 1,000 characters.")


@strawberry.input(description="One button below a text: a link or an answer, one of the two.")
class ButtonInput:
    """A button."""

    title: str = strawberry.field(description="What it says; 1 character to the channel's limit.")
    payload: str | None = strawberry.field(
        default=None, description="For an answer: what comes back with it; 1 to 1,000 characters."
    )
    url: str | None = strawberry.field(
        default=None, description="For a link: an https address of at most 2,000 characters."
    )


@strawberry.input(description="A reply: a text, or a template with values, or media; a text or a template, not both.")
class ConversationReplyInput:
    """What a reply needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    last_message_seen_id: strawberry.ID = strawberry.field(
        description="The newest message on the writer's screen. If somebody wrote since, the reply is refused."
    )
    text: str | None = strawberry.field(
        default=None, description="What to say; the channel's limit of length holds (Messenger: 2,000 characters)."
    )
    template_id: strawberry.ID | None = strawberry.field(
        default=None, description="A template that is in force at the conversation's unit."
    )
    variables: list[TemplateValue] = strawberry.field(
        default_factory=list, description="Values that the template needs beyond what is known; at most 100."
    )
    human_agent: bool = strawberry.field(
        default=False,
        description="A person answers by hand: on platforms that know this, replies may go out for longer. Refused for"
        " templates and for apps that act without a person.",
    )
    media_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list,
        description="Files from POST /files. Kinds, types, sizes, and whether a text may come along, are the channel's; at"
        " most 50.",
    )
    quick_replies: list[QuickReplyInput] = strawberry.field(
        default_factory=list, description="Suggested answers, where the channel offers them; at most its number."
    )
    buttons: list[ButtonInput] = strawberry.field(
        default_factory=list, description="Buttons below the text, where the channel offers them; at most its number."
    )
    reply_to_message_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the conversation that the reply quotes, on platforms that show it."
    )


@strawberry.input(description="A new owner.")
class ConversationAssignInput:
    """What giving needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    assignee_id: strawberry.ID | None = strawberry.field(
        default=None, description="A member who works the inbox at its unit; null releases it."
    )
    expected_revision: int | None = strawberry.field(default=None, description=_REVISION)


@strawberry.input(description="A new status.")
class ConversationSetStatusInput:
    """What a status needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    status: ConversationStatus = strawberry.field(description="The status; RESOLVED needs a category.")
    expected_revision: int | None = strawberry.field(default=None, description=_REVISION)


@strawberry.input(description="What a conversation is about.")
class ConversationSetCategoryInput:
    """What a category needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    category: Category = strawberry.field(description="The category.")
    expected_revision: int | None = strawberry.field(default=None, description=_REVISION)


@strawberry.input(description="The folder that a conversation is put into.")
class ConversationFolderChangeInput:
    """What a folder needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    folder: Folder = strawberry.field(
        description="PRIMARY accepts a stranger's request, SPAM puts it away. REQUEST is refused: only the platform says so."
    )
    expected_revision: int | None = strawberry.field(default=None, description=_REVISION)


@strawberry.input(description="The conversation that was read.")
class ConversationMarkReadInput:
    """Which conversation."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")


@strawberry.input(description="A label for a conversation.")
class ConversationLabelInput:
    """Which label on which conversation."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    label_id: strawberry.ID = strawberry.field(description="A label of the conversation's unit or of one above it.")


@strawberry.input(description="A label to take off a conversation.")
class ConversationUnlabelInput:
    """Which label off which conversation."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    label_id: strawberry.ID = strawberry.field(description="The label; nothing happens if it is not there.")


@strawberry.input(description="An internal remark.")
class NoteCreateInput:
    """What a note needs."""

    conversation_id: strawberry.ID = strawberry.field(description="The conversation.")
    text: str = strawberry.field(description="1 to 10,000 characters; never sent to anybody.")
