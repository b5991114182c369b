"""The scope: who acts, for which organization, over which units, with which permissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID

from server.kit.db import Context
from server.kit.errors import DomainError, NotFound, PermissionDenied
from server.tenants.rules import Permission

SYSTEM_ACTOR = UUID(int=0)


class ActorKind(StrEnum):
    """Who acts. A worker acts for the organization whose row it handles."""

    MEMBER = "MEMBER"
    APP = "APP"
    WORKER = "WORKER"


@dataclass(frozen=True, slots=True)
class Actor:
    """The one who acts. `id` is the member's or the app's; `name` is shown in audit events."""

    kind: ActorKind
    id: UUID
    name: str


class CredentialKind(StrEnum):
    """What a caller proved themselves with. Stored and shown; only a SESSION may change how its person signs in."""

    PERSONAL = "PERSONAL"
    SERVICE = "SERVICE"
    SESSION = "SESSION"
    OAUTH = "OAUTH"


@dataclass(frozen=True, slots=True)
class Credential:
    """The token behind a scope: its row, and the account that signed in with it, if it is a person's."""

    kind: CredentialKind
    token_id: UUID
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What one actor reaches in one organization.

    `everywhere` are the permissions held on the whole tree; `by_unit` those held on single units (already expanded to
    everything under the granted unit); `lineage_ids` are the ancestors of these units, whose shared rows may be read.
    """

    actor: Actor
    organization_id: UUID
    all_units: bool
    everywhere: frozenset[Permission]
    by_unit: Mapping[UUID, frozenset[Permission]]
    lineage_ids: frozenset[UUID]
    limit: frozenset[Permission] | None = None
    """What the token was cut to, if it was; nothing may be handed on beyond it."""
    credential: Credential | None = None
    """None for workers, which carry no token."""
    granted_at: Mapping[UUID, frozenset[Permission]] = field(default_factory=dict)
    """What a member was granted on units by name, not by a grant on a unit above; their daily work. Empty for apps."""
    departed_ids: frozenset[UUID] = frozenset()
    """Units that the organization parts with: out of everybody's reach, only workers still see them."""

    @property
    def unit_ids(self) -> frozenset[UUID]:
        """Return the units reached one by one; empty when all are."""
        return frozenset(self.by_unit)

    def context(self, *, read_only: bool) -> Context:
        """Return what row-level security is told."""
        return Context(
            self.organization_id,
            self.actor.id,
            self.all_units,
            frozenset() if self.all_units else self.unit_ids,
            frozenset() if self.all_units else self.lineage_ids,
            read_only,
            self.departed_ids,
        )

    def reaches(self, unit_id: UUID | None) -> bool:
        """Say whether rows of the unit are visible; rows without a unit only to those who reach all."""
        return (self.all_units and unit_id not in self.departed_ids) or unit_id in self.by_unit

    def may(self, permission: Permission, unit_id: UUID | None = None) -> bool:
        """Say whether the actor holds the permission on the unit; without a unit: anywhere at all."""
        if permission in self.everywhere:
            return unit_id not in self.departed_ids
        if unit_id is None:
            return any(permission in held for held in self.by_unit.values())
        return permission in self.by_unit.get(unit_id, frozenset())

    def past(self) -> Scope:
        """Return the scope for what outlives its unit, such as a legal hold: as if nothing were leaving."""
        return replace(self, departed_ids=frozenset())

    def held_on(self, unit_id: UUID) -> list[Permission]:
        """Return what the actor may do on a unit, sorted; with permissions on the whole tree also for an id that is none."""
        return sorted(self.everywhere | self.by_unit.get(unit_id, frozenset()))

    def is_by_name(self, permission: Permission, unit_id: UUID) -> bool:
        """Say whether the permission was granted on the unit itself, not on one above it or to an app."""
        return permission in self.granted_at.get(unit_id, frozenset())

    def units_with(self, permission: Permission) -> list[UUID] | None:
        """Return the units on which the permission is held; None for all. A unit may be visible by another permission."""
        if permission in self.everywhere:
            return None
        return [unit_id for unit_id, held in self.by_unit.items() if permission in held]

    def shows(self, permission: Permission, unit_id: UUID) -> bool:
        """Say whether objects at the unit, which are read with the permission, are shown; what is not shown is not there."""
        return self.reaches(unit_id) and self.may(permission, unit_id)

    def require(self, permission: Permission, unit_id: UUID | None) -> None:
        """Raise NotFound for a unit out of reach, PermissionDenied for one that is seen but not granted.

        The order matters: a refusal must never reveal that an object outside of the scope exists. None stands for the
        organization as a whole and needs the permission on the whole tree.
        """
        refusal = self.refusal(permission, unit_id)
        if refusal is not None:
            raise refusal

    def refusal(self, permission: Permission, unit_id: UUID | None) -> DomainError | None:
        """Return what `require` would raise; None when the permission is held."""
        if unit_id is None:
            return None if permission in self.everywhere else PermissionDenied(permission.value)
        if not self.reaches(unit_id):
            return NotFound()
        return None if self.may(permission, unit_id) else PermissionDenied(permission.value)

    def require_on(self, permission: Permission, unit_id: UUID | None, *path: str, read_with: Permission) -> None:
        """Check a permission for an object at a unit that is read with another one.

        Raises NotFound at `path` where the object is not shown: by its unit, or because the caller holds neither permission
        there. Raises PermissionDenied for one that is shown but not granted.
        """
        if not self.reaches(unit_id) or not (self.may(read_with, unit_id) or self.may(permission, unit_id)):
            raise NotFound(path=path)
        self.require(permission, unit_id)

    def require_anywhere(self, permission: Permission) -> None:
        """Raise PermissionDenied unless the permission is held on at least one unit; rows are then cut by scope."""
        if not self.may(permission):
            raise PermissionDenied(permission.value)


def worker_scope(organization_id: UUID) -> Scope:
    """Return the scope of a worker that handles a row of this organization: every unit and permission in it."""
    return Scope(
        actor=Actor(ActorKind.WORKER, SYSTEM_ACTOR, "Switchboard"),
        organization_id=organization_id,
        all_units=True,
        everywhere=frozenset(Permission),
        by_unit={},
        lineage_ids=frozenset(),
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """One unit that an actor reaches, with the permissions that the grants above it add up to."""

    unit_id: UUID
    permissions: frozenset[Permission]


def member_scope(
    actor: Actor,
    organization_id: UUID,
    *,
    everywhere: frozenset[Permission],
    reaches: Iterable[Reach],
    lineage_ids: Iterable[UUID],
    limit: frozenset[Permission] | None = None,
    credential: Credential | None = None,
    granted_at: Mapping[UUID, frozenset[Permission]] | None = None,
    departed_ids: Iterable[UUID] = (),
) -> Scope:
    """Build a scope from resolved grants; `limit` cuts it to what a token was given."""
    allowed = frozenset(Permission) if limit is None else limit
    departed = frozenset(departed_ids)
    by_unit = {reach.unit_id: reach.permissions & allowed for reach in reaches if reach.unit_id not in departed}
    return Scope(
        actor=actor,
        organization_id=organization_id,
        all_units=bool(everywhere),
        everywhere=everywhere & allowed,
        by_unit=by_unit,
        lineage_ids=frozenset(lineage_ids),
        limit=limit,
        credential=credential,
        granted_at=granted_at or {},
        departed_ids=departed,
    )
