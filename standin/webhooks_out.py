"""Meta's webhooks: which events a page is subscribed to, the envelope, the escaping, the signature and the retries."""

import time
from collections import deque
from contextlib import AbstractAsyncContextManager

import httpx

from standin.faults import Faults
from standin.jsonish import Json
from standin.meta_signing import escaped, signatures
from standin.posting import Event, Posted, Posting
from standin.state import Page, World

CHANGES_FIELDS = {"feed", "ratings", "mention", "messenger_template_status_update"}


def envelope(events: list[Event]) -> Json:
    """One entry per event; changes of one page that follow each other share an entry."""
    entries: list[Json] = []
    for event in events:
        stamp = event.time_ms // 1000 if event.key == "changes" else event.time_ms
        last = entries[-1] if entries else None
        shared = last.get("changes") if last is not None and event.key == "changes" else None
        if last is not None and isinstance(shared, list) and last["id"] == event.page:
            shared.append(event.item)
        else:
            entries.append({"id": event.page, "time": stamp, event.key: [event.item]})
    return {"object": "page", "entry": entries}


class GraphDialect:
    """How Meta posts, and when an app loses a page's subscription."""

    platform = "webhook"

    def __init__(self, world: World) -> None:
        self._world = world

    @property
    def lanes(self) -> int:
        """As configured."""
        return self._world.config.webhook_lanes

    @property
    def batch_size(self) -> int:
        """As configured."""
        return self._world.config.webhook_batch_size

    @property
    def retry_ms(self) -> list[int]:
        """As configured."""
        return self._world.config.webhook_retry_ms

    @property
    def timeout_s(self) -> float:
        """As configured."""
        return self._world.config.webhook_timeout_s

    def body(self, events: list[Event]) -> bytes:
        """The envelope, escaped."""
        return escaped(envelope(events))

    def headers(self, raw: bytes) -> dict[str, str]:
        """Both signatures."""
        return {"User-Agent": "facebookexternalua", **signatures(self._world.config.app_secret, raw)}

    def is_success(self, status: int) -> bool:
        """200 and nothing else."""
        return status == 200

    def succeeded(self, events: list[Event]) -> None:
        """The pages' webhooks work."""
        for event in events:
            page = self._world.pages.get(event.page)
            if page is not None:
                page.failing_since = None

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """After the configured time of failure the app loses the page's subscription, as Messenger does after an hour."""
        now = time.monotonic()
        over = True
        for page_id in {event.page for event in events}:
            page = self._world.pages.get(page_id)
            if page is None:
                continue
            if page.failing_since is None:
                page.failing_since = now
            if now - page.failing_since >= self._world.config.unsubscribe_after_s:
                page.fields.clear()
            else:
                over = False
        return over


class Webhooks:
    """The webhooks of pages."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._posting = Posting(world, faults, GraphDialect(world))

    @property
    def pending(self) -> int:
        """How many events wait, are on their way or come again."""
        return self._posting.pending

    @property
    def posts(self) -> deque[Posted]:
        """The last attempts."""
        return self._posting.posts

    async def stop(self) -> None:
        """Drop what waits and close the connections."""
        await self._posting.stop()

    def forget(self) -> None:
        """Drop everything that waits, is on its way or comes again."""
        self._posting.forget()

    def emit(self, page: Page, field_name: str, item: Json, person: str | None = None, hold_ms: float = 0.0) -> None:
        """Queue the event if the page is subscribed to the field and no fault eats it. Returns at once.

        What is said in a thread of another app comes as `standby`, and without the payload of buttons.
        """
        event, url = self._admit(page, field_name, item), self._url(page)
        customer = page.customers.get(person or "")
        if event is not None and event.key == "messaging" and customer is not None and customer.owner_app is not None:
            event = self._in_standby(page, event, item)
        if event is not None and url is not None:
            self._posting.emit(event, url, person, hold_ms)

    async def emit_now(self, page: Page, field_name: str, item: Json) -> None:
        """Post the event and come back after the first attempt; used for an echo that overtakes the answer."""
        event, url = self._admit(page, field_name, item), self._url(page)
        if event is not None and url is not None:
            await self._posting.emit_now(event, url)

    def emit_as_given(self, page: Page, key: str, items: list[object], url: str) -> None:
        """Queue items of any shape, past subscription and fault plan."""
        self._posting.emit_as_given([Event(page.id, key, item, self._world.now_ms()) for item in items], url)

    async def post(self, url: str, raw: bytes, headers: dict[str, str]) -> int:
        """One POST of exactly these bytes. Gives the status, 0 when no answer came in time."""
        return await self._posting.post(url, raw, {"User-Agent": "facebookexternalua", **headers})

    def stream(self, url: str, timeout_s: float) -> AbstractAsyncContextManager[httpx.Response]:
        """A GET whose answer is read piece by piece; httpx errors pass."""
        return self._posting.client.stream("GET", url, timeout=timeout_s)

    async def post_form(self, url: str, form: dict[str, str]) -> httpx.Response:
        """POST a form as a callback of the app's settings gets it; httpx errors pass."""
        return await self._posting.client.post(url, data=form, timeout=self._world.config.webhook_timeout_s)

    async def get(self, url: str, query: dict[str, str]) -> httpx.Response:
        """The GET of a handshake; httpx errors pass."""
        return await self._posting.client.get(url, params=query, timeout=self._world.config.webhook_timeout_s)

    def _admit(self, page: Page, field_name: str, item: Json) -> Event | None:
        if field_name not in page.fields and "*" not in page.fields:
            return None
        is_change = field_name in CHANGES_FIELDS or field_name.startswith("marketing_message_")
        if is_change:
            return Event(page.id, "changes", {"field": field_name, "value": item}, self._world.now_ms())
        return Event(page.id, "messaging", item, self._world.now_ms())

    def _in_standby(self, page: Page, event: Event, item: Json) -> Event | None:
        if "standby" not in page.fields and "*" not in page.fields:
            return None
        postback = item.get("postback")
        if isinstance(postback, dict):
            item = {**item, "postback": {key: value for key, value in postback.items() if key != "payload"}}
        return Event(event.page, "standby", item, event.time_ms)

    def _url(self, page: Page) -> str | None:
        return page.callback_url or self._world.config.callback_url
