"""Connecting, second half: the member chooses which of the found pages belong to which unit; and the way out again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
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
from server.channels.jobs import KeepGrant, SubscribePage
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

_FIRST_CARE = timedelta(minutes=1)
_LISTS = ("tasks", "missing_permissions")


@dataclass(frozen=True, slots=True)
class OfferedPage:
    """A page that the grant reaches and that may be chosen."""

    external_id: str
    name: str
    tasks: tuple[str, ...]
    has_ad_account: bool
    missing_permissions: tuple[str, ...] = ()


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
    row = await open_connection(uow, connection_id, completion, lock=False)
    offered = offered_by(uow, row).values()
    return [
        OfferedPage(page.external_id, page.name, page.tasks, page.ad_account_id is not None, page.missing_permissions)
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
    row = await open_connection(uow, connection_id, completion, lock=True)
    results = await connect_chosen(uow, row, choices)
    if any(one.page is not None for one in results):
        row.state, row.found_sealed = ConnectionState.FINISHED, None
        uow.announce("channels")
    return results


async def connect_chosen(uow: UnitOfWork, row: ConnectionRow, choices: Sequence[tuple[str, UUID]]) -> list[PageResult]:
    """Connect pages of an open connection and return one result per choice, in their order; needs channel:connect."""
    wishes, errors = await _examine(uow, row, choices)
    connected = await _connect(uow, row, wishes, errors)
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
    uow.scope.require_on(Permission.CHANNEL_CONNECT, row.unit_id, read_with=Permission.CHANNEL_READ)
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


async def open_connection(uow: UnitOfWork, connection_id: UUID, completion: str, *, lock: bool) -> ConnectionRow:
    """Return a granted dialogue for the one who began it and holds its code; raises as `finish_connection` says."""
    row = await connections.by_id(uow.session, uow.scope.organization_id, connection_id, lock=lock)
    if row is None or row.actor_id != uow.scope.actor.id:
        raise NotFound(path=("connectionId",))
    uow.scope.require(Permission.CHANNEL_CONNECT, row.unit_id)
    if row.state is not ConnectionState.GRANTED or row.found_sealed is None or row.expires_at <= await uow.now():
        raise ConnectionNotOpen
    if not codes.is_completion(uow.keys, completion, row.completion_hash):
        raise CompletionInvalid
    return row


def offered_by(uow: UnitOfWork, row: ConnectionRow) -> dict[str, FoundPage]:
    """Return the pages that a dialogue found, by the platform's id."""
    if row.found_sealed is None:
        return {}
    written = json.loads(uow.keys.open(row.found_sealed, found_identity(row)))
    pages_found = [FoundPage(**one | {name: tuple(one.get(name, ())) for name in _LISTS}) for one in written]
    return {page.external_id: page for page in pages_found}


async def _examine(
    uow: UnitOfWork, row: ConnectionRow, choices: Sequence[tuple[str, UUID]]
) -> tuple[dict[int, _Wish], dict[int, DomainError]]:
    """Sort the choices, by their place in the list, into those that may be tried and those that are refused."""
    offered = offered_by(uow, row)
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
    if written:
        uow.defer(KeepGrant(row.account_id), key=str(row.account_id), delay=_FIRST_CARE)
    for page_id in written:
        uow.defer(SubscribePage(page_id), key=str(page_id))
        details = {"external_id": rows[page_id].external_id, "unit": str(rows[page_id].unit_id)}
        await audit.record(uow, Action.PAGE_CONNECT, page_id, details)
    return {page.external_id: page for page in rows.values()}


async def _write(uow: UnitOfWork, row: ConnectionRow, wish: _Wish, account_id: UUID) -> bool:
    """Renew the page or insert it; False if the organization has it where this scope does not look."""
    sealed = uow.keys.seal(wish.found.page_token or "", page_token_identity(row.organization_id, wish.page_id))
    if wish.existing is not None:
        page = wish.existing
        page.account_id, page.token_sealed = account_id, sealed
        page.name, page.ad_account_id = wish.found.name, wish.found.ad_account_id
        page.subscribed_at, page.disconnected_at = None, None
        page.parent_external_id, page.connected_by = wish.found.parent_external_id, row.actor_id
        page.health_since = page.tokens_at = await uow.now()
        page.is_ill_by_grant = False
        page.missing_permissions, page.health, page.health_reason = _health_of(wish.found)
        return True
    missing, health, reason = _health_of(wish.found)
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
            "parent_external_id": wish.found.parent_external_id,
            "connected_by": row.actor_id,
            "missing_permissions": missing,
            "health": health,
            "health_reason": reason,
        },
    )
    if not inserted:
        await pages.release_route(uow.session, row.channel, wish.found.external_id)
    return inserted


def _health_of(found: FoundPage) -> tuple[list[str], Health, str | None]:
    """Say what a page lacks from the beginning."""
    missing = list(found.missing_permissions)
    if not missing:
        return [], Health.HEALTHY, None
    return missing, Health.MISSING_PERMISSION, f"The login lacks: {', '.join(missing)}."
