"""The loop that sends the mail people are owed: sign-in belongs to no organization, so it has no job rows of its own."""

from __future__ import annotations

import asyncio

from server.auth import service as auth
from server.config import Settings
from server.kit import log
from server.kit.db import Database
from server.kit.errors import Unavailable

EVERY_S = 2.0

_logger = log.get(__name__)


async def run(database: Database, settings: Settings) -> None:
    """Send what is due every two seconds until cancelled; a database that is away is waited for."""
    while True:
        try:
            while await auth.send_owed(database, settings):
                pass
        except Unavailable:
            _logger.warning("mail waits: the database is away")
        await asyncio.sleep(EVERY_S)
