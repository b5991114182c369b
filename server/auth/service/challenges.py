"""What one browser is given to bring back once and soon: a challenge to sign, a provider's state, a link that waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.auth.factor_models import SignInChallengeRow
from server.auth.repository import identities as repository
from server.auth.rules import ChallengeKind
from server.config import Settings
from server.kit.clock import database_now
from server.kit.crypto import keyed_hash
from server.kit.ids import new_id

_LIVES: Mapping[ChallengeKind, timedelta] = {
    ChallengeKind.PASSKEY_REGISTER: timedelta(minutes=5),
    ChallengeKind.PASSKEY_SIGN_IN: timedelta(minutes=5),
    ChallengeKind.OIDC: timedelta(minutes=5),
    ChallengeKind.OIDC_LINK: timedelta(minutes=10),
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as one provider knows them."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a browser brings back: the text, and the cookie's value that shows that it is the same browser."""

    kind: ChallengeKind
    text: str = field(repr=False)
    browser: str = field(repr=False)


async def issue_challenge(
    session: AsyncSession,
    settings: Settings,
    challenge: Challenge,
    *,
    user_id: UUID | None = None,
    identity: Identity | None = None,
) -> None:
    """Remember a challenge for five minutes, a link that waits for ten."""
    row = SignInChallengeRow(
        id=new_id(),
        kind=challenge.kind,
        token_hash=_digest(settings, "challenge", challenge.text),
        browser_hash=_digest(settings, "browser", challenge.browser),
        user_id=user_id,
        issuer=None if identity is None else identity.issuer,
        subject=None if identity is None else identity.subject,
        expires_at=await database_now(session) + _LIVES[challenge.kind],
    )
    await repository.add_challenge(session, row)


async def use_challenge(session: AsyncSession, settings: Settings, challenge: Challenge) -> SignInChallengeRow | None:
    """Use a challenge up in this transaction; None unless this very browser was given it and has not used it."""
    digest, browser = _digests(settings, challenge)
    return await repository.use_challenge(session, challenge.kind, digest, browser)


async def read_challenge(session: AsyncSession, settings: Settings, challenge: Challenge) -> SignInChallengeRow | None:
    """Return a challenge without using it; None as for `use_challenge`."""
    digest, browser = _digests(settings, challenge)
    return await repository.read_challenge(session, challenge.kind, digest, browser)


def _digests(settings: Settings, challenge: Challenge) -> tuple[bytes, bytes]:
    return _digest(settings, "challenge", challenge.text), _digest(settings, "browser", challenge.browser)


def _digest(settings: Settings, what: str, text: str) -> bytes:
    return keyed_hash(settings.security.pepper.get_secret_value(), f"{what}:{text}")
