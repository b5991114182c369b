"""A mail server that answers every recipient alike, and the page that shows what a development machine kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy import text

from server.auth import service as auth
from server.config import Settings
from server.kit.db import Database


@dataclass(slots=True)
class Postbox:
    """What came in, and what is answered to RCPT."""

    answer: bytes
    port: int = 0
    taken: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak just enough SMTP."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                body = await reader.readuntil(b"\r\n.\r\n")
                self.taken.append(body.decode())
            if verb == b"QUIT":
                writer.write(b"221 bye\r\n")
                break
            writer.write(self.answer if verb == b"RCPT" else b"250 ok\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def a_postbox(answer: bytes = b"250 ok\r\n") -> AsyncIterator[Postbox]:
    """Open a mail server on the loopback interface."""
    postbox = Postbox(answer)
    server = await asyncio.start_server(postbox.serve, "127.0.0.1", 0)
    postbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield postbox


def with_smtp(settings: Settings, port: int) -> Settings:
    """Return the settings with a mail server."""
    changed = object.__new__(Settings)
    changed.__dict__.update(settings.__dict__)
    changed.mail = settings.mail.model_copy(
        update={"host": "127.0.0.1", "port": port, "starts_tls": False, "timeout_s": 2}
    )
    return changed


async def mails_to(database: Database, settings: Settings, email: str) -> list[str]:
    """Send what is owed; return the bodies that were kept for an address, the oldest first."""
    while await auth.send_owed(database, settings):
        pass
    statement = text("SELECT body FROM dev_mail WHERE recipient = :e ORDER BY created_at")
    async with database.unscoped_system() as session:
        return [str(row[0]) for row in await session.execute(statement, {"e": email})]


def link_in(mail: str) -> str:
    """Return the token of the link in a mail."""
    found = re.search(r"/reset/(\S+)", mail)
    assert found is not None, mail
    return found[1]
