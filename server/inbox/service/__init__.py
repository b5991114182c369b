"""Use cases of the inbox, as `from server.inbox import service as inbox`; one module per part of the story."""

from __future__ import annotations

from server.inbox.service.composition import Reply
from server.inbox.service.groups import apply_participants, participants
from server.inbox.service.inbound import (
    apply_edit,
    apply_reaction,
    apply_receipt,
    apply_unsend,
    note_postback,
    receive_message,
)
from server.inbox.service.many import receive_messages
from server.inbox.service.nested import assignments, assignments_of, messages, messages_of, notes, notes_of
from server.inbox.service.outbound import record_echo, reflect
from server.inbox.service.reading import (
    changes_after,
    conversation,
    conversations_by_id,
    has_unsettled_changes,
    list_conversations,
)
from server.inbox.service.replies import reply
from server.inbox.service.taking_back import end_unsending, signal, signal_of, unsend, unsending
from server.inbox.service.work import (
    add_note,
    assign,
    label,
    mark_read,
    move_to_folder,
    set_category,
    set_status,
    unlabel,
)

__all__ = [
    "Reply",
    "add_note",
    "apply_edit",
    "apply_participants",
    "apply_reaction",
    "apply_receipt",
    "apply_unsend",
    "assign",
    "assignments",
    "assignments_of",
    "changes_after",
    "conversation",
    "conversations_by_id",
    "end_unsending",
    "has_unsettled_changes",
    "label",
    "list_conversations",
    "mark_read",
    "messages",
    "messages_of",
    "move_to_folder",
    "note_postback",
    "notes",
    "notes_of",
    "participants",
    "receive_message",
    "receive_messages",
    "record_echo",
    "reflect",
    "reply",
    "set_category",
    "set_status",
    "signal",
    "signal_of",
    "unlabel",
    "unsend",
    "unsending",
]
