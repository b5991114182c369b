"""Connecting, second half: the member chooses which of the found pages belong to which unit; and the way out again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.audit import service as audit
from server.audit.actions import Action
from server.channels import codes
from server.channels.errors import (
    CompletionInvalid,
    ConnectionNotOpen,
    PageInOtherUnit,
    PageNotOffered,
    PageTaken,
)
from server.channels.jobs import SubscribePage
from server.channels.models import ConnectionRow, ConnectionState, Health, PageRow
from server.channels.repository import connections, pages
from server.channels.repository.pages import WantedRoute
from server.channels.rules import MAX_CHOICES
from server.channels.service.connect import found_identity
from server.channels.service.pages import page_token_identity
from server.kit.errors import DomainError, InvalidInput, NotFound
from server.kit.ids import new_id
from server.platforms.port import FoundPage
from server.tenants import service as tenants
from server.tenants.rules import Permission
from server.tenants.uow import UnitOfWork


@dataclass(frozen=True, slots=True)
class OfferedPage:
    """A page that the grant reaches and that may be chosen."""

    external_id: str
    name: str
    tasks: tuple[str, ...]
    has_ad_account: bool


@dataclass(frozen=True, slots=True)
class PageResult:
    """What became of one choice: exactly one of `page` and `error` is set."""

    external_id: str
    unit_id: UUID
    page: PageRow | None = None
    error: DomainError | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """One choice that may be carried out."""

    found: FoundPage
    unit_id: UUID
    page_id: UUID
    existing: PageRow | None = field(default=None, repr=False)


async def found_pages(uow: UnitOfWork, connection_id: UUID, completion: str) -> list[OfferedPage]:
    """Return the pages that may be chosen, by name. Same refusals as `finish_connection`."""
    row = await _open(uow, connection_id, completion, lock=False)
    offered = _found(uow, row).values()
    return [
        OfferedPage(page.external_id, page.name, page.tasks, page.ad_account_id is not None)
        for page in sorted(offered, key=lambda page: (page.name, page.external_id))
    ]


async def finish_connection(
    uow: UnitOfWork, connection_id: UUID, completion: str, choices: Sequence[tuple[str, UUID]]
) -> list[PageResult]:
    """Connect the chosen (external id, unit) pages and return one result per choice, in their order.

    A page that cannot be connected does not keep the others from it. A page that this organization had before gets its
    new token, health and account. The connection is finished, and its code used up, when at least one page was connected.
    Raises NotFound unless this actor began the connection, CompletionInvalid, ConnectionNotOpen; needs channel:connect on
    each unit.
    """
    if not 1 <= len(choices) <= MAX_CHOICES:
        raise InvalidInput(f"Choose 1 to {MAX_CHOICES} pages.", path=("pages",))
    row = await _open(uow, connection_id, completion, lock=True)
    wishes, errors = await _examine(uow, row, choices)
    connected = await _connect(uow, row, wishes, errors)
    if connected:
        row.state, row.found_sealed = ConnectionState.FINISHED, None
        uow.announce("channels")
    return [
        PageResult(external_id, unit_id, error=errors[place])
        if place in errors
        else PageResult(external_id, unit_id, page=connected[external_id])
        for place, (external_id, unit_id) in enumerate(choices)
    ]


async def disconnect_page(uow: UnitOfWork, page_id: UUID) -> PageRow:
    """Stop acting for a page: its token is destroyed and its route set free; its history stays. Repeatable.

    Needs channel:connect on the page's unit.
    """
    row = await pages.page(uow.session, uow.scope.organization_id, page_id, lock=True)
    if row is None:
        raise NotFound
    uow.scope.require(Permission.CHANNEL_CONNECT, row.unit_id)
    if row.disconnected_at is not None:
        return row
    row.disconnected_at = await uow.now()
    row.subscribed_at = None
    row.token_sealed = uow.keys.seal("", page_token_identity(row.organization_id, row.id))
    row.health, row.health_reason = Health.RECONNECT_NEEDED, "disconnected"
    await pages.release_route(uow.session, row.channel, row.external_id)
    uow.announce("channels")
    await audit.record(uow, Action.PAGE_DISCONNECT, row.id, {"external_id": row.external_id})
    return row


async def _open(uow: UnitOfWork, connection_id: UUID, completion: str, *, lock: bool) -> ConnectionRow:
    row = await connections.by_id(uow.session, uow.scope.organization_id, connection_id, lock=lock)
    if row is None or row.actor_id != uow.scope.actor.id:
        raise NotFound(path=("connectionId",))
    uow.scope.require(Permission.CHANNEL_CONNECT, row.unit_id)
    if row.state is not ConnectionState.GRANTED or row.found_sealed is None or row.expires_at <= await uow.now():
        raise ConnectionNotOpen
    if not codes.is_completion(uow.keys, completion, row.completion_hash):
        raise CompletionInvalid
    return row


def _found(uow: UnitOfWork, row: ConnectionRow) -> dict[str, FoundPage]:
    if row.found_sealed is None:
        return {}
    written = json.loads(uow.keys.open(row.found_sealed, found_identity(row)))
    pages_found = [FoundPage(**one | {"tasks": tuple(one["tasks"])}) for one in written]
    return {page.external_id: page for page in pages_found}


async def _examine(
    uow: UnitOfWork, row: ConnectionRow, choices: Sequence[tuple[str, UUID]]
) -> tuple[dict[int, _Wish], dict[int, DomainError]]:
    """Sort the choices, by their place in the list, into those that may be tried and those that are refused."""
    offered = _found(uow, row)
    barred = {unit_id: await _unit_problem(uow, unit_id) for unit_id in dict.fromkeys(unit for _, unit in choices)}
    known = [external_id for external_id, _ in choices if external_id in offered]
    present = await pages.lock_by_external_id(uow.session, row.organization_id, row.channel, known)
    wishes: dict[int, _Wish] = {}
    errors: dict[int, DomainError] = {}
    seen: set[str] = set()
    for place, (external_id, unit_id) in enumerate(choices):
        page, existing = offered.get(external_id), present.get(external_id)
        if page is None or external_id in seen:
            errors[place] = PageNotOffered()
        elif (problem := barred[unit_id]) is not None:
            errors[place] = problem
        elif existing is not None and existing.unit_id != unit_id:
            errors[place] = PageInOtherUnit(existing.unit_id)
        else:
            wishes[place] = _Wish(page, unit_id, existing.id if existing else new_id(), existing)
        seen.add(external_id)
    return wishes, errors


async def _unit_problem(uow: UnitOfWork, unit_id: UUID) -> DomainError | None:
    try:
        uow.scope.require(Permission.CHANNEL_CONNECT, unit_id)
        await tenants.working_unit(uow, unit_id)
    except DomainError as problem:
        return problem
    return None


async def _connect(
    uow: UnitOfWork, row: ConnectionRow, wishes: Mapping[int, _Wish], errors: dict[int, DomainError]
) -> dict[str, PageRow]:
    """Claim the wished pages and write them; add PageTaken to `errors` for those that another owner holds."""
    if not wishes or row.account_id is None:
        return {}
    wanted = [WantedRoute(wish.found.external_id, wish.page_id) for wish in wishes.values()]
    ours = await pages.claim_routes(uow.session, row.channel, wanted)
    written: list[UUID] = []
    for place, wish in wishes.items():
        if wish.found.external_id in ours and await _write(uow, row, wish, row.account_id):
            written.append(wish.page_id)
        else:
            errors[place] = PageTaken()
    await uow.session.flush()
    rows = {page.id: page for page in await pages.pages_by_id(uow.session, row.organization_id, written)}
    for page_id in written:
        uow.defer(SubscribePage(page_id), key=str(page_id))
        details = {"external_id": rows[page_id].external_id, "unit": str(rows[page_id].unit_id)}
        await audit.record(uow, Action.PAGE_CONNECT, page_id, details)
    return {page.external_id: page for page in rows.values()}


async def _write(uow: UnitOfWork, row: ConnectionRow, wish: _Wish, account_id: UUID) -> bool:
    """Renew the page or insert it; False if the organization has it where this scope does not look."""
    sealed = uow.keys.seal(wish.found.page_token, page_token_identity(row.organization_id, wish.page_id))
    if wish.existing is not None:
        page = wish.existing
        page.account_id, page.token_sealed = account_id, sealed
        page.name, page.ad_account_id = wish.found.name, wish.found.ad_account_id
        page.health, page.health_reason = Health.HEALTHY, None
        page.subscribed_at, page.disconnected_at = None, None
        return True
    inserted = await pages.insert_page(
        uow.session,
        {
            "organization_id": row.organization_id,
            "id": wish.page_id,
            "unit_id": wish.unit_id,
            "account_id": account_id,
            "channel": row.channel,
            "external_id": wish.found.external_id,
            "name": wish.found.name,
            "token_sealed": sealed,
            "ad_account_id": wish.found.ad_account_id,
        },
    )
    if not inserted:
        await pages.release_route(uow.session, row.channel, wish.found.external_id)
    return inserted
