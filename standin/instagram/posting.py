"""Instagram's webhooks: envelope, escaping and signature, by the app of each login; and what follows a message by itself."""

import time
from collections.abc import Callable

from standin.config import StandinConfig
from standin.instagram.state import Account, Message, Person, Studio
from standin.jsonish import Json
from standin.meta_signing import escaped, signatures
from standin.posting import Event, Posting
from standin.timers import Timers

FLAT = "flat"


def envelope(events: list[Event]) -> Json:
    """One entry per event; changes carry seconds. A flat change stands in the entry itself, without a list."""
    entries: list[Json] = []
    for event in events:
        is_change = event.key in ("changes", FLAT)
        entry: Json = {"id": event.page, "time": event.time_ms // 1000 if is_change else event.time_ms}
        if event.key == FLAT and isinstance(event.item, dict):
            entry |= event.item
        else:
            entry[event.key] = [event.item]
        entries.append(entry)
    return {"object": "instagram", "entry": entries}


class Dialect:
    """How one of the two apps is posted to."""

    platform = "webhook:instagram"

    def __init__(self, studio: Studio, is_direct: bool) -> None:
        self._studio = studio
        self._is_direct = is_direct

    @property
    def secret(self) -> str:
        """The secret of the app."""
        return self._studio.app.get("app_secret", "") if self._is_direct else self._config.app_secret

    @property
    def lanes(self) -> int:
        """As configured."""
        return self._config.webhook_lanes

    @property
    def batch_size(self) -> int:
        """As configured."""
        return self._config.webhook_batch_size

    @property
    def retry_ms(self) -> list[int]:
        """As configured."""
        return self._config.webhook_retry_ms

    @property
    def timeout_s(self) -> float:
        """As configured."""
        return self._config.webhook_timeout_s

    def body(self, events: list[Event]) -> bytes:
        """The envelope, escaped."""
        return escaped(envelope(events))

    def headers(self, raw: bytes) -> dict[str, str]:
        """Both signatures."""
        return {"User-Agent": "Webhooks/1.0 (https://fb.me/webhooks)", **signatures(self.secret, raw)}

    def is_success(self, status: int) -> bool:
        """200 and nothing else."""
        return status == 200

    def succeeded(self, events: list[Event]) -> None:
        """The accounts' webhooks work."""
        for event in events:
            account = self._studio.accounts.get(event.page)
            if account is not None:
                account.failing_since = None

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """After the configured time of failure the app loses the account's subscription."""
        now = int(time.monotonic() * 1000)
        over = True
        for account in {event.page: self._studio.accounts.get(event.page) for event in events}.values():
            if account is None:
                continue
            if account.failing_since is None:
                account.failing_since = now
            if now - account.failing_since < self._config.unsubscribe_after_s * 1000:
                over = False
                continue
            page = self._studio.page_of(account)
            if self._is_direct:
                account.fields.clear()
            elif page is not None:
                page.fields.clear()
        return over

    @property
    def _config(self) -> StandinConfig:
        return self._studio.run.world.config


class Hooks:
    """Posts what happens to accounts, to each app that is subscribed, and plans echo and seen of accepted messages."""

    def __init__(self, studio: Studio) -> None:
        run = studio.run
        self._studio = studio
        self.direct = Posting(run.world, run.faults, Dialect(studio, True))
        self.facebook = Posting(run.world, run.faults, Dialect(studio, False))
        self._timers = Timers()

    @property
    def pending(self) -> int:
        """How many webhooks and receipts wait or are on their way."""
        return self.direct.pending + self.facebook.pending + len(self._timers)

    def forget(self) -> None:
        """Drop everything that waits or is still to come."""
        self._timers.cancel()
        self.direct.forget()
        self.facebook.forget()

    async def stop(self) -> None:
        """Drop what waits and close the connections."""
        self.forget()
        await self.direct.stop()
        await self.facebook.stop()

    def emit(self, account: Account, field: str, key: str, item: Json, person: str | None = None) -> None:
        """Queue the event for each app that has the account's webhooks of this field."""
        url = self._studio.url_of(account)
        for posting in self._admitted(account, field) if url is not None else ():
            posting.emit(Event(account.id, key, item, self._studio.now_ms()), url or "", person)

    async def emit_now(self, account: Account, field: str, item: Json) -> None:
        """Post the event and come back after the first attempt; used for an echo that overtakes the answer."""
        url = self._studio.url_of(account)
        for posting in self._admitted(account, field) if url is not None else ():
            await posting.emit_now(Event(account.id, "messaging", item, self._studio.now_ms()), url or "")

    def emit_as_given(self, account: Account, key: str, items: list[object], url: str) -> None:
        """Queue items of any shape, past subscription and fault plan."""
        posting = self.facebook if account.page is not None and not account.fields else self.direct
        posting.emit_as_given([Event(account.id, key, item, self._studio.now_ms()) for item in items], url)

    def follow(self, account: Account, person: Person, message: Message, has_echo: bool) -> None:
        """Echo and seen of an accepted message; there are no delivery receipts. `has_echo`: the echo is still to come."""
        config = self._studio.run.world.config
        echo_ms = person.echo_ms if "echo_ms" in person.own_timing else config.echo_ms
        read_ms = person.read_ms if "read_ms" in person.own_timing else config.read_ms
        if has_echo:
            item = echo_of(message)
            self._after(echo_ms, lambda: self.emit(account, "messages", "messaging", item, person.id))
        if not person.is_blocked:
            self._after(read_ms, lambda: self.seen(account, person, message.mid))

    def seen(self, account: Account, person: Person, mid: str) -> None:
        """The person saw a message; the receipt names it and holds no watermark."""
        item: Json = {**parties(person), "timestamp": self._studio.now_ms(), "read": {"mid": mid}}
        self.emit(account, "messaging_seen", "messaging", item, person.id)

    def _admitted(self, account: Account, field: str) -> list[Posting]:
        page = self._studio.page_of(account)
        admitted = [self.direct] if field in account.fields else []
        return [*admitted, self.facebook] if page is not None and page.fields else admitted

    def _after(self, delay_ms: int | None, act: Callable[[], None]) -> None:
        if delay_ms is not None:
            self._timers.after(delay_ms / 1000, act)


def parties(person: Person) -> Json:
    """Who wrote to whom, for what a person does."""
    return {"sender": {"id": person.id}, "recipient": {"id": person.account}}


def content_of(message: Message) -> Json:
    """Text and attachments as webhooks carry them."""
    inner: Json = {} if message.text is None else {"text": message.text}
    return {**inner, "attachments": message.attachments} if message.attachments else inner


def echo_of(message: Message) -> Json:
    """The echo of a message of the account. It carries no mark of ours."""
    return {
        "sender": {"id": message.account},
        "recipient": {"id": message.person},
        "timestamp": message.created_ms,
        "message": {"mid": message.mid, "is_echo": True, **content_of(message)},
    }
