"""How migrations put row-level security before a table. Frozen helpers: a later migration adds to them, never changes them.

Every policy is FOR ALL with USING and WITH CHECK, in the `= (select …)` form that lets the index be used
(reliability.md 1.6, row 12). FORCE puts the owner behind the wall too.
"""

from __future__ import annotations

from alembic import op

APP = "switchboard_app"
SYSTEM = "switchboard_system"

_ORGANIZATION = "organization_id = (select ctx.organization())"
_UNIT = "((select ctx.all_units()) OR {column} = ANY ((select ctx.units())::uuid[]))"
_LINEAGE = "((select ctx.all_units()) OR {column} = ANY ((select ctx.units() || ctx.lineage())::uuid[]))"

CONTEXT_UP = (
    "CREATE SCHEMA ctx",
    # nullif: after SET LOCAL ends, a custom setting is '' and not NULL; without an organization no row is visible.
    "CREATE FUNCTION ctx.organization() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN nullif(current_setting('app.organization', true), '')::uuid",
    "CREATE FUNCTION ctx.all_units() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN coalesce(current_setting('app.all_units', true), '') = 'on'",
    "CREATE FUNCTION ctx.units() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN coalesce(nullif(current_setting('app.units', true), ''), '{}')::uuid[]",
    "CREATE FUNCTION ctx.lineage() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN coalesce(nullif(current_setting('app.lineage', true), ''), '{}')::uuid[]",
    f"GRANT USAGE ON SCHEMA ctx TO {APP}, {SYSTEM}",
    f"GRANT USAGE ON SCHEMA public TO {APP}, {SYSTEM}",
    "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
)


def organization_wall(table: str, *, append_only: bool = False) -> None:
    """Let every scope of the organization see the rows."""
    _wall(table, _ORGANIZATION, _ORGANIZATION, append_only=append_only)


def unit_wall(table: str, *, append_only: bool = False) -> None:
    """Let only scopes that reach `unit_id` see the rows."""
    predicate = f"{_ORGANIZATION} AND {_UNIT.format(column='unit_id')}"
    _wall(table, predicate, predicate, append_only=append_only)


def lineage_wall(table: str, *, column: str = "unit_id") -> None:
    """Let scopes below the unit read the rows too; only scopes that reach it may write them."""
    using = f"{_ORGANIZATION} AND {_LINEAGE.format(column=column)}"
    check = f"{_ORGANIZATION} AND {_UNIT.format(column=column)}"
    _wall(table, using, check)
    # UPDATE and DELETE choose their rows by USING; these close what the reading predicate would open to them.
    op.execute(f"CREATE POLICY own_update ON {table} AS RESTRICTIVE FOR UPDATE TO {APP} USING ({check})")
    op.execute(f"CREATE POLICY own_delete ON {table} AS RESTRICTIVE FOR DELETE TO {APP} USING ({check})")


def system_wall(table: str) -> None:
    """Keep the rows from everybody but the system role and the definer functions of the owner."""
    _force(table)
    op.execute(f"CREATE POLICY definer_access ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def system_rights(table: str, rights: str) -> None:
    """Give the system role the named rights over all organizations; columns may follow in parentheses."""
    op.execute(f"CREATE POLICY system_access ON {table} TO {SYSTEM} USING (true) WITH CHECK (true)")
    op.execute(f"GRANT {rights} ON {table} TO {SYSTEM}")


def _wall(table: str, using: str, check: str, *, append_only: bool = False) -> None:
    _force(table)
    op.execute(f"CREATE POLICY tenant ON {table} FOR ALL TO {APP} USING ({using}) WITH CHECK ({check})")
    op.execute(f"GRANT {'SELECT, INSERT' if append_only else 'SELECT, INSERT, UPDATE, DELETE'} ON {table} TO {APP}")


def _force(table: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
