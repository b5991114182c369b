"""Passkeys: a key pair per host, whose use shows both the device and its owner (WebAuthn Level 2 and 3).

Attestation is not asked for: which make of authenticator somebody has is not our business.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from sqlalchemy.ext.asyncio import AsyncSession
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_attestation_object,
    parse_client_data_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from server.audit.actions import Action
from server.auth.browsers import origin_of
from server.auth.errors import PasskeyRefused, TooManyPasskeys
from server.auth.factor_models import UserPasskeyRow
from server.auth.repository import factors as repository
from server.auth.rules import ChallengeKind, SignInMethod
from server.auth.service.challenges import Challenge, issue_challenge, use_challenge
from server.auth.service.factors.proof import Person, record, require_proof
from server.auth.service.throttle import count_guess
from server.config import Settings
from server.kit import log
from server.kit.db import Database
from server.kit.errors import NotFound, Problems
from server.kit.ids import new_id
from server.tenants.rules import name_problems
from server.tenants.uow import system_scope

MAX_PASSKEYS = 20
RP_NAME = "Switchboard"
_CHALLENGE_BYTES = 32
_TIMEOUT_MS = 300_000
_MAX_CREDENTIAL_ID = 1023
"""WebAuthn Level 3, section 7.1, step 25: a longer id is refused."""
_TRANSPORTS = frozenset(one.value for one in AuthenticatorTransport)
_BROKEN = (WebAuthnException, ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What the library raises for an answer that does not verify, or is not even of the right form."""
_logger = log.get(__name__)

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who gets a passkey: the name is what the authenticator shows them."""

    person: Person
    email: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser's authenticator said (the JSON of a PublicKeyCredential), and the browser's cookie."""

    credential: Json
    browser: str = field(repr=False)


def rp_id_of(settings: Settings) -> str:
    """Return the name that passkeys belong to: the host of our public address."""
    return urlsplit(settings.web.public_url).hostname or ""


async def registration_options(
    database: Database, settings: Settings, holder: Holder, browser: str, password: str | None
) -> str:
    """Return the options for `navigator.credentials.create()` as JSON; their challenge is good once, for five minutes.

    Raises what `require_proof` raises, and TooManyPasskeys.
    """
    user_id = holder.person.user_id
    await require_proof(database, settings, holder.person, password)
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    async with system_scope(database) as session:
        existing = await repository.passkeys_of(session, user_id)
        if len(existing) >= MAX_PASSKEYS:
            raise TooManyPasskeys(MAX_PASSKEYS)
        wanted = Challenge(ChallengeKind.PASSKEY_REGISTER, bytes_to_base64url(challenge), browser)
        await issue_challenge(session, settings, wanted, user_id=user_id)
    options = webauthn.generate_registration_options(
        rp_id=rp_id_of(settings),
        rp_name=RP_NAME,
        user_id=user_id.bytes,
        user_name=holder.email,
        user_display_name=holder.name,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one.credential_id) for one in existing],
    )
    return webauthn.options_to_json(options)


async def register_passkey(
    database: Database, settings: Settings, person: Person, answer: Answer, name: str
) -> UserPasskeyRow:
    """Keep the public key of a new passkey.

    Raises Problems for the name, PasskeyRefused for an answer that does not verify or to a challenge that this session
    was not given, and TooManyPasskeys.
    """
    if problems := name_problems(name):
        raise Problems(problems)
    challenge = await _challenge_of(database, settings, ChallengeKind.PASSKEY_REGISTER, answer, person.user_id)
    try:
        _refuse_vouchers(answer.credential)
        verified = webauthn.verify_registration_response(
            credential=dict(answer.credential),
            expected_challenge=challenge,
            expected_rp_id=rp_id_of(settings),
            expected_origin=origin_of(settings.web.public_url),
            require_user_verification=True,
        )
    except _BROKEN as error:
        raise PasskeyRefused from error
    if len(verified.credential_id) > _MAX_CREDENTIAL_ID:
        raise PasskeyRefused
    row: dict[str, object] = {
        "id": new_id(),
        "user_id": person.user_id,
        "credential_id": verified.credential_id,
        "public_key": verified.credential_public_key,
        "sign_count": verified.sign_count,
        "name": name,
        "transports": _transports_of(answer.credential),
    }
    async with system_scope(database) as session:
        return await _keep(session, database, person.user_id, row)


async def _keep(session: AsyncSession, database: Database, user_id: UUID, row: dict[str, object]) -> UserPasskeyRow:
    if len(await repository.passkeys_of(session, user_id)) >= MAX_PASSKEYS:
        raise TooManyPasskeys(MAX_PASSKEYS)
    kept = await repository.add_passkey(session, row)
    if kept is None:
        raise PasskeyRefused
    details = {"factor": SignInMethod.PASSKEY.value, "name": kept.name}
    await record(session, database, user_id, Action.FACTOR_ADD, details)
    return kept


async def sign_in_options(database: Database, settings: Settings, network: str, browser: str) -> str:
    """Return the options for `navigator.credentials.get()` as JSON, for any passkey of this host.

    They name no key: a stranger learns of nobody's. Raises TooManyAttempts.
    """
    await count_guess(database, settings, network=network)
    challenge = secrets.token_bytes(_CHALLENGE_BYTES)
    async with system_scope(database) as session:
        wanted = Challenge(ChallengeKind.PASSKEY_SIGN_IN, bytes_to_base64url(challenge), browser)
        await issue_challenge(session, settings, wanted)
    options = webauthn.generate_authentication_options(
        rp_id=rp_id_of(settings),
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


async def show_passkey(database: Database, settings: Settings, network: str, answer: Answer) -> UUID:
    """Return whose passkey signed the challenge of this browser, which is used up by it.

    The device and its owner were both shown, so no second factor is owed. Raises TooManyAttempts before anything is
    looked at, and PasskeyRefused; a count that did not grow is refused and logged, for the key may have been copied.
    """
    await count_guess(database, settings, network=network)
    challenge = await _challenge_of(database, settings, ChallengeKind.PASSKEY_SIGN_IN, answer, None)
    async with system_scope(database) as session:
        row = await repository.passkey_by_credential(session, _credential_id(answer.credential))
    if row is None or not _is_holder(answer.credential, row.user_id):
        raise PasskeyRefused
    try:
        verified = webauthn.verify_authentication_response(
            credential=dict(answer.credential),
            expected_challenge=challenge,
            expected_rp_id=rp_id_of(settings),
            expected_origin=origin_of(settings.web.public_url),
            credential_public_key=row.public_key,
            credential_current_sign_count=0,  # the count is compared below, in the statement that keeps it
            require_user_verification=True,
        )
    except _BROKEN as error:
        raise PasskeyRefused from error
    async with system_scope(database) as session:
        has_grown = await repository.note_passkey_use(session, row.id, verified.new_sign_count)
    if not has_grown:
        told = {"passkey": str(row.id), "user": str(row.user_id), "kept": row.sign_count}
        _logger.warning("passkey.count_not_grown", shown=verified.new_sign_count, **told)
        raise PasskeyRefused
    return row.user_id


async def list_passkeys(database: Database, user_id: UUID) -> Sequence[UserPasskeyRow]:
    """List a person's passkeys, oldest first; there are at most 20."""
    async with system_scope(database) as session:
        return await repository.passkeys_of(session, user_id)


async def rename_passkey(database: Database, user_id: UUID, passkey_id: UUID, name: str) -> UserPasskeyRow:
    """Give a passkey of the person another name; raise NotFound, and Problems for the name."""
    if problems := name_problems(name):
        raise Problems(problems)
    async with system_scope(database) as session:
        row = await repository.rename_passkey(session, user_id, passkey_id, name)
    if row is None:
        raise NotFound(path=("passkeyId",))
    return row


async def delete_passkey(
    database: Database, settings: Settings, person: Person, passkey_id: UUID, password: str | None
) -> None:
    """Delete a passkey of the person; raise what `require_proof` raises, and NotFound."""
    await require_proof(database, settings, person, password)
    async with system_scope(database) as session:
        if not await repository.delete_passkey(session, person.user_id, passkey_id):
            raise NotFound(path=("passkeyId",))
        await record(session, database, person.user_id, Action.FACTOR_REMOVE, {"factor": SignInMethod.PASSKEY.value})


async def _challenge_of(
    database: Database, settings: Settings, kind: ChallengeKind, answer: Answer, user_id: UUID | None
) -> bytes:
    """Use up the challenge that the answer is to, whatever becomes of the answer; raise PasskeyRefused if it is not ours."""
    try:
        response = answer.credential["response"]
        told = parse_client_data_json(base64url_to_bytes(response["clientDataJSON"]))  # type: ignore[index]
    except _BROKEN as error:
        raise PasskeyRefused from error
    wanted = Challenge(kind, bytes_to_base64url(told.challenge), answer.browser)
    async with system_scope(database) as session:
        row = await use_challenge(session, settings, wanted)
    # Level 3, section 7.2, step 11: none of our pages is shown in a frame of another origin.
    if row is None or row.user_id != user_id or told.cross_origin:
        raise PasskeyRefused
    return told.challenge


def _refuse_vouchers(credential: Json) -> None:
    """Raise PasskeyRefused for an attestation by a maker, which we did not ask for and have no roots to check with."""
    response = credential["response"]
    told = parse_attestation_object(base64url_to_bytes(response["attestationObject"]))  # type: ignore[index]
    is_own_word = told.fmt == AttestationFormat.PACKED and not told.att_stmt.x5c
    if told.fmt != AttestationFormat.NONE and not is_own_word:
        raise PasskeyRefused


def _credential_id(credential: Json) -> bytes:
    text = credential.get("rawId")
    try:
        return base64url_to_bytes(text) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _is_holder(credential: Json, user_id: UUID) -> bool:
    """Level 3, section 7.2, step 6: a key that was found by itself must say whose it is, and say the same as we do."""
    response = credential.get("response")
    handle = response.get("userHandle") if isinstance(response, dict) else None
    try:
        return isinstance(handle, str) and base64url_to_bytes(handle) == user_id.bytes
    except ValueError:
        return False


def _transports_of(credential: Json) -> list[str]:
    response = credential.get("response")
    given = response.get("transports") if isinstance(response, dict) else None
    if not isinstance(given, list):
        return []
    return sorted({one for one in given if isinstance(one, str) and one in _TRANSPORTS})
