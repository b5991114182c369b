"""Everything that can happen in one conversation, as the bodies in which each platform tells it, in the order it happened.

Wire facts: platforms.md 2.6, 3.4, 4.5, 5.4, 6.4.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from server.platforms.port import Channel

Stream = Callable[[str, str, str, int], list[bytes]]
"""(page, person, a mark of its own for every id, the beginning in ms) -> one body per event."""


def _graph(name: str) -> Stream:
    def stream(page: str, person: str, mark: str, start_ms: int) -> list[bytes]:
        def item(minute: int, part: dict[str, object], *, by_page: bool = False) -> bytes:
            at_ms = start_ms + minute * 60_000
            ids = ({"id": page}, {"id": person})
            sender, recipient = ids if by_page else ids[::-1]
            told = {"sender": sender, "recipient": recipient, "timestamp": at_ms, **part}
            return json.dumps({"object": name, "entry": [{"id": page, "time": at_ms, "messaging": [told]}]}).encode()

        def mid(which: str) -> str:
            return f"{mark}-{which}"

        picture = [{"type": "image", "payload": {"url": "https://cdn.example/1.jpg"}}]
        reacted = {"mid": mid("in1"), "reaction": "love", "emoji": "❤"}
        seen = {"mid": mid("out1")} if name == "instagram" else {"watermark": start_ms + 6 * 60_000}
        return [
            item(0, {"message": {"mid": mid("in0"), "text": "Hello"}}),
            item(1, {"message": {"mid": mid("in1"), "text": "do you have bred"}}),
            item(2, {"message_edit": {"mid": mid("in1"), "text": "do you have bread", "num_edit": 1}}),
            item(3, {"message_edit": {"mid": mid("in1"), "text": "Do you have bread?", "num_edit": 2}}),
            item(4, {"message": {"mid": mid("out1"), "text": "yes", "is_echo": True, "app_id": 7}}, by_page=True),
            item(5, {"delivery": {"mids": [mid("out1")], "watermark": start_ms + 4 * 60_000}}),
            item(6, {"read": seen}),
            item(7, {"reaction": reacted | {"action": "react"}}),
            item(8, {"reaction": {"mid": mid("in1"), "action": "unreact"}}),
            item(9, {"message": {"mid": mid("in2"), "text": "my address", "attachments": picture}}),
            item(10, {"message": {"mid": mid("in2"), "is_deleted": True}}),
            item(11, {"message": {"mid": mid("out2"), "text": "anything else?", "is_echo": True}}, by_page=True),
            item(12, {"reaction": reacted | {"mid": mid("out2"), "action": "react"}}),
            item(13, {"postback": {"title": "No, thanks", "payload": "NO", "mid": mid("tap")}}),
        ]

    return stream


def _x(page: str, person: str, mark: str, start_ms: int) -> list[bytes]:
    number = int(mark[:12], 16)

    def event(minute: int, which: int, text: str, *, by_page: bool = False) -> bytes:
        sender, target = (page, person) if by_page else (person, page)
        message = {"target": {"recipient_id": target}, "sender_id": sender, "message_data": {"text": text}}
        told = {"type": "message_create", "id": str(number * 10 + which), "message_create": message}
        told["created_timestamp"] = str(start_ms + minute * 60_000)
        return json.dumps({"for_user_id": page, "direct_message_events": [told], "users": {}}).encode()

    read = {"created_timestamp": str(start_ms + 5 * 60_000), "sender_id": person, "target": {"recipient_id": page}}
    read["last_read_event_id"] = str(number * 10 + 3)
    return [
        event(0, 1, "Hello"),
        event(1, 2, "do you have bread?"),
        event(2, 3, "yes", by_page=True),
        json.dumps({"for_user_id": page, "direct_message_mark_read_events": [read], "users": {}}).encode(),
        event(6, 4, "anything else?", by_page=True),
        event(7, 5, "no, thanks"),
    ]


def _tiktok(page: str, person: str, mark: str, start_ms: int) -> list[bytes]:
    def told(minute: int, event: str, content: dict[str, object], *, by_page: bool = False) -> bytes:
        at_ms = start_ms + minute * 60_000
        one, other = {"id": person, "role": "personal_account"}, {"id": page, "role": "business_account"}
        both = {"from_user": other, "to_user": one} if by_page else {"from_user": one, "to_user": other}
        inside = {"conversation_id": f"c-{mark}", "unique_identifier": person, "timestamp": at_ms, **both, **content}
        body = {"client_key": "k", "event": event, "create_time": at_ms // 1000, "user_openid": page}
        return json.dumps(body | {"content": json.dumps(inside)}).encode()

    def text(which: str, words: str) -> dict[str, object]:
        return {"message_id": f"{mark}-{which}", "type": "text", "text": {"body": words}}

    return [
        told(0, "im_receive_msg", text("in0", "Hello")),
        told(1, "im_receive_msg", text("in1", "do you have bread?")),
        told(2, "im_send_msg", text("out1", "yes"), by_page=True),
        told(3, "im_mark_read_msg", {"read": {"last_read_timestamp": start_ms + 150_000}}),
        told(4, "im_receive_msg", text("in2", "thank you")),
        told(5, "im_send_msg", text("out2", "anything else?"), by_page=True),
    ]


def _linkedin(page: str, person: str, mark: str, start_ms: int) -> list[bytes]:
    """A post of the organization and what is written below it; `person` is the post's number, as no person has a talk here."""
    post = f"urn:li:activity:{person}"

    def told(minute: int, action: str, which: int, words: str | None = None, below: int | None = None) -> bytes:
        urn = f"urn:li:comment:({post},{int(mark[:12], 16) * 10 + which})"
        by = page if action == "ADMIN_COMMENT" else f"urn:li:person:p{which}"
        comment: dict[str, object] = {"owner": by, "object": post, "entity": urn}
        if words is not None:
            comment["text"] = words
        if below is not None:
            comment["parentComment"] = f"urn:li:comment:({post},{int(mark[:12], 16) * 10 + below})"
        notification = {
            "notificationId": int(mark[:12], 16) * 100 + minute,
            "organizationalEntity": page,
            "action": action,
            "sourcePost": post,
            "generatedActivity": urn,
            "decoratedGeneratedActivity": {"comment": comment},
            "lastModifiedAt": start_ms + minute * 60_000,
        }
        kind = "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS"
        return json.dumps({"type": kind, "notifications": [notification]}).encode()

    return [
        told(0, "COMMENT", 1, "Hello"),
        told(1, "COMMENT_EDIT", 1, "Hello, do you have bred?"),
        told(2, "COMMENT_EDIT", 1, "Hello, do you have bread?"),
        told(3, "ADMIN_COMMENT", 2, "yes", below=1),
        told(4, "COMMENT", 3, "and a rude word"),
        told(5, "COMMENT_EDIT", 3, "and a milder word"),
        told(6, "COMMENT_DELETE", 3),
        told(7, "LIKE", 4),
        told(8, "COMMENT", 5, "thank you", below=2),
    ]


STREAMS: dict[Channel, Stream] = {
    Channel.MESSENGER: _graph("page"),
    Channel.INSTAGRAM: _graph("instagram"),
    Channel.X: _x,
    Channel.TIKTOK: _tiktok,
    Channel.LINKEDIN: _linkedin,
}
"""LinkedIn has no conversations: its notifications are public comments below a post."""
