"""TikTok's webhooks: app-wide, one event in a body, its content a string of JSON, signed with a time."""

import hashlib
import hmac
import json
import time
from collections import deque

from standin.jsonish import Json, as_dict
from standin.posting import Event, Posted, Posting
from standin.runtime import Runtime
from standin.tiktok.state import Account, Conversation, Memory, Message, Person

MESSAGES, COMMENTS = "DIRECT_MESSAGE", "COMMENT"
CARDS = {"QA_BUTTON_CARD": "qa_button_card", "QA_LINK_CARD": "qa_link_card"}


def signature(secret: str, raw: bytes, at_s: int) -> str:
    """The value of the header Tiktok-Signature."""
    digest = hmac.new(secret.encode(), f"{at_s}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={at_s},s={digest}"


class Dialect:
    """How TikTok posts and how long it tries."""

    platform = "webhook:tiktok"
    batch_size = 1

    def __init__(self, run: Runtime, memory: Memory) -> None:
        self._run = run
        self._memory = memory

    @property
    def _app(self) -> Json:
        return self._run.world.config.apps.get("tiktok", {})

    @property
    def lanes(self) -> int:
        """As configured."""
        return self._memory.settings.webhook_lanes

    @property
    def retry_ms(self) -> list[int]:
        """As configured; TikTok's pauses grow for up to 72 hours."""
        return self._memory.settings.webhook_retry_ms

    @property
    def timeout_s(self) -> float:
        """As configured."""
        return self._memory.settings.webhook_timeout_ms / 1000

    def body(self, events: list[Event]) -> bytes:
        """One envelope. Only a fault plan makes a body of several, which TikTok does not: a list then."""
        envelopes = [self._envelope(event) for event in events]
        return json.dumps(envelopes[0] if len(envelopes) == 1 else envelopes, separators=(",", ":")).encode()

    def headers(self, raw: bytes) -> dict[str, str]:
        """The signature, with the real time whatever the stand-in's shifted clock says, anew for each attempt."""
        return {"Tiktok-Signature": signature(str(self._app.get("client_secret", "")), raw, int(time.time()))}

    def is_success(self, status: int) -> bool:
        """Any 2xx."""
        return 200 <= status < 300

    def succeeded(self, events: list[Event]) -> None:
        """Nothing to note."""

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """After 72 hours, or as configured."""
        age_ms = self._run.world.now_ms() - min(event.time_ms for event in events)
        return age_ms >= self._memory.settings.webhook_give_up_s * 1000

    def _envelope(self, event: Event) -> Json:
        return {
            "client_key": str(self._app.get("client_key", "")),
            "event": event.key,
            "create_time": event.time_ms // 1000,
            "user_openid": event.page,
            "content": event.item if isinstance(event.item, str) else json.dumps(event.item, separators=(",", ":")),
        }


class Hooks:
    """The webhooks of all accounts."""

    def __init__(self, run: Runtime, memory: Memory) -> None:
        self._run = run
        self._memory = memory
        self._posting = Posting(run.world, run.faults, Dialect(run, memory))

    @property
    def pending(self) -> int:
        """How many wait, are on their way or come again."""
        return self._posting.pending

    @property
    def posts(self) -> deque[Posted]:
        """The last attempts."""
        return self._posting.posts

    def forget(self) -> None:
        """Drop everything that waits."""
        self._posting.forget()

    async def stop(self) -> None:
        """Drop everything and close the connections."""
        await self._posting.stop()

    def url_of(self, account: Account, name: str) -> str | None:
        """Where an event of this account goes: its own address, which the control API gave it, or that of the app."""
        kind = COMMENTS if name.startswith("comment.") else MESSAGES
        return account.callback_url or self._memory.webhooks.get(kind)

    def emit(self, account: Account, name: str, content: Json, hold_ms: float = 0.0) -> None:
        """Queue an event, if anybody listens. Returns at once."""
        url = self.url_of(account, name)
        if url is not None:
            event = Event(account.id, name, content, self._run.world.now_ms())
            self._posting.emit(event, url, _person_of(account, content), hold_ms)

    async def emit_now(self, account: Account, name: str, content: Json) -> None:
        """Post an event and come back after the first attempt."""
        url = self.url_of(account, name)
        if url is not None:
            await self._posting.emit_now(Event(account.id, name, content, self._run.world.now_ms()), url)

    def emit_as_given(self, account: Account, name: str, content: object) -> bool:
        """Queue an event with any content, past the fault plan; False when nobody listens."""
        url = self.url_of(account, name)
        if url is not None:
            self._posting.emit_as_given([Event(account.id, name, content, self._run.world.now_ms())], url)
        return url is not None

    async def post(self, url: str, raw: bytes, headers: dict[str, str]) -> int:
        """One POST of exactly these bytes; the status, 0 when no answer came."""
        return await self._posting.post(url, raw, headers)


def _person_of(account: Account, content: Json) -> str | None:
    for role in ("from_user", "to_user"):
        found = as_dict(content.get(role)) or {}
        if found.get("role") == "personal_account":
            return str(found.get("id"))
    told = content.get("unique_identifier")
    return str(told) if told is not None and told != account.id else None


def parties(account: Account, person: Person, *, from_account: bool) -> Json:
    """Who wrote to whom. `unique_identifier` is the writer's."""
    business: Json = {"id": account.id, "role": "business_account"}
    customer: Json = {"id": person.id, "role": "personal_account"}
    return {
        "from": account.username if from_account else person.username,
        "to": person.username if from_account else account.username,
        "unique_identifier": account.id if from_account else person.id,
        "from_user": business if from_account else customer,
        "to_user": customer if from_account else business,
    }


def message_content(account: Account, thread: Conversation, message: Message, payload: str | None = None) -> Json:
    """The content of im_receive_msg and im_send_msg."""
    person = account.person(thread.person)
    content = parties(account, person, from_account=message.from_account) | {
        "conversation_id": thread.id,
        "message_id": message.id,
        "timestamp": message.timestamp,
        "type": message.type,
        message.type: _told(message),
        "scene_type": 0,
        "is_follower": person.is_follower,
        "message_tag": {"source": message.source},
    }
    if message.referenced is not None:
        content["referenced_message_info"] = {"referenced_message_id": message.referenced}
    if payload is not None:
        content["reply_source_payload"] = {"reply_source_msg_id": message.id, "reply_source_unique_id": payload}
    return content


def _told(message: Message) -> object:
    """A card has another shape in a webhook than in the call that sent it."""
    if message.type != "template":
        return message.block
    buttons = message.block.get("buttons")
    shown = [
        {"text": button["title"], "type": "REPLY", "id": button["id"]}
        for button in (buttons if isinstance(buttons, list) else [])
    ]
    return {
        "type": CARDS[str(message.block["type"])],
        "elements": [{"title": message.block["title"], "buttons": shown}],
    }
