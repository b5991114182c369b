"""Whether the broker and the mail host answer: told by readiness and doctor, and never a reason not to start."""

from __future__ import annotations

import asyncio

from server.config import Settings
from server.startup.rules import split

_TIMEOUT_S = 1.5
_PORTS = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432}


def broker_place(config: Settings) -> tuple[str, int] | None:
    """Return host and port of a broker apart from the ledger's server; None without one."""
    parts = None if config.broker.url is None else split(config.broker.url.get_secret_value())
    if parts is None or not parts.hostname:
        return None
    return parts.hostname, parts.port or _PORTS.get(parts.scheme, 0)


def mail_place(config: Settings) -> tuple[str, int] | None:
    """Return host and port of the mail server; None without one."""
    return (config.mail.host, config.mail.port) if config.mail.host.strip() else None


async def answers(place: tuple[str, int]) -> bool:
    """Say whether somebody takes a TCP connection there within 1.5 s; nothing is said to them."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(*place)
    except (OSError, TimeoutError, UnicodeError):
        return False
    writer.close()
    return True
