"""How each platform posts to us: its signature over the raw bytes, and a body that says somebody wrote.

Wire facts: platforms.md 1.4, 4.5, 5.4, 6.4.
Written from the wire facts, not from the connectors: a connector and this module read the same page on their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from server.platforms.port import Channel
from tests import standin_server

PLATFORMS = Path(__file__).parents[1] / "platforms"
CONNECTORS = Path(__file__).parents[2] / "server" / "platforms"
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sender:
    """One platform's side of a webhook."""

    channel: Channel
    secret: str
    header: str
    sign: Callable[[bytes, str], str]
    said: Callable[[str, str, str, str, int], object]
    """(page, person, message id, text, ms) -> the document of a body in which the person says the text to the page."""
    also: frozenset[Channel] = frozenset()
    """Networks whose app may sign for this one as well."""

    @property
    def path(self) -> str:
        """Where this platform posts."""
        return f"/webhooks/{self.channel.value.lower()}"

    def signed(self, body: bytes) -> dict[str, str]:
        """The headers that come with this body."""
        return {self.header: self.sign(body, self.secret), "content-type": "application/json"}

    def body(self, page: str, mid: str, text: str = "Hello", person: str = "9001") -> bytes:
        """A body in which somebody writes to the page now."""
        return json.dumps(self.said(page, person, mid, text, int(time.time() * 1000))).encode()

    def published(self) -> list[bytes]:
        """Bodies that others published for this platform."""
        name = self.channel.value.lower()
        folders = [PLATFORMS / name / "published", PLATFORMS / "published" / name]
        if self.channel is Channel.MESSENGER:
            folders.append(PLATFORMS / "published")
        return [file.read_bytes() for folder in folders for file in sorted(folder.glob("*.json"))]


def digest(content: bytes, secret: str) -> bytes:
    """The keyed hash that all of them use."""
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()


def _tiktok(body: bytes, secret: str, at_s: int | None = None) -> str:
    at = str(int(time.time()) if at_s is None else at_s)
    return f"t={at},s={digest(at.encode() + b'.' + body, secret).hex()}"


def _graph(name: str) -> Callable[[str, str, str, str, int], object]:
    def said(page: str, person: str, mid: str, text: str, at_ms: int) -> object:
        item = {"sender": {"id": person}, "recipient": {"id": page}, "timestamp": at_ms}
        entry = {"id": page, "time": at_ms, "messaging": [item | {"message": {"mid": mid, "text": text}}]}
        return {"object": name, "entry": [entry]}

    return said


def _x_said(page: str, person: str, mid: str, text: str, at_ms: int) -> object:
    message = {"target": {"recipient_id": page}, "sender_id": person, "message_data": {"text": text}}
    event = {"type": "message_create", "id": mid, "created_timestamp": str(at_ms), "message_create": message}
    return {"for_user_id": page, "direct_message_events": [event], "users": {}}


def _linkedin_said(page: str, person: str, mid: str, text: str, at_ms: int) -> object:
    comment = {"owner": f"urn:li:person:{person}", "text": text, "object": "urn:li:activity:1"}
    notification = {
        "notificationId": mid,
        "organizationalEntity": page,
        "action": "COMMENT",
        "sourcePost": "urn:li:activity:1",
        "generatedActivity": f"urn:li:comment:(urn:li:activity:1,{mid})",
        "decoratedGeneratedActivity": {
            "comment": comment | {"entity": f"urn:li:comment:(urn:li:activity:1,{mid})"},
        },
        "lastModifiedAt": at_ms,
    }
    return {"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": [notification]}


def _tiktok_said(page: str, person: str, mid: str, text: str, at_ms: int) -> object:
    content = {
        "from_user": {"id": person, "role": "personal_account"},
        "to_user": {"id": page, "role": "business_account"},
        "conversation_id": f"c-{person}",
        "message_id": mid,
        "timestamp": at_ms,
        "type": "text",
        "text": {"body": text},
    }
    told = {"event": "im_receive_msg", "create_time": at_ms // 1000, "user_openid": page}
    return told | {"client_key": standin_server.APPS_ENVIRONMENT["TIKTOK_CLIENT_KEY"], "content": json.dumps(content)}


def _hub(body: bytes, secret: str) -> str:
    return f"sha256={digest(body, secret).hex()}"


_APPS = standin_server.APPS_ENVIRONMENT
SENDERS = (
    Sender(Channel.MESSENGER, standin_server.SECRET, "x-hub-signature-256", _hub, _graph("page")),
    Sender(
        Channel.INSTAGRAM,
        _APPS["INSTAGRAM_APP_SECRET"],
        "x-hub-signature-256",
        _hub,
        _graph("instagram"),
        also=frozenset({Channel.MESSENGER}),  # accounts behind Facebook pages are told of by Messenger's app
    ),
    Sender(
        Channel.X,
        _APPS["X_CONSUMER_SECRET"],
        "x-twitter-webhooks-signature",
        lambda body, secret: f"sha256={base64.b64encode(digest(body, secret)).decode()}",
        _x_said,
    ),
    Sender(
        Channel.LINKEDIN,
        _APPS["LINKEDIN_CLIENT_SECRET"],
        "x-li-signature",
        lambda body, secret: digest(b"hmacsha256=" + body, secret).hex(),
        _linkedin_said,
    ),
    Sender(Channel.TIKTOK, _APPS["TIKTOK_CLIENT_SECRET"], "tiktok-signature", _tiktok, _tiktok_said),
)
BUILT = tuple(one for one in SENDERS if (CONNECTORS / one.channel.value.lower() / "connector.py").exists())
"""Those whose connector there is."""


def forgeries(sender: Sender, body: bytes) -> Iterator[tuple[str, Headers, bytes]]:
    """Everything that is not this body signed by this platform: what it is, its headers, its bytes (G39)."""
    good, name = sender.sign(body, sender.secret), sender.header
    mid_body = len(body) // 2
    yield "no header", {}, body
    yield "empty", {name: ""}, body
    yield "short", {name: good[:-4]}, body
    yield "one letter more", {name: good + "0"}, body
    yield "last letter altered", {name: good[:-2] + ("00" if good[-2:] != "00" else "11")}, body
    yield "another secret", {name: sender.sign(body, "another secret")}, body
    yield "no secret", {name: sender.sign(body, "")}, body
    for other in SENDERS:
        if other.channel is not sender.channel and other.channel not in sender.also:
            yield f"the secret of {other.channel}", {name: sender.sign(body, other.secret)}, body
            yield f"as {other.channel} signs", {other.header: other.sign(body, other.secret)}, body
    yield "one byte altered", {name: good}, body[:mid_body] + bytes([body[mid_body] ^ 1]) + body[mid_body + 1 :]
    yield "a space appended", {name: good}, body + b" "
    yield "a second body appended", {name: good}, body + body
    yield "empty body", {name: good}, b""
    yield "sha1 alone", {"x-hub-signature": "sha1=" + hmac.new(sender.secret.encode(), body, "sha1").hexdigest()}, body
    yield "sha1 in its place", {name: "sha1=" + hmac.new(sender.secret.encode(), body, "sha1").hexdigest()}, body
    yield "two headers in one", {name: f"{good}, {good}"}, body
    yield "in a list of wrong ones", {name: f"{good},{sender.sign(body, 'x')}"}, body
    yield "very long", {name: good + "a" * 8_000}, body
    if sender.channel is Channel.TIKTOK:
        hour_ago = int(time.time()) - 3_600
        yield "an hour old", {name: _tiktok(body, sender.secret, hour_ago)}, body
        yield "an hour ahead", {name: _tiktok(body, sender.secret, hour_ago + 7_200)}, body
        yield "another time", {name: good.replace("t=", "t=1", 1)}, body
