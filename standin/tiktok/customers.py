"""What a person does on the phone: each deed changes the state and tells the app's webhook."""

from collections.abc import Callable
from dataclasses import dataclass

from standin.controlling import UnknownId
from standin.jsonish import BadBody, Json, text, text_or_none, whole_or_none
from standin.tiktok import media
from standin.tiktok.hooks import message_content, parties
from standin.tiktok.state import EUROPE, Account, Comment, Conversation, Message, Reaction, new_id
from standin.tiktok.wire import TikTok


@dataclass(frozen=True, slots=True)
class Deed:
    """One deed of one person towards one account."""

    tiktok: TikTok
    account: Account
    person: str
    given: Json
    silent: bool

    @property
    def now_ms(self) -> int:
        """When it happens."""
        return whole_or_none(self.given, "timestamp") or self.tiktok.now_ms()

    def tell(self, name: str, content: Json) -> None:
        """Post the webhook, if the deed is to be told."""
        if not self.silent:
            self.tiktok.hooks.emit(self.account, name, content)


def deed(tiktok: TikTok, account: Account, person: str, name: str, given: Json, *, silent: bool) -> Json:
    """Do it; `UnknownId` or `BadBody`."""
    found = DEEDS.get(name)
    if found is None:
        raise UnknownId(f"unknown deed {name}")
    return found(Deed(tiktok, account, person, given, silent))


def inbound(one: Deed, kind: str, block: Json) -> Json:
    """A message of the person: it opens the window and starts the count of ten anew."""
    person = one.account.person(one.person)
    thread = one.account.conversation(one.person)
    message = Message(
        text_or_none(one.given, "mid") or new_id("u5B"),
        False,
        kind,
        block,
        one.now_ms,
        "APP",
        text_or_none(one.given, "reply_to"),
    )
    if person.region in EUROPE:
        # Nothing of it can be seen or answered (platforms.md 6.3): the window stays shut.
        told = {"to": one.account.username, "timestamp": message.timestamp}
        one.tell("im_receive_msg_eu", told | {"to_user": {"id": one.account.id, "role": "business_account"}})
        return {"message_id": message.id, "conversation_id": thread.id}
    one.tiktok.add(thread, message)
    thread.last_inbound_ms, thread.sent = message.timestamp, 0
    one.tell("im_receive_msg", message_content(one.account, thread, message, text_or_none(one.given, "payload")))
    return {"message_id": message.id, "conversation_id": thread.id}


def _message(one: Deed) -> Json:
    return inbound(one, "text", {"body": text(one.given, "text")})


def _image(one: Deed) -> Json:
    found = media.keep(one.tiktok, one.account.id, "IMAGE", "image/png")
    return inbound(one, "image", {"media_id": found.id}) | {"media_id": found.id}


def _video(one: Deed) -> Json:
    found = media.keep(one.tiktok, one.account.id, "VIDEO", "video/mp4")
    return inbound(one, "video", {"media_id": found.id}) | {"media_id": found.id}


def _sticker(one: Deed) -> Json:
    return inbound(one, "sticker", {"url": text(one.given, "url", "https://p16.example/sticker.webp?x-expires=1")})


def _emoji(one: Deed) -> Json:
    return inbound(one, "emoji", {"url": text(one.given, "url", "https://p16.example/emoji.png")})


def _share_post(one: Deed) -> Json:
    video = text(one.given, "video_id", str(one.tiktok.memory.number()))
    return inbound(one, "share_post", {"video_id": video, "embed_url": f"https://www.tiktok.com/player/v1/{video}"})


def _react(one: Deed) -> Json:
    thread, message = _message_of(one)
    operation = text(one.given, "operation", "ADD")
    emoji, now = text(one.given, "emoji", "❤️"), one.now_ms
    message.reactions = [mark for mark in message.reactions if mark.unique_identifier != one.person]
    if operation == "ADD":
        message.reactions.append(Reaction(one.person, emoji, now))
    mark: Json = {
        "operation": operation,
        "type": "EMOJI",
        "emoji": emoji,
        "unique_identifier": one.person,
        "timestamp": now,
        "original_msg_id": message.id,
    }
    event = Message(new_id("u5B"), False, "reaction", {}, now, "APP")
    content = message_content(one.account, thread, event) | {"reaction": [mark]}
    one.tell("im_receive_msg", content)
    return {"message_id": event.id}


def _read(one: Deed) -> Json:
    thread = one.account.conversation(one.person)
    seen = [message.timestamp for message in thread.messages if message.from_account]
    mark = whole_or_none(one.given, "last_read_timestamp") or max(seen, default=one.now_ms)
    who = parties(one.account, one.account.person(one.person), from_account=False)
    told: Json = {"conversation_id": thread.id, "timestamp": one.now_ms, "read": {"last_read_timestamp": mark}}
    one.tell("im_mark_read_msg", who | told)
    return {"last_read_timestamp": mark}


def _referral(one: Deed) -> Json:
    thread = one.account.conversation(one.person)
    who = parties(one.account, one.account.person(one.person), from_account=False)
    ad: Json = {"advertiser_id": "1", "ad_id": "2", "ad_name": "Autumn", "timestamp": one.now_ms}
    told: Json = {"conversation_id": thread.id, "timestamp": one.now_ms, "referral": {"source": "ad", "ad": ad}}
    one.tell("im_referral_msg", who | told)
    return {"conversation_id": thread.id}


def _comment(one: Deed) -> Json:
    action = text(one.given, "action", "insert")
    number = _number(one.given, "comment_id")
    comment = one.tiktok.memory.comments.get(str(number)) if number is not None else None
    if comment is None:
        comment = _new_comment(one, number)
    comment.text = text(one.given, "text", comment.text)
    content: Json = {
        "comment_id": comment.id,
        "video_id": comment.video,
        "comment_type": "comment" if comment.parent is None else "reply",
        "comment_action": action,
        "timestamp": one.now_ms // 1000,
        "unique_identifier": one.person,
        "text": comment.text,
    }
    one.tell("comment.update", content if comment.parent is None else content | {"parent_comment_id": comment.parent})
    if action == "delete":
        one.tiktok.memory.comments.pop(str(comment.id), None)
    return {"comment_id": str(comment.id), "video_id": str(comment.video)}


def _intent(one: Deed) -> Json:
    """A comment in which TikTok sees the wish to buy."""
    number = _number(one.given, "comment_id")
    comment = one.tiktok.memory.comments.get(str(number)) or _new_comment(one, number)
    who = parties(one.account, one.account.person(one.person), from_account=False)
    told: Json = {"comment_id": str(comment.id), "comment_text": comment.text, "timestamp": one.now_ms}
    one.tell("im_receive_high_intent_comment", who | told | {"is_follower": True})
    return {"comment_id": str(comment.id)}


def _new_comment(one: Deed, number: int | None) -> Comment:
    one.account.person(one.person)
    made = Comment(
        number or one.tiktok.memory.number(),
        one.account.id,
        one.person,
        _number(one.given, "video_id") or one.tiktok.memory.number(),
        _number(one.given, "parent"),
        text(one.given, "text", ""),
        one.now_ms,
    )
    one.tiktok.memory.comments[str(made.id)] = made
    return made


def _number(given: Json, name: str) -> int | None:
    """An id of video or comment, as a number or its digits: larger than what a float holds."""
    value = text_or_none(given, name)
    if value is not None and not value.isdecimal():
        raise BadBody(f"{name} must be a number")
    return None if value is None else int(value)


def _message_of(one: Deed) -> tuple[Conversation, Message]:
    thread = one.account.conversation(one.person)
    mid = text(one.given, "mid")
    found = next((message for message in thread.messages if message.id == mid), None)
    if found is None:
        raise BadBody("mid is no message of this conversation")
    return thread, found


DEEDS: dict[str, Callable[[Deed], Json]] = {
    "message": _message,
    "image": _image,
    "video": _video,
    "sticker": _sticker,
    "emoji": _emoji,
    "share_post": _share_post,
    "react": _react,
    "read": _read,
    "referral": _referral,
    "comment": _comment,
    "intent": _intent,
}
