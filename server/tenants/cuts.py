"""The conditions by which repositories cut rows to a scope: the first wall, before row-level security says the same."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, bindparam, true
from sqlalchemy.orm import InstrumentedAttribute

from server.tenants.rules import Permission
from server.tenants.scope import Scope

Column = InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]


def in_reach(scope: Scope, column: Column) -> ColumnElement[bool]:
    """Keep rows of the units that the scope reaches; those without a unit only for scopes that reach all."""
    return true() if scope.all_units else is_one_of(column, scope.unit_ids)


def in_reach_or_above(scope: Scope, column: Column, permission: Permission | None = None) -> ColumnElement[bool]:
    """Keep rows of the units that the scope reaches and of the units above these, whose shared rows it may read.

    With a permission, of the reached units only those on which it is held.
    """
    reached = scope.unit_ids if permission is None else scope.units_with(permission)
    if reached is None or (permission is None and scope.all_units):
        return true()
    return is_one_of(column, scope.lineage_ids.union(reached))


def at(column: Column, unit_ids: Collection[UUID] | None) -> ColumnElement[bool]:
    """Keep rows of these units, as `Scope.units_with` gives them; None stands for every unit."""
    return true() if unit_ids is None else is_one_of(column, unit_ids)


def is_one_of(column: Column, ids: Collection[UUID]) -> ColumnElement[bool]:
    """Compare a column with a set of ids of any size."""
    # One array parameter: an IN list of 10,000 units would be 10,000 parameters.
    return column == any_(bindparam(None, sorted(ids), type_=ARRAY(Uuid())))
