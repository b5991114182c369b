"""How X tells of things: messages, marks and posts in both generations' forms (platforms.md 4.5). Pure."""

import secrets
from datetime import UTC, datetime

from standin.jsonish import Json
from standin.x.state import Dm, Media, Memory, Post, User

APP_NUMBER = "13090192"
TON = "https://ton.twitter.com/1.1/ton/data/dm"


def message(dm: Dm, account: str) -> Json:
    """E of the docs, as the account gets it. A group has its conversation where two people have a recipient."""
    others = [one for one in dm.participants if one != dm.sender]
    is_group = len(dm.participants) > 2
    data: Json = {
        "text": dm.text or "",
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
    }
    if dm.media is not None:
        data["attachment"] = {"type": "media", "media": dm.media}
    if dm.quick_reply is not None:
        data["quick_reply_response"] = {"type": "options", "metadata": dm.quick_reply}
    created: Json = {
        "target": {} if is_group else {"recipient_id": others[0] if others else account},
        "sender_id": dm.sender,
        "message_data": data,
    }
    if dm.app is not None:
        created["source_app_id"] = dm.app
    item: Json = {
        "type": "message_create",
        "id": dm.id,
        "created_timestamp": str(dm.created_ms),
        "message_create": created,
    }
    return item | ({"dm_conversation_id": dm.conversation} if is_group else {})


def mark(sender: str, recipient: str, at_ms: int, last_read: str | None = None) -> Json:
    """A typing sign, or with `last_read` a read mark."""
    item: Json = {"created_timestamp": str(at_ms), "sender_id": sender, "target": {"recipient_id": recipient}}
    return item | ({"last_read_event_id": last_read} if last_read is not None else {})


def media_of(dm_id: str, media_id: str, kind: str) -> Json:
    """The media part of a message."""
    suffix = "mp4" if kind == "video" else "jpg"
    url = f"{TON}/{dm_id}/{media_id}/{secrets.token_urlsafe(6).replace('-', 'A').replace('_', 'B')}.{suffix}"
    number = int(media_id)
    return {"id": number, "id_str": media_id, "type": kind, "media_url": url, "media_url_https": url}


def media_of_upload(dm_id: str, media: Media) -> Json:
    """The media part of a message that carries an upload."""
    kinds = {"dm_video": "video", "dm_gif": "animated_gif"}
    return media_of(dm_id, media.id, kinds.get(media.category, "photo"))


def older(account: str, slot: str, item: Json, users: list[User]) -> Json:
    """An envelope of the Account Activity API."""
    body: Json = {"for_user_id": account, slot: [item]}
    if slot.startswith("direct_message"):
        body["users"] = {user.id: _older_user(user) for user in users}
    if slot == "direct_message_events":
        body["apps"] = {APP_NUMBER: {"id": APP_NUMBER, "name": "Switchboard", "url": "https://example.org"}}
    if slot == "tweet_create_events":
        body["user_has_blocked"] = False
    return body


def newer(account: str, event_type: str, payload: Json, tag: str | None) -> Json:
    """An envelope of the X Activity API; the uuid is a signed number of 64 bits."""
    uuid = secrets.randbits(64) - (1 << 63)
    data: Json = {"event_uuid": str(uuid), "filter": {"user_id": account}, "event_type": event_type}
    return {"data": data | ({"tag": tag} if tag is not None else {}) | {"payload": payload}}


def newer_dm(slot: str, item: Json, users: list[User]) -> Json:
    """The payload of a message, a typing sign or a read mark."""
    return {slot: [item], "users": {user.id: {"data": _newer_user(user)} for user in users}}


def older_post(memory: Memory, post: Post) -> Json:
    """A post in the form of the older API."""
    author = memory.user(post.author)
    mentions = [{"id_str": one, "screen_name": memory.user(one).username} for one in post.mentions]
    return {
        "created_at": datetime.fromtimestamp(post.created_ms / 1000, UTC).strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "timestamp_ms": str(post.created_ms),
        "id": int(post.id),
        "id_str": post.id,
        "text": post.text,
        "user": {"id": int(author.id), "id_str": author.id, "name": author.name, "screen_name": author.username},
        "in_reply_to_status_id_str": post.answers,
        "in_reply_to_user_id_str": post.answers_user,
        "entities": {"user_mentions": mentions, "hashtags": [], "urls": []},
    }


def newer_post(memory: Memory, post: Post) -> Json:
    """A post in the form of the newer API."""
    told: Json = {
        "id": post.id,
        "text": post.text,
        "author_id": post.author,
        "created_at": iso(post.created_ms),
        "conversation_id": post.answers or post.id,
        "entities": {"mentions": [{"id": one, "username": memory.user(one).username} for one in post.mentions]},
    }
    if post.answers is not None:
        told |= {
            "in_reply_to_user_id": post.answers_user,
            "referenced_tweets": [{"type": "replied_to", "id": post.answers}],
        }
    return told


def revoked(account: str, at_ms: int) -> Json:
    """The older generation's word for a person who took the app's rights back; it has no for_user_id."""
    source: Json = {"user_id": account}
    revoke: Json = {"date_time": iso(at_ms), "target": {"app_id": APP_NUMBER}, "source": source}
    return {"user_event": {"revoke": revoke}}


def iso(ms: int) -> str:
    """Unix milliseconds in the newer API's text form."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def _older_user(user: User) -> Json:
    return {
        "id": user.id,
        "created_timestamp": "1422556069340",
        "name": user.name,
        "screen_name": user.username,
        "protected": False,
        "verified": False,
        "followers_count": 22,
    }


def _newer_user(user: User) -> Json:
    return {
        "id": user.id,
        "name": user.name,
        "username": user.username,
        "protected": False,
        "verified": False,
        "created_at": "2023-10-23T13:44:53.000Z",
        "public_metrics": {"followers_count": 97, "followers_count_str": "97"},
    }
