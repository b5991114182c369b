"""The roles of a Switchboard database, the same in an embedded and in a real server.

`switchboard_owner` owns databases and tables and is used by migrations alone. `switchboard_app` and `switchboard_system`
own nothing and can neither be superuser nor bypass row security, so FORCEd policies bind them.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from migrations.ground import APP, OWNER, SYSTEM

SUPERUSER = "postgres"

_Connection = psycopg.Connection[tuple[object, ...]]
_POWERLESS = sql.SQL("LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION")


def ensure_roles(connection: _Connection, passwords: dict[str, str]) -> None:
    """Create those of our three roles that are missing."""
    rows = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", ([OWNER, APP, SYSTEM],))
    present = {row[0] for row in rows}
    for role in (OWNER, APP, SYSTEM):
        if role not in present:
            create_role(connection, role, passwords[role])


def create_role(connection: _Connection, role: str, password: str) -> None:
    """Create a login role without any power; the server never sees the password itself, only its scram verifier."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(
        sql.SQL("CREATE ROLE {} {} PASSWORD {}").format(sql.Identifier(role), _POWERLESS, sql.Literal(verifier))
    )


def close_to_others(connection: _Connection, dbname: str) -> None:
    """Let only our roles into a database, and let nobody but its owner create anything in it."""
    database = sql.Identifier(dbname)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    connection.execute(
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}").format(database, sql.Identifier(APP), sql.Identifier(SYSTEM))
    )
