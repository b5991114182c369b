"""All SQL of a start: facts about roles, walls and revision, the canary, and sealed values to try the ring on.

Every function takes a connection of its own kind in autocommit: a start happens once, before there is any pool.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import psycopg
from psycopg import sql

from migrations.ground import APP
from server.startup.functions import Function
from server.startup.sealed import SealedKind
from server.startup.walls import Found, Grant, Policy

Connection = psycopg.Connection[tuple[object, ...]]

# The catalogue shows names without a schema that the search path finds: what is compared must not depend on the role's.
_SETTINGS = {"statement_timeout": "15000", "lock_timeout": "5000", "search_path": "public"}
_OPTIONS = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())

_SEES = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND classid = %(high)s::bigint::oid AND objid = %(low)s::bigint::oid)
"""

_ROLE = """
SELECT rolname, session_user::text, rolsuper, rolbypassrls, rolcreaterole OR rolcreatedb OR rolreplication,
  ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid),
  ARRAY(SELECT c.oid::regclass::text FROM pg_class c WHERE c.relowner = r.oid AND c.relkind IN ('r', 'p', 'v', 'm')
    AND c.relnamespace::regnamespace::text !~ '^pg_'),
  ARRAY(SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND has_schema_privilege(r.oid, oid, 'CREATE'))
FROM pg_roles r WHERE rolname = current_user
"""

_OWNERS = """
SELECT DISTINCT r.rolname, r.rolsuper OR r.rolbypassrls FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname = ANY (%s)
"""

_TABLES = """
SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
"""

_POLICIES = """
SELECT tablename, policyname, permissive, array_to_string(roles, ','), cmd, qual, with_check FROM pg_policies
WHERE schemaname = 'public'
"""

_GRANTS = """
SELECT g.relname, coalesce(r.rolname, 'PUBLIC'), g.privilege_type, g.column_name FROM (
  SELECT c.relname, c.relowner, a.grantee, a.privilege_type, '' AS column_name
  FROM pg_class c, aclexplode(c.relacl) a
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  UNION ALL
  SELECT c.relname, c.relowner, a.grantee, a.privilege_type, t.attname
  FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid, aclexplode(t.attacl) a
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
) g LEFT JOIN pg_roles r ON r.oid = g.grantee WHERE g.grantee <> g.relowner
"""

# What an extension brings is its own to guard. A view with security_invoker asks the walls of whoever reads it.
_STRANGERS = """
SELECT c.oid::regclass::text, c.relkind IN ('v', 'm')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = %(role)s
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT (n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname = ANY (%(declared)s))
  AND has_schema_privilege(r.oid, n.oid, 'USAGE')
  AND (has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
  AND NOT (c.relkind = 'v' AND EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
    WHERE option_name = 'security_invoker' AND option_value::boolean))
ORDER BY 1
"""

_FUNCTIONS = """
SELECT p.oid::regprocedure::text, l.lanname, p.prorettype::regtype::text, p.provolatile, p.prosecdef,
  coalesce(array_to_string(p.proconfig, ', '), ''), coalesce(pg_get_function_sqlbody(p.oid), p.prosrc),
  pg_get_userbyid(p.proowner),
  coalesce(has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'), false)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
LEFT JOIN pg_roles r ON r.rolname = %(role)s
WHERE n.nspname = 'ctx' OR (p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))
"""


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """What the role of a connection is and may."""

    name: str
    signed_in_as: str
    is_superuser: bool
    bypasses_walls: bool
    has_power: bool
    """May make roles or databases, or replicate."""
    member_of: tuple[str, ...]
    owns: tuple[str, ...]
    creates_in: tuple[str, ...]


def connect(dsn: str, *, is_pooled: bool = False) -> Connection:
    """Open a connection in autocommit; raises psycopg.OperationalError when the server does not let us in within 5 s.

    Behind a pooler it sets nothing and prepares nothing: what is read there is read in `looking`.
    """
    return psycopg.connect(
        dsn,
        autocommit=True,
        connect_timeout=5,
        options=None if is_pooled else _OPTIONS,
        prepare_threshold=None if is_pooled else 5,
        application_name="switchboard-start",
    )


@contextmanager
def looking(connection: Connection) -> Iterator[None]:
    """Read in one transaction with the timeouts and the search path of a start, through a pooler too."""
    with connection.transaction():
        for name, value in _SETTINGS.items():
            connection.execute("SELECT set_config(%s, %s, true)", (name, value))
        yield


@contextmanager
def marked(connection: Connection) -> Iterator[int]:
    """Hold a lock, as long as the block lasts, that is seen in this very database of this very server and nowhere else.

    Names, oids and addresses are the same in copies and on standbys, and different through a pooler.
    """
    mark = secrets.randbits(63)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (mark,))
        yield mark


def sees(connection: Connection, mark: int) -> bool:
    """Say whether this connection leads to the database that holds the mark."""
    row = connection.execute(_SEES, {"high": mark >> 32, "low": mark & 0xFFFFFFFF}).fetchone()
    return row is not None and bool(row[0])


def database_of(connection: Connection) -> str:
    """Return the name of the database that a connection leads to."""
    row = connection.execute("SELECT current_database()").fetchone()
    return "" if row is None else str(row[0])


def role_of(connection: Connection) -> RoleFacts:
    """Read what the role of this connection is and may."""
    row = connection.execute(_ROLE).fetchone()
    if row is None:
        raise psycopg.DataError("the role of this connection is unknown")
    name, signed_in_as, is_superuser, bypasses, has_power, *lists = row
    return RoleFacts(
        str(name), str(signed_in_as), bool(is_superuser), bool(bypasses), bool(has_power), *map(_texts, lists)
    )


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def owners_of(connection: Connection, tables: Sequence[str]) -> dict[str, bool]:
    """Return who owns these tables, and whether that role is bound by no wall."""
    return {str(name): bool(free) for name, free in connection.execute(_OWNERS, (list(tables),))}


def applied_revisions(connection: Connection) -> set[str] | None:
    """Return the revisions of the database as the system role sees them; None if it has no migrations that show them."""
    try:
        with connection.transaction():  # a savepoint where one is open, which stays usable
            return {str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
        return None


def walls_of(connection: Connection) -> dict[str, Found]:
    """Read walls and rights of every table in the schema `public`, in three statements."""
    found = {
        str(name): Found(bool(enabled), bool(forced), set(), set())
        for name, enabled, forced in connection.execute(_TABLES)
    }
    for table, *policy in connection.execute(_POLICIES):
        found[str(table)].policies.add(Policy(*(_text(one) for one in policy)))  # type: ignore[arg-type]  # six columns
    for table, role, right, column in connection.execute(_GRANTS):
        found[str(table)].grants.add(Grant(str(role), str(right), str(column)))
    return found


def strangers_of(connection: Connection, declared: Sequence[str]) -> dict[str, bool]:
    """Return what the application role may use besides the declared tables and past every wall, and whether it is a view."""
    values = {"role": APP, "declared": list(declared)}
    return {str(name): bool(is_view) for name, is_view in connection.execute(_STRANGERS, values)}


def functions_of(connection: Connection) -> dict[str, Function]:
    """Read the functions that walls call, and all that run with the rights of their owner."""
    found: dict[str, Function] = {}
    for name, *rest, body, owner, is_called in connection.execute(_FUNCTIONS, {"role": APP}):
        language, returns, volatility, is_definer, settings = rest
        shown = (str(language), str(returns), str(volatility), bool(is_definer), str(settings))
        found[str(name).replace(", ", ",")] = Function(*shown, _text(body) or "", str(owner), bool(is_called))
    return found


def _text(value: object) -> str | None:
    return None if value is None else " ".join(str(value).split())


def canaries(connection: Connection) -> dict[str, bytes]:
    """Read every canary by its name, as the system role."""
    rows = connection.execute("SELECT name, value FROM start_canary")
    return {str(name): _bytes(value) for name, value in rows}


def add_canary(connection: Connection, name: str, value: bytes) -> None:
    """Keep a canary; one that another process kept meanwhile stays."""
    connection.execute(
        "INSERT INTO start_canary (name, value) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", (name, value)
    )


def drop_canary(connection: Connection, name: str) -> None:
    """Forget a canary."""
    connection.execute("DELETE FROM start_canary WHERE name = %s", (name,))


def organizations(connection: Connection) -> Iterator[UUID]:
    """Yield every organization, as the system role."""
    for (identifier,) in connection.execute("SELECT organization_id FROM organization ORDER BY organization_id"):
        if isinstance(identifier, UUID):
            yield identifier


def sealed_value(
    connection: Connection, kind: SealedKind, organization_id: UUID | None, key: str | None = None
) -> tuple[bytes, str] | None:
    """Return one sealed value of a kind and what it is sealed to; with `key`, only one that this key sealed.

    `connection` is the system role's for a table that belongs to no organization, else the application's.
    """
    query = sql.SQL("SELECT {column}, {names} FROM {table} WHERE {column} IS NOT NULL {sealed_by} LIMIT 1").format(
        column=sql.Identifier(kind.column),
        names=sql.SQL(", ").join(map(sql.Identifier, kind.names)),
        table=sql.Identifier(kind.table),
        # The second byte is the length of the key's name, which follows it (server.kit.crypto).
        sealed_by=sql.SQL("" if key is None else "AND substring({0} FROM 3 FOR get_byte({0}, 1)) = %(key)s").format(
            sql.Identifier(kind.column)
        ),
    )
    with connection.transaction():
        if organization_id is not None:
            _see(connection, organization_id)
        row = connection.execute(query, {"key": None if key is None else key.encode()}).fetchone()
    if row is None:
        return None
    return _bytes(row[0]), kind.identity.format(**dict(zip(kind.names, row[1:], strict=True)))


def _see(connection: Connection, organization_id: UUID) -> None:
    connection.execute(
        "SELECT set_config('app.organization', %s, true), set_config('app.all_units', 'on', true)",
        (str(organization_id),),
    )


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else bytes(value) if isinstance(value, memoryview | bytearray) else b""
