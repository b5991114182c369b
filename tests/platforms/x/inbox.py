"""A callback of our own: it answers CRCs, checks signatures and keeps what the webhooks told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from server.platforms.port import Event, RawEvent, SignatureInvalid
from server.platforms.x.connector import XConnector
from tests.platforms.wire import Exchange, Wire


@dataclass
class Inbox:
    """What came in. `statuses` are the next answers to posts, then always 200; `answers_crc` off fails every handshake."""

    connector: XConnector
    told: list[tuple[RawEvent, Event]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    forged: int = 0
    crcs: int = 0
    answers_crc: bool = True
    wire: Wire = field(init=False)

    def __post_init__(self) -> None:
        self.wire = Wire(self._receive)

    @property
    def url(self) -> str:
        """The address of the callback."""
        return f"{self.wire.url}/webhooks/x"

    def of(self, kind: type[Event]) -> list[Event]:
        """Everything told of a kind."""
        return [event for _, event in self.told if isinstance(event, kind)]

    async def heard(self, kind: type[Event], count: int = 1) -> list[Event]:
        """Wait until the webhooks told `count` events of a kind."""
        async with asyncio.timeout(20):
            while len(self.of(kind)) < count:
                await asyncio.sleep(0.01)
        return self.of(kind)

    async def _receive(self, exchange: Exchange) -> None:
        if exchange.head.startswith("GET "):
            self.crcs += 1
            query = {name: values[0] for name, values in parse_qs(urlsplit(exchange.path).query).items()}
            shaken = self.connector.answer_handshake(query) if self.answers_crc else None
            await exchange.answer(200 if shaken else 403, (shaken.body if shaken else "").encode())
            return
        try:
            header = exchange.header("x-twitter-webhooks-signature") or ""
            self.connector.verify({"x-twitter-webhooks-signature": header}, exchange.body)
        except SignatureInvalid:
            self.forged += 1
            await exchange.answer(401, b"")
            return
        self.bodies.append(exchange.body)
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            for raw in self.connector.split(exchange.body):
                self.told += [(raw, one) for one in self.connector.parse(raw.kind, raw.page_external_id, raw.payload)]
        await exchange.answer(status, b"")
