"""What PostgreSQL's catalogue says about our tables, and what the models declare about them."""

from __future__ import annotations

import psycopg
from psycopg import sql
from sqlalchemy import Table

from migrations.ground import OWNER
from server.models import metadata
from server.startup.walls import Grant, Policy

Connection = psycopg.Connection[tuple[object, ...]]


def tables() -> dict[str, Table]:
    """Return every table that the models declare."""
    return dict(metadata.tables)


def policies(connection: Connection, table: str) -> list[Policy]:
    """Read the policies of one table."""
    rows = connection.execute(
        "SELECT policyname, permissive, array_to_string(roles, ','), cmd, qual, with_check FROM pg_policies"
        " WHERE schemaname = 'public' AND tablename = %s",
        (table,),
    )
    return sorted(Policy(*map(_text, row)) for row in rows)  # type: ignore[arg-type]  # a tuple of six columns


def _text(value: object) -> str | None:
    return None if value is None else " ".join(str(value).split())


def grants(connection: Connection, table: str) -> set[Grant]:
    """Read every right on one table, of everybody but its owner, down to single columns."""
    rows = connection.execute(
        """
        SELECT coalesce(r.rolname, 'PUBLIC'), g.privilege_type, g.column_name FROM (
          SELECT a.grantee, a.privilege_type, '' AS column_name
          FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = %(table)s::regclass
          UNION ALL
          SELECT a.grantee, a.privilege_type, t.attname
          FROM pg_attribute t, aclexplode(t.attacl) a WHERE t.attrelid = %(table)s::regclass
        ) g LEFT JOIN pg_roles r ON r.oid = g.grantee WHERE r.rolname IS DISTINCT FROM %(owner)s
        """,
        {"table": f"public.{table}", "owner": OWNER},
    )
    return {Grant(str(role), str(right), str(column)) for role, right, column in rows}


def column_of(connection: Connection, query: str, **values: object) -> list[str]:
    """Return the first column of a query as texts."""
    return [str(row[0]) for row in connection.execute(sql.SQL(query), values)]
