"""What a platform tells or asks on behalf of a person: our app was removed, or what we hold of them must go.

The callback names a login, which may serve several organizations (platforms.md 1.5). The request is written down once, with
a job for each of its grants; nothing about the person is kept besides the grants themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import codes
from server.channels.jobs import KeepGrant, WithdrawGrant
from server.channels.models import CallbackKind
from server.channels.repository import grants, leaving, pages
from server.channels.repository import withdrawing as repository
from server.channels.repository.withdrawing import RequestState
from server.channels.service.pages import account_token_identity, page_token_identity
from server.channels.service.refreshing import lose_grant
from server.kit import jobs
from server.kit.db import Database
from server.kit.ids import new_id
from server.platforms.port import Channel, Connector, Login, SignedCallback
from server.tenants.uow import UnitOfWork, system_scope

_CLOCKS = timedelta(minutes=1)
_REMOVED = "The person removed our app at the platform. Connect again."


async def take_callback(database: Database, connector: Connector, kind: CallbackKind, callback: SignedCallback) -> str:
    """Write a verified callback down, owe the withdrawal of each grant it is about, and return its confirmation code.

    The same callback, whenever it is played again, gives the same code and changes nothing, also after the person came
    back: it is known by whom and when it was issued.
    """
    code = codes.confirmation_of(database.keys, connector.channel, kind, callback)
    request_id = new_id()
    async with system_scope(database) as session:
        code_hash = codes.hash_of(database.keys, codes.CONFIRMATION, code)
        if await repository.insert_request(session, request_id, connector.channel, kind, code_hash):
            found = await repository.grants_of(
                session, connector.channel, connector.logins[0], callback.person_external_id
            )
            owed = [
                WithdrawGrant(one.account_id, request_id, kind is CallbackKind.DELETION, callback.issued_at)
                for one in found
            ]
            wanted = [
                (one.organization_id, jobs.Deferred(work, key=f"{request_id}:{one.account_id}"))
                for one, work in zip(found, owed, strict=True)
            ]
            await jobs.write_many(session, wanted)
    return code


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What a webhook told: a person took a grant back, or single rights of it. `mark` knows the word when it comes again."""

    mark: bytes
    person: str
    logins: tuple[Login, ...]
    at: datetime
    is_partial: bool


async def owe_withdrawals(session: AsyncSession, channel: Channel, told: Sequence[Withdrawal]) -> None:
    """Owe what each word means to each grant of its person, of every organization. For the system role."""
    wanted = []
    for word in told:
        for login in word.logins:
            for one in await repository.grants_of(session, channel, login, word.person):
                work = WithdrawGrant(
                    one.account_id, new_id(), is_deletion=False, issued_at=word.at, is_partial=word.is_partial
                )
                wanted.append((one.organization_id, jobs.Deferred(work, key=f"{word.mark.hex()}:{one.account_id}")))
    await jobs.write_many(session, wanted)


async def ask_after_grant(uow: UnitOfWork, account_id: UUID) -> None:
    """Have the platform asked at once how well a grant is; nothing for one that is gone."""
    row = await grants.account(uow.session, uow.scope.organization_id, account_id, lock=True)
    if row is not None:
        row.checked_at = None
        uow.defer(KeepGrant(account_id), key=str(account_id))


async def request_state(database: Database, code: str) -> RequestState | None:
    """Return where the request stands that a confirmation code opens."""
    if not codes.is_confirmation(code):
        return None
    kind = jobs.kind_of(WithdrawGrant).name
    async with system_scope(database) as session:
        return await repository.request_state(session, codes.hashes_of(database.keys, codes.CONFIRMATION, code), kind)


async def withdraw_of_page(uow: UnitOfWork, page_id: UUID, at: datetime) -> None:
    """Destroy the tokens of the grant that a page hangs on, because its platform says that the person took it back."""
    row = await pages.page(uow.session, uow.scope.organization_id, page_id)
    if row is not None:
        await withdraw_grant(uow, row.account_id, is_deletion=False, issued_at=at)


async def withdraw_grant(
    uow: UnitOfWork, account_id: UUID, *, is_deletion: bool, issued_at: datetime | None = None
) -> None:
    """Destroy the tokens of a grant and of its pages, which need a person again; queues and histories stay. Repeatable.

    For a deletion the person's name and id go too; a login after it is a new grant. Tokens that are younger than the
    platform's word (`issued_at`) stay: the person came back.
    """
    organization_id = uow.scope.organization_id
    row = await grants.account(uow.session, organization_id, account_id, lock=True)
    if row is None or (issued_at is not None and row.tokens_at > issued_at + _CLOCKS):
        return
    row.token_sealed = uow.keys.seal("", account_token_identity(organization_id, row.id))
    row.refresh_token_sealed, row.refresh_lease, row.refresh_wanted_at = None, None, None
    row.token_version, row.is_refreshable = row.token_version + 1, False
    pages = await grants.pages_of(uow.session, organization_id, account_id)
    for page in pages:
        page.token_sealed = uow.keys.seal("", page_token_identity(organization_id, page.id))
    if is_deletion:
        row.name, row.external_id, row.scopes = "", f"deleted:{row.id}", []
    await uow.session.flush()
    await leaving.refuse_connections_of(uow.session, organization_id, account_id)
    await lose_grant(uow, row, _REMOVED)
    uow.announce("channels")
    details = {"pages": len(pages), "deletion": is_deletion}
    await audit.record(uow, Action.GRANT_WITHDRAWN, account_id, details)
