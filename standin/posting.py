"""Posts webhooks for any platform: lanes, batches, retries, and what the fault plan does to them.

Events of one account leave in order (one lane per account and URL) until one fails: retries run beside the lane, as no
platform promises an order. How a body looks, how it is signed and how often it is tried again is the dialect's.
"""

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Protocol

import httpx

from standin.faults import Faults
from standin.state import World
from standin.timers import Timers


@dataclass(slots=True)
class Event:
    """One item on its way: whose account it is about, which slot of the body it belongs to, and when it happened."""

    page: str
    key: str
    item: object
    time_ms: int
    is_distrusted: bool = False


@dataclass(slots=True)
class Lane:
    """The queue of one URL and one share of the accounts."""

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


class Dialect(Protocol):
    """What differs between platforms."""

    @property
    def platform(self) -> str:
        """The name under which calls are counted: `webhook` for Messenger, `webhook:<platform>` for others."""
        ...

    @property
    def lanes(self) -> int:
        """How many lanes one URL has."""
        ...

    @property
    def batch_size(self) -> int:
        """How many events go into one body when they queue up."""
        ...

    @property
    def retry_ms(self) -> list[int]:
        """The pauses between attempts; the last repeats."""
        ...

    @property
    def timeout_s(self) -> float:
        """How long an answer is waited for."""
        ...

    def body(self, events: list[Event]) -> bytes:
        """The body of one POST, exactly as it is signed and sent."""
        ...

    def headers(self, raw: bytes) -> dict[str, str]:
        """Content type, user agent and signature of a body."""
        ...

    def is_success(self, status: int) -> bool:
        """Whether the platform takes this answer for a success."""
        ...

    def succeeded(self, events: list[Event]) -> None:
        """The events arrived."""
        ...

    def gives_up(self, events: list[Event], attempt: int) -> bool:
        """Whether a failed batch is not tried again; here a platform also takes a subscription away."""
        ...


class Posting:
    """The sender of one platform. Lives on the server's event loop between its first use and `stop`."""

    def __init__(self, world: World, faults: Faults, dialect: Dialect) -> None:
        self._world = world
        self._faults = faults
        self._dialect = dialect
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers = Timers()
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
        self._timers.cancel()
        for task in self._tasks:
            task.cancel()
        self._tasks, self._lanes = set(), {}
        self.pending = 0
        self.posts.clear()

    def emit(self, event: Event, url: str, person: str | None = None, hold_ms: float = 0.0) -> None:
        """Queue an event unless a fault eats it. Returns at once."""
        plan = self._faults.webhooks
        rule = self._faults.pick("webhook", url, event.page, person)
        if self._faults.chance(plan.drop) or (rule is not None and rule.action == "drop_before_accept"):
            self._world.calls.count(self._dialect.platform, "fault:lost")
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

    async def emit_now(self, event: Event, url: str) -> None:
        """Post the event and come back after the first attempt; used for an echo that overtakes the answer."""
        self.pending += 1
        await self._deliver(url, [event], self._dialect.body([event]), 1)

    def emit_as_given(self, events: list[Event], url: str) -> None:
        """Queue events of any shape, past the fault plan."""
        for event in events:
            self.pending += 1
            self._enqueue(event, url)

    async def post(self, url: str, raw: bytes, headers: dict[str, str], attempt: int = 1, entries: int = 1) -> int:
        """One POST of exactly these bytes. Gives the status, 0 when no answer came in time."""
        began = time.monotonic()
        try:
            answer = await self.client.post(
                url,
                content=raw,
                headers={"Content-Type": "application/json", **headers},
                timeout=self._dialect.timeout_s,
            )
            status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = 0
        self._seq += 1
        spent_ms = round((time.monotonic() - began) * 1000, 1)
        self.posts.append(Posted(self._seq, url, status, attempt, entries, spent_ms, self._world.now_ms()))
        self._world.calls.count(self._dialect.platform, str(status))
        return status

    def _later(self, hold_ms: float, event: Event, url: str) -> None:
        self._timers.after(hold_ms / 1000, lambda: self._enqueue(event, url))

    def _enqueue(self, event: Event, url: str) -> None:
        key = (url, zlib.crc32(event.page.encode()) % max(1, self._dialect.lanes))
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
            size = max(1, plan.batch_size or self._dialect.batch_size)
            batch = [lane.waiting.popleft() for _ in range(min(size, len(lane.waiting)))]
            if not lane.waiting:
                lane.wake.clear()
            if batch:
                await self._deliver(lane.url, batch, self._dialect.body(batch), 1)

    async def _deliver(self, url: str, batch: list[Event], raw: bytes, attempt: int) -> None:
        headers = self._dialect.headers(raw)
        status = await self.post(url, raw, headers, attempt, len(batch))
        is_fine = self._dialect.is_success(status)
        if is_fine and attempt == 1 and self._faults.chance(self._faults.webhooks.duplicate):
            await self.post(url, raw, headers, attempt, len(batch))
        if is_fine and attempt == 1 and any(event.is_distrusted for event in batch):
            is_fine = False
        if is_fine:
            self._dialect.succeeded(batch)
            self.pending = max(0, self.pending - len(batch))
        elif self._dialect.gives_up(batch, attempt):
            self._world.calls.count(self._dialect.platform, "given_up")
            self.pending = max(0, self.pending - len(batch))
        else:
            self._spawn(self._again(url, batch, raw, attempt))

    async def _again(self, url: str, batch: list[Event], raw: bytes, attempt: int) -> None:
        delays = self._dialect.retry_ms or [1_000]
        await asyncio.sleep(delays[min(attempt, len(delays)) - 1] / 1000)
        await self._deliver(url, batch, raw, attempt + 1)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
