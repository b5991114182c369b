"""The address to which the platform under test posts, and what a connector reads out of what came."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl, urlsplit

from server.platforms.port import CommentChanged, Connector, Event, MessageEchoed, MessageReceived, RawEvent
from tests.platforms.contract.rig import Posted
from tests.platforms.wire import Exchange, Wire

Told = tuple[RawEvent, Event]


class Hearing:
    """A callback on the loopback: it answers handshakes as the connector does, takes every POST, and hands files out."""

    def __init__(self, connector: Connector) -> None:
        self.posts: list[Posted] = []
        self.files: dict[str, bytes] = {}
        self._connector = connector
        self._wire = Wire(self._receive)
        self._heard = asyncio.Event()

    @property
    def url(self) -> str:
        """Where the platform posts."""
        return f"{self._wire.url}/hook"

    async def start(self) -> None:
        """Listen."""
        await self._wire.start()

    async def stop(self) -> None:
        """Listen no more."""
        await self._wire.stop()

    def offer(self, name: str, content: bytes) -> str:
        """Hand a file out under an address that needs no token."""
        self.files[f"/files/{name}"] = content
        return f"{self._wire.url}/files/{name}"

    def told(self) -> list[Told]:
        """Everything that was posted so far, verified, split and read."""
        found = []
        for post in self.posts:
            self._connector.verify(post.headers, post.body)
            found += told_by(self._connector, self._connector.split(post.body))
        return found

    async def until(self, enough: Callable[[list[Told]], bool]) -> list[Told]:
        """Wait until what was told is enough."""
        async with asyncio.timeout(20):
            while not enough(told := self.told()):
                self._heard.clear()
                await self._heard.wait()
        return told

    async def _receive(self, exchange: Exchange) -> None:
        if exchange.head.startswith("GET "):
            await self._show(exchange)
            return
        lines = (line.partition(":") for line in exchange.head.split("\r\n")[1:] if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        self.posts.append(Posted(headers, exchange.body))
        self._heard.set()
        await exchange.answer(200, b"")

    async def _show(self, exchange: Exchange) -> None:
        parts = urlsplit(exchange.path)
        if parts.path in self.files:
            await exchange.answer(200, self.files[parts.path], content_type="image/png")
            return
        shaken = self._connector.answer_handshake(dict(parse_qsl(parts.query)))
        body = b"" if shaken is None else shaken.body.encode()
        await exchange.answer(403 if shaken is None else 200, body)


def told_by(connector: Connector, raws: list[RawEvent] | tuple[RawEvent, ...]) -> list[Told]:
    """Read raw events."""
    return [
        (raw, event) for raw in raws for event in connector.parse(raw.kind, raw.page_external_id, dict(raw.payload))
    ]


def words(event: Event) -> tuple[str, str | None, str | None] | None:
    """The id, the person and the text of what a person wrote to an account; None for any other event."""
    match event:
        case MessageReceived():
            return event.message_id, event.person, event.text
        case CommentChanged(verb="add", is_own=False):
            return event.comment_id, event.person, event.text
    return None


def is_said(event: Event) -> bool:
    """Whether somebody of either side wrote something, in the open or not."""
    return isinstance(event, MessageReceived | MessageEchoed) or (
        isinstance(event, CommentChanged) and event.verb == "add"
    )


def key(raw: RawEvent) -> tuple[str, str, str]:
    """What makes a duplicate harmless."""
    return raw.page_external_id, raw.kind, raw.external_id
