"""Posts webhooks: envelope, escaping, signature, batching, retries, and what the fault plan does to them.

Events of one page leave in order (one lane per page and URL) until one fails: retries run beside the lane, as Meta
promises no order.
"""

import asyncio
import hashlib
import hmac
import json
import time
import zlib
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field

import httpx

from standin.config import StandinConfig
from standin.faults import Faults
from standin.jsonish import Json
from standin.state import Page, World

CHANGES_FIELDS = {"feed", "ratings"}


@dataclass(slots=True)
class Event:
    """One messaging item or one change of a page."""

    page: str
    key: str
    item: object
    time_ms: int
    is_distrusted: bool = False


@dataclass(slots=True)
class Lane:
    """The queue of one URL and one share of the pages."""

    url: str
    waiting: deque[Event] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Posted:
    """One attempt. `status` 0 means that no answer came."""

    seq: int
    url: str
    status: int
    attempt: int
    entries: int
    ms: float
    at: int


def escaped(body: object) -> bytes:
    """JSON with every non-ASCII character as \\uXXXX in lowercase hex: the form that Meta signs."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def signatures(config: StandinConfig, raw: bytes) -> dict[str, str]:
    """Both signature headers over the exact bytes."""
    key = config.app_secret.encode()
    return {
        "X-Hub-Signature": "sha1=" + hmac.new(key, raw, hashlib.sha1).hexdigest(),
        "X-Hub-Signature-256": "sha256=" + hmac.new(key, raw, hashlib.sha256).hexdigest(),
    }


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


class Webhooks:
    """The sender. Lives on the server's event loop between `start` and `stop`."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._handles: set[asyncio.TimerHandle] = set()
        self._client: httpx.AsyncClient | None = None
        self._seq = 0
        self.pending = 0
        self.posts: deque[Posted] = deque(maxlen=10_000)

    @property
    def client(self) -> httpx.AsyncClient:
        """The shared HTTP client, made on first use."""
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False)
        return self._client

    async def stop(self) -> None:
        """Drop what waits and close the connections."""
        self.forget()
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def forget(self) -> None:
        """Drop everything that waits, is on its way or comes again."""
        for handle in self._handles:
            handle.cancel()
        for task in self._tasks:
            task.cancel()
        self._handles, self._tasks, self._lanes = set(), set(), {}
        self.pending = 0
        self.posts.clear()

    def emit(self, page: Page, field_name: str, item: Json, person: str | None = None, hold_ms: float = 0.0) -> None:
        """Queue the event if the page is subscribed to the field and no fault eats it. Returns at once."""
        event = self._admit(page, field_name, item)
        url = self._url(page)
        if event is None or url is None:
            return
        plan = self._faults.webhooks
        rule = self._faults.pick("webhook", url, page.id, person)
        if self._faults.chance(plan.drop) or (rule is not None and rule.action == "drop_before_accept"):
            self._world.calls.count("webhook", "fault:lost")
            return
        if rule is not None and rule.action == "drop_after_accept":
            event.is_distrusted = True
        if rule is not None and rule.action == "late_after_accept":
            hold_ms += rule.delay_ms
        if self._faults.chance(plan.reorder):
            hold_ms += self._faults.dice.random() * plan.reorder_ms
        self.pending += 1
        if hold_ms > 0:
            self._later(hold_ms, event, url)
        else:
            self._enqueue(event, url)

    async def emit_now(self, page: Page, field_name: str, item: Json) -> None:
        """Post the event and come back after the first attempt; used for an echo that overtakes the answer."""
        event = self._admit(page, field_name, item)
        url = self._url(page)
        if event is not None and url is not None:
            self.pending += 1
            await self._deliver(url, [event], escaped(envelope([event])), 1)

    def emit_as_given(self, page: Page, key: str, items: list[object], url: str) -> None:
        """Queue items of any shape, past subscription and fault plan."""
        for item in items:
            self.pending += 1
            self._enqueue(Event(page.id, key, item, self._world.now_ms()), url)

    async def post(self, url: str, raw: bytes, headers: dict[str, str], attempt: int = 1, entries: int = 1) -> int:
        """One POST of exactly these bytes. Gives the status, 0 when no answer came in time."""
        began = time.monotonic()
        try:
            answer = await self.client.post(
                url,
                content=raw,
                headers={"Content-Type": "application/json", "User-Agent": "facebookexternalua", **headers},
                timeout=self._world.config.webhook_timeout_s,
            )
            status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = 0
        self._seq += 1
        spent_ms = round((time.monotonic() - began) * 1000, 1)
        self.posts.append(Posted(self._seq, url, status, attempt, entries, spent_ms, self._world.now_ms()))
        self._world.calls.count("webhook", str(status))
        return status

    def _admit(self, page: Page, field_name: str, item: Json) -> Event | None:
        if field_name not in page.fields and "*" not in page.fields:
            return None
        is_change = field_name in CHANGES_FIELDS or field_name.startswith("marketing_message_")
        if is_change:
            return Event(page.id, "changes", {"field": field_name, "value": item}, self._world.now_ms())
        return Event(page.id, "messaging", item, self._world.now_ms())

    def _url(self, page: Page) -> str | None:
        return page.callback_url or self._world.config.callback_url

    def _later(self, hold_ms: float, event: Event, url: str) -> None:
        def release() -> None:
            self._handles.discard(handle)
            self._enqueue(event, url)

        handle = asyncio.get_running_loop().call_later(hold_ms / 1000, release)
        self._handles.add(handle)

    def _enqueue(self, event: Event, url: str) -> None:
        key = (url, zlib.crc32(event.page.encode()) % max(1, self._world.config.webhook_lanes))
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(url)
            self._spawn(self._run(lane))
        lane.waiting.append(event)
        lane.wake.set()

    async def _run(self, lane: Lane) -> None:
        while True:
            await lane.wake.wait()
            plan = self._faults.webhooks
            if plan.delay_ms > 0:
                await asyncio.sleep(plan.delay_ms / 1000)
            size = max(1, plan.batch_size or self._world.config.webhook_batch_size)
            batch = [lane.waiting.popleft() for _ in range(min(size, len(lane.waiting)))]
            if not lane.waiting:
                lane.wake.clear()
            if batch:
                await self._deliver(lane.url, batch, escaped(envelope(batch)), 1)

    async def _deliver(self, url: str, batch: list[Event], raw: bytes, attempt: int) -> None:
        headers = signatures(self._world.config, raw)
        status = await self.post(url, raw, headers, attempt, len(batch))
        if status == 200 and attempt == 1 and self._faults.chance(self._faults.webhooks.duplicate):
            await self.post(url, raw, headers, attempt, len(batch))
        if status == 200 and attempt == 1 and any(event.is_distrusted for event in batch):
            status = 0
        if status == 200:
            self._note_success(batch)
            self.pending = max(0, self.pending - len(batch))
        elif self._has_given_up(batch):
            self._world.calls.count("webhook", "given_up")
            self.pending = max(0, self.pending - len(batch))
        else:
            self._spawn(self._again(url, batch, raw, attempt))

    async def _again(self, url: str, batch: list[Event], raw: bytes, attempt: int) -> None:
        delays = self._world.config.webhook_retry_ms or [1_000]
        await asyncio.sleep(delays[min(attempt, len(delays)) - 1] / 1000)
        await self._deliver(url, batch, raw, attempt + 1)

    def _note_success(self, batch: list[Event]) -> None:
        for event in batch:
            page = self._world.pages.get(event.page)
            if page is not None:
                page.failing_since = None

    def _has_given_up(self, batch: list[Event]) -> bool:
        """After the configured time of failure the app loses the page's subscription, as Messenger does after an hour."""
        now = time.monotonic()
        over = True
        for page_id in {event.page for event in batch}:
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

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
