"""The wall between competing units: nobody works for both.

The rule: while a pair of units is flagged, no active member may have grants that reach into both of them, whether on the
unit itself, above it or under it. Two kinds of people are excepted:

- who has no grant but on the root of the tree: people who run the whole organization stand over its walls. As soon as
  such a person also has a grant on one side, the root counts like any other unit and the person is refused;
- who was excepted for this pair by two people (`server.auth.service.conflicts`).

What is decided here is decided over the whole organization, also for an actor who sees one side only and must not learn
of the other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from server.kit.ids import encode
from server.tenants.errors import Separated
from server.tenants.repository import separation as repository
from server.tenants.repository.separation import Shared
from server.tenants.service.people import lock_people
from server.tenants.uow import UnitOfWork


async def check_separation(
    uow: UnitOfWork, member_ids: Collection[UUID] | None = None, *, path: Sequence[str] = ()
) -> None:
    """Raise Separated when one of these members (all, if None) reaches both sides of a flagged pair.

    Called after the change and before the end of its unit of work. Takes the lock of `lock_people`, so that of two
    changes that are harmless one by one the later sees the earlier.
    """
    found = await shared_people(uow, None, member_ids)
    if found:
        raise Separated(path=path, data=_told(uow, found))


async def shared_people(
    uow: UnitOfWork, pairs: Sequence[tuple[UUID, UUID]] | None, member_ids: Collection[UUID] | None = None
) -> Sequence[Shared]:
    """Return who reaches both units of a pair (of all flagged pairs, if None) without an exception; at most 100."""
    await lock_people(uow)
    organization_id = uow.scope.organization_id
    async with uow.whole_organization():
        if pairs is None:
            pairs = await repository.open_pairs(uow.session, organization_id)
        return await repository.shared(uow.session, organization_id, pairs, member_ids) if pairs else []


async def flagged_pairs(uow: UnitOfWork) -> Sequence[tuple[UUID, UUID]]:
    """Return the pairs of units that are kept apart, for a check that decides over the whole organization."""
    async with uow.whole_organization():
        return await repository.open_pairs(uow.session, uow.scope.organization_id)


def _told(uow: UnitOfWork, found: Sequence[Shared]) -> dict[str, object]:
    """Name who and what to an actor who sees everything; to anybody else that the other side exists is not told."""
    if not uow.scope.all_units:
        return {}
    units = sorted({one for row in found for one in (row.first_unit_id, row.second_unit_id)})
    return {
        "memberIds": [encode("mem", one) for one in sorted({row.member_id for row in found})],
        "unitIds": [encode("unit", one) for one in units],
    }
