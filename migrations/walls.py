"""How migrations put row-level security before a table. Frozen helpers: a later migration adds to them, never changes them.

Every policy is FOR ALL with USING and WITH CHECK, in the `= (select …)` form that lets the index be used
(reliability.md 1.6, row 12). FORCE puts the owner behind the wall too.
"""

from __future__ import annotations

from alembic import op

from migrations.ground import APP, SYSTEM

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


ACTOR_UP = (
    "CREATE FUNCTION ctx.actor() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN nullif(current_setting('app.actor', true), '')::uuid",
)

_MINE = "((select ctx.all_units()) OR {mine} = (select ctx.actor()))"
_OWN = (
    "((select ctx.all_units()) OR member_id = (select ctx.actor()) OR id = (select ctx.actor())"
    " OR unit_ids <@ (select ctx.units()))"
)
# The policy of `membership` cuts what is found here to units that the scope reaches, and to those above them.
_PEOPLE = (
    "((select ctx.all_units()) OR id = (select ctx.actor()) OR EXISTS (SELECT FROM membership AS held"
    " WHERE held.organization_id = member.organization_id AND held.member_id = member.id))"
)


def headquarters_wall(table: str, *, append_only: bool = False) -> None:
    """Let every scope of the organization add rows, and only scopes that reach every unit see or change them."""
    _wall(table, f"{_ORGANIZATION} AND (select ctx.all_units())", _ORGANIZATION, append_only=append_only)


def own_wall(table: str) -> None:
    """Let an actor see its own rows, and those whose units it reaches."""
    predicate = f"{_ORGANIZATION} AND {_OWN}"
    _wall(table, predicate, predicate)


def actor_wall(table: str) -> None:
    """Let only the actor of a row see it, besides scopes that reach every unit."""
    predicate = f"{_ORGANIZATION} AND {_MINE.format(mine='actor_id')}"
    _wall(table, predicate, predicate)


def people_wall() -> None:
    """Let a scope see the people who work at its units or above them; change only itself, unless it reaches every unit."""
    check = f"{_ORGANIZATION} AND {_MINE.format(mine='id')}"
    _wall("member", f"{_ORGANIZATION} AND {_PEOPLE}", check)


def drop_wall(table: str) -> None:
    """Take the tenant policies away, so that another wall can be put up in the same transaction."""
    for policy in ("tenant", "own_update", "own_delete"):
        op.execute(f"DROP POLICY IF EXISTS {policy} ON {table}")
    op.execute(f"REVOKE ALL ON {table} FROM {APP}")


def narrow_rights(table: str, rights: str) -> None:
    """Leave the application role the named rights only, after its wall stands; columns may follow in parentheses."""
    op.execute(f"REVOKE ALL ON {table} FROM {APP}")
    op.execute(f"GRANT {rights} ON {table} TO {APP}")


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


def hash_unit_sets() -> None:
    """Let every policy so far look units up in a hash, which is built once per statement, instead of along an array.

    A wall that a later migration puts up by the helpers above probes the array; it calls this once more afterwards.
    """
    _rewrite(r"= ANY \(\(\s*SELECT (ctx\.units\(\)) AS units\)::uuid\[\]\)", r"IN (SELECT unnest(\1))")
    _rewrite(r"= ANY \(\(\s*SELECT \((ctx\.units\(\) \|\| ctx\.lineage\(\))\)\)::uuid\[\]\)", r"IN (SELECT unnest(\1))")


def probe_unit_sets() -> None:
    """Undo `hash_unit_sets`."""
    _rewrite(r"IN \(\s*SELECT unnest\((ctx\.units\(\))\) AS unnest\)", r"= ANY ((SELECT \1)::uuid[])")
    _rewrite(
        r"IN \(\s*SELECT unnest\(\((ctx\.units\(\) \|\| ctx\.lineage\(\))\)\) AS unnest\)",
        r"= ANY ((SELECT \1)::uuid[])",
    )


def _rewrite(pattern: str, replacement: str) -> None:
    """Replace a part of every policy that has it."""
    op.execute(f"""
DO $rewrite$
DECLARE found record;
BEGIN
  FOR found IN SELECT policyname, tablename,
      'USING (' || regexp_replace(qual, $e${pattern}$e$, $e${replacement}$e$, 'g') || ')' AS visible,
      'WITH CHECK (' || regexp_replace(with_check, $e${pattern}$e$, $e${replacement}$e$, 'g') || ')' AS allowed
    FROM pg_policies WHERE schemaname = 'public' AND concat_ws(' ', qual, with_check) ~ $e${pattern}$e$
  LOOP
    EXECUTE concat_ws(' ', format('ALTER POLICY %I ON %I', found.policyname, found.tablename), found.visible, found.allowed);
  END LOOP;
END $rewrite$
""")


DEPARTED_UP = (
    "CREATE FUNCTION ctx.departed() RETURNS uuid[] LANGUAGE sql STABLE PARALLEL SAFE"
    " RETURN coalesce(nullif(current_setting('app.departed', true), ''), '{}')::uuid[]",
)


def departed_wall(table: str, *, column: str = "unit_id") -> None:
    """Hide the rows of units that the organization parts with, also from scopes that reach every unit."""
    # The first half keeps the planner from believing that most rows are hidden.
    op.execute(
        f"CREATE POLICY departed ON {table} AS RESTRICTIVE FOR ALL TO {APP} USING ("
        f"(select ctx.departed() = '{{}}'::uuid[]) OR ({column} = ANY ((select ctx.departed())::uuid[])) IS NOT TRUE)"
    )


def erasure_wall(table: str, *columns: str) -> None:
    """Let rows of an append-only table be deleted, but only those of a unit or contact that leaves."""
    named = ", ".join(f"{table}.{column}" for column in columns)
    op.execute(
        f"CREATE POLICY erasure ON {table} AS RESTRICTIVE FOR DELETE TO {APP} USING (EXISTS (SELECT FROM departure"
        f" WHERE departure.organization_id = {table}.organization_id AND departure.subject_id IN ({named})))"
    )
    op.execute(f"GRANT DELETE ON {table} TO {APP}")
