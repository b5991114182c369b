"""What resolved grants add up to. Pure: the grants come from the statement that found the token."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from server.tenants.rules import Permission
from server.tenants.scope import Actor, Credential, Reach, Scope, member_scope


@dataclass(frozen=True, slots=True)
class Grant:
    """Permissions on units, already cut to the units of the token.

    `unit_ids` are the units reached, None for the whole tree; `above_ids` the units over them; `at` are
    the units that a member's grant names, none for an app's.
    """

    permissions: frozenset[Permission]
    unit_ids: Collection[UUID] | None
    above_ids: Collection[UUID] = ()
    at: Collection[UUID] = ()


def scope_of(
    actor: Actor,
    organization_id: UUID,
    grants: Iterable[Grant],
    *,
    limit: frozenset[Permission] | None = None,
    credential: Credential | None = None,
    departed_ids: Collection[UUID] = (),
) -> Scope:
    """Add up grants to a scope; `limit` cuts it to what a token was given."""
    everywhere: frozenset[Permission] = frozenset()
    by_unit: dict[UUID, frozenset[Permission]] = {}
    above: set[UUID] = set()
    by_name: dict[UUID, frozenset[Permission]] = {}
    for grant in grants:
        for one in grant.at:
            by_name[one] = by_name.get(one, frozenset()) | grant.permissions
        if grant.unit_ids is None:
            everywhere |= grant.permissions
            continue
        above.update(grant.above_ids)
        for one in grant.unit_ids:
            by_unit[one] = by_unit.get(one, frozenset()) | grant.permissions
    return member_scope(
        actor,
        organization_id,
        everywhere=everywhere,
        reaches=[Reach(one, held) for one, held in by_unit.items()],
        lineage_ids=() if everywhere else above.difference(by_unit),
        limit=limit,
        credential=credential,
        granted_at=by_name,
        departed_ids=departed_ids,
    )
