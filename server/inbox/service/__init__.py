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
from server.inbox.service.outbound import record_echo, reflect
from server.inbox.service.reading import (
    changes_after,
    conversation,
    conversations_by_id,
    has_unsettled_changes,
    list_conversations,
    messages,
    notes,
)
from server.inbox.service.replies import reply
from server.inbox.service.taking_back import end_unsending, signal, signal_of, unsend, unsending
from server.inbox.service.work import (
    add_note,
    assign,
    assignments,
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
    "changes_after",
    "conversation",
    "conversations_by_id",
    "end_unsending",
    "has_unsettled_changes",
    "label",
    "list_conversations",
    "mark_read",
    "messages",
    "move_to_folder",
    "note_postback",
    "notes",
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
