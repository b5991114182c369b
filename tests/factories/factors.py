"""Second factors as their owners have them: an app that counts time steps, and the codes on paper."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from server.auth.repository import factors as repository
from server.auth.service import factors
from server.auth.service.factors import Person
from server.config import Settings
from server.kit.db import Database
from server.kit.ids import encode, new_id
from tests.factories.accounts import AnAccount, a_session

STEP_S = 30


@dataclass(slots=True)
class AnApp:
    """An authenticator app. It was written from RFC 6238 and RFC 4226 section 5.3 and shares no code with the server."""

    secret: str

    def code(self, offset: int = 0) -> str:
        """Return the code of now, or of some steps later or earlier."""
        counter = struct.pack(">Q", int(time.time()) // STEP_S + offset)
        digest = hmac.new(base64.b32decode(self.secret), counter, hashlib.sha1).digest()
        start = digest[-1] & 0xF
        number = int.from_bytes(digest[start : start + 4]) & 0x7FFFFFFF
        return f"{number % 1_000_000:06}"

    def wrong(self) -> str:
        """Return a code that is none of the accepted ones."""
        taken = {self.code(offset) for offset in range(-3, 4)}
        return next(f"{number:06}" for number in range(100) if f"{number:06}" not in taken)


def a_network() -> str:
    """Return a network that nobody else of the run has."""
    return f"net-{new_id().hex}"


async def a_fresh_person(database: Database, settings: Settings, account: AnAccount) -> Person:
    """Sign somebody in just now, from a network of their own."""
    signed_in, _ = await a_session(database, settings, account)
    return Person(account.user_id, signed_in.session_id, a_network())


async def an_app(database: Database, settings: Settings, account: AnAccount) -> tuple[AnApp, list[str]]:
    """Set an authenticator app up, a while ago; return it and the recovery codes."""
    person = await a_fresh_person(database, settings, account)
    begun = await factors.enroll_totp(database, settings, person, None)
    app = AnApp(begun.secret)
    codes = await factors.confirm_totp(database, settings, person, app.code())
    async with database.unscoped_system() as session:
        ago = text("UPDATE user_totp SET last_step = last_step - 5 WHERE user_id = :id")
        await session.execute(ago, {"id": account.user_id})
    return app, list(codes)


async def a_passkey(database: Database, user_id: UUID, name: str = "Laptop") -> str:
    """Keep a passkey of the person that nobody can use; return its id."""
    row: dict[str, object] = {
        "id": new_id(),
        "user_id": user_id,
        "credential_id": new_id().bytes,
        "public_key": b"none",
        "sign_count": 0,
        "name": name,
        "transports": ["usb"],
    }
    async with database.unscoped_system() as session:
        kept = await repository.add_passkey(session, row)
    assert kept is not None
    return encode("pky", kept.id)


async def turn_old(database: Database, session_id: UUID) -> None:
    """Let a sign-in have been eleven minutes ago."""
    async with database.unscoped_system() as session:
        await session.execute(
            text("UPDATE user_session SET created_at = created_at - interval '11 minutes' WHERE id = :id"),
            {"id": session_id},
        )
