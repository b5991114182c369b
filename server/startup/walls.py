"""What PostgreSQL's catalogue must say about our tables: derived from what the models declare, and compared here alone.

The texts are those that `pg_policies` shows, with every run of spaces as one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Table

from migrations.ground import APP, SYSTEM
from server.kit.db import Wall

_ORGANIZATION = "(organization_id = ( SELECT ctx.organization() AS organization))"
_ALL_UNITS = "( SELECT ctx.all_units() AS all_units)"
_UNITS = "( SELECT unnest(ctx.units()) AS unnest)"
_ACTOR = "( SELECT ctx.actor() AS actor)"
_OWN = (
    f"({_ORGANIZATION} AND ({_ALL_UNITS} OR (member_id = {_ACTOR}) OR (id = {_ACTOR})"
    " OR (unit_ids <@ ( SELECT ctx.units() AS units))))"
)
_PEOPLE = (
    f"({_ORGANIZATION} AND ({_ALL_UNITS} OR (id = {_ACTOR}) OR (EXISTS ( SELECT FROM membership held"
    " WHERE ((held.organization_id = member.organization_id) AND (held.member_id = member.id))))))"
)
_WITH_LINEAGE = "( SELECT unnest((ctx.units() || ctx.lineage())) AS unnest)"


@dataclass(frozen=True, slots=True, order=True)
class Policy:
    """One policy as `pg_policies` shows it."""

    name: str
    permissive: str
    roles: str
    command: str
    using: str | None
    check: str | None


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right of one role on a table; `column` is "" for the whole table."""

    role: str
    right: str
    column: str = ""


def expected_policies(table: Table, owner: str) -> list[Policy]:
    """Return the policies that a table's declared wall asks for; `owner` is the role that owns the tables."""
    wall, rights = Wall(table.info["wall"]), str(table.info["system"])
    organization = _ORGANIZATION
    # The row of a unit is its own place in the tree.
    column = "id" if table.name == "unit" else "unit_id"
    unit = f"({_ORGANIZATION} AND ({_ALL_UNITS} OR ({column} IN {_UNITS})))"
    lineage = f"({_ORGANIZATION} AND ({_ALL_UNITS} OR ({column} IN {_WITH_LINEAGE})))"
    mine = f"({_ORGANIZATION} AND ({_ALL_UNITS} OR (actor_id = {_ACTOR})))"
    match wall:
        case Wall.ORGANIZATION:
            policies = [_tenant(organization, organization)]
        case Wall.HEADQUARTERS:
            policies = [_tenant(f"({_ORGANIZATION} AND {_ALL_UNITS})", organization)]
        case Wall.ACTOR:
            policies = [_tenant(mine, mine)]
        case Wall.OWN:
            policies = [_tenant(_OWN, _OWN)]
        case Wall.PEOPLE:
            policies = [_tenant(_PEOPLE, mine.replace("actor_id", "id"))]
        case Wall.UNIT:
            policies = [_tenant(unit, unit)]
        case Wall.LINEAGE:
            policies = [
                _tenant(lineage, unit),
                Policy("own_update", "RESTRICTIVE", APP, "UPDATE", unit, None),
                Policy("own_delete", "RESTRICTIVE", APP, "DELETE", unit, None),
            ]
        case Wall.SYSTEM:
            policies = [Policy("definer_access", "PERMISSIVE", owner, "ALL", "true", "true")]
    if rights:
        policies.append(Policy("system_access", "PERMISSIVE", SYSTEM, "ALL", "true", "true"))
    return sorted([*policies, *_of_leaving(table, column)])


def _of_leaving(table: Table, column: str) -> Iterator[Policy]:
    if (table.name == "unit" or "unit_id" in table.columns) and not table.info.get("outlives_unit"):
        yield Policy("departed", "RESTRICTIVE", APP, "ALL", _departed(column), None)
    if erasable := tuple(table.info.get("erasable", ())):
        yield Policy("erasure", "RESTRICTIVE", APP, "DELETE", _erasure(table.name, erasable), None)


def _departed(column: str) -> str:
    none = "( SELECT (ctx.departed() = '{}'::uuid[]))"
    return f"({none} OR (({column} = ANY (( SELECT ctx.departed() AS departed)::uuid[])) IS NOT TRUE))"


def _erasure(table: str, columns: tuple[str, ...]) -> str:
    named = [f"{table}.{column}" for column in columns]
    chosen = f"= {named[0]}" if len(named) == 1 else f"= ANY (ARRAY[{', '.join(named)}])"
    return (
        "(EXISTS ( SELECT FROM departure WHERE"
        f" ((departure.organization_id = {table}.organization_id) AND (departure.subject_id {chosen}))))"
    )


def _tenant(using: str, check: str) -> Policy:
    return Policy("tenant", "PERMISSIVE", APP, "ALL", using, check)


def expected_grants(table: Table) -> set[Grant]:
    """Return the rights that a table's declaration gives to our two roles."""
    if Wall(table.info["wall"]) is Wall.SYSTEM:
        mine = ""
    elif table.info.get("append_only"):
        mine = "SELECT, INSERT, DELETE" if table.info.get("erasable") else "SELECT, INSERT"
    else:
        mine = str(table.info.get("rights", "SELECT, INSERT, UPDATE, DELETE"))
    return {*_rights(APP, mine), *_rights(SYSTEM, str(table.info["system"]))}


def _rights(role: str, rights: str) -> Iterator[Grant]:
    for right, columns in re.findall(r"(\w+)(?: \(([^)]*)\))?(?:, |$)", rights):
        yield from (Grant(role, right, column.strip()) for column in columns.split(","))


@dataclass(frozen=True, slots=True)
class Found:
    """What the catalogue says about one table."""

    is_enabled: bool
    is_forced: bool
    policies: set[Policy]
    grants: set[Grant]


def differences(table: Table, found: Found | None, owner: str) -> list[str]:
    """Return in what a table differs from its declaration; empty when its wall stands as declared."""
    if found is None:
        return ["it is missing"]
    wanted, rights = set(expected_policies(table, owner)), expected_grants(table)
    said = [] if found.is_enabled else ["row-level security is off"]
    said += [] if found.is_forced else ["row-level security does not bind its owner"]
    said += [f"policy {one.name} is not as declared" for one in sorted(wanted - found.policies)]
    said += [f"policy {one.name} lets more or other rows pass" for one in sorted(found.policies - wanted)]
    said += [f"{one.role} lacks {_right(one)}" for one in sorted(rights - found.grants)]
    return said + [f"{one.role} has {_right(one)}" for one in sorted(found.grants - rights)]


def _right(grant: Grant) -> str:
    return grant.right + (f" ({grant.column})" if grant.column else "")
